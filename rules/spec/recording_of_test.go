package spec

import (
	"testing"

	"chertd/engine/event"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// What a candidate requested beside the live version did not decide anything, and a pack of
// which no version was live did not fail: it missed the event.
func TestRecordingHasWhatDecided(t *testing.T) {
	t.Parallel()
	e := turn.Entry{Seq: 7, Arrival: turn.Arrival{Event: event.Event{ID: "e1", Type: event.MessageReceived, Chat: &event.Chat{ID: "c1"}}}}
	d := &turn.Decision{Seq: 7, Rules: []turn.RuleDecision{
		{Pack: "vip", Version: "live", Rule: "keep", Asked: []string{"mark_read"}},
		{Pack: "vip", Version: "next", Rule: "keep", Asked: []string{"keep_unread [shadow]"}, Shadow: true, Candidate: true},
		{Pack: "calm", Version: "c", Rule: "wait", Asked: []string{"mark_read [shadow]"}, Shadow: true},
		{Pack: "broken", Version: "b", Error: "the pack is not live"},
	}}
	actions := []chat.Action{
		{ID: chat.ActionID{Seq: 7}, Kind: chat.Read, Pack: "vip", Version: "live", Rule: "keep", Status: chat.Done},
		{ID: chat.ActionID{Seq: 7, N: 1}, Kind: chat.Read, Pack: "vip", Version: "next", Rule: "keep", Status: chat.Shadowed},
		{ID: chat.ActionID{Seq: 7, N: 2}, Kind: chat.Read, Pack: "calm", Version: "c", Rule: "wait", Status: chat.Shadowed},
	}
	r := RecordedOf(&e, d, actions, nil)
	if len(r.Rules) != 2 || r.Rules[0].Version != "live" || r.Rules[0].Shadow || r.Rules[1].Pack != "calm" || !r.Rules[1].Shadow {
		t.Errorf("rules: %+v", r.Rules)
	}
	if len(r.Actions) != 2 || r.Actions[0].ID != "7.0" || r.Actions[1].ID != "7.2" {
		t.Errorf("actions: %+v", r.Actions)
	}
	all := Recording{Chat: "c1", Events: []RecordedEvent{r}}
	if all.NotLive("broken") != 1 || all.NotLive("vip") != 0 {
		t.Errorf("not live: %v", r.NotLive)
	}
	for chatID, masked := range map[string]string{"+14155550123": "chat 1", "ann@example.com": "chat 1", "7d1b2c9e-8b4e": "7d1b2c9e-8b4e", "c1": "c1"} {
		if got := (&Recording{Chat: chatID}).Masked().Chat; got != masked {
			t.Errorf("chat %s is masked as %s, want %s", chatID, got, masked)
		}
	}
}

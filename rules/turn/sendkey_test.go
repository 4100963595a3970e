package turn

import (
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// A message has the same key whenever its event is handled, and no other message has it.
func TestSendKeysFollowFromTheEvent(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	send := func(rule, to, text string) rules.Request {
		return rules.Request{Chat: to, Request: chat.Request{Kind: chat.RequestSend, Pack: "p", Rule: rule, Body: []byte(text)}}
	}
	keys := func(e event.Event, requests ...rules.Request) (list []string) {
		outcomes := []rules.Outcome{{Requests: requests}}
		keySends(&e, outcomes)
		for _, w := range outcomes[0].Requests {
			list = append(list, w.Target)
		}
		return list
	}
	first := event.Event{ID: "e1", At: at}
	all := keys(first, send("a", "c1", `"x"`), send("a", "c1", `"x"`), send("b", "c1", `"x"`), send("a", "c2", `"x"`), send("a", "c1", `"y"`))
	all = append(all, keys(event.Event{ID: "e2", At: at}, send("a", "c1", `"x"`))...)
	all = append(all, keys(event.Event{ID: "e1", At: at.Add(time.Second)}, send("a", "c1", `"x"`))...)
	seen := map[string]bool{}
	for i, key := range all {
		if key == "" || seen[key] {
			t.Errorf("message %d has the key %q, which is empty or that of another", i, key)
		}
		seen[key] = true
	}
	// Other requests of the event do not change it.
	read := rules.Request{Chat: "c1", Request: chat.Request{Kind: chat.RequestRead}}
	again := keys(first, read, send("b", "c1", `"x"`), send("a", "c1", `"x"`))
	if again[0] != "" || again[1] != all[2] || again[2] != all[0] {
		t.Errorf("the keys are %q, want none, %q and %q", again, all[2], all[0])
	}
}

package storetest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// wordy returns an event and what became of it, with a text wherever one may be.
func (b *bench) wordy(id, chatID string) int64 {
	b.Helper()
	a := old(10, id, chatID)
	a.Event.Text, a.Event.From = "secret", "secret"
	a.Event.Raw = json.RawMessage(`{"text":"secret"}`)
	a.Event.Chat.Handles = []event.Handle{{Handle: "secret"}}
	a.Event.Message = &event.Message{ID: "m-" + id, Direction: "inbound", Text: "secret", From: "secret", Parts: []event.Part{{Type: "text", Value: "secret"}}}
	return b.append(a)[0]
}

// wordyOutcome is what became of an event, with a text wherever one may be.
func wordyOutcome(seq int64, chatID string, status chat.Status) turn.Transition {
	a := read(seq, 0, chatID, noon)
	a.Kind, a.Body, a.Status = chat.Send, json.RawMessage(`{"text":"secret"}`), status
	c := chat.Chat{ID: chatID, LastEvent: seq}
	if status == chat.Waiting {
		c.Waiting = []chat.Action{a}
	}
	return turn.Transition{
		Decision: &turn.Decision{Seq: seq, At: noon, Actions: 1, Note: "noted", Packs: map[string]string{"codes": "v1"}, Rules: []turn.RuleDecision{
			{Pack: "codes", Version: "v1", Rule: "one", Place: "codes.lua:1", Asked: []string{"send"}, Steps: 7, Logs: []turn.Log{{Level: "info", Msg: "secret"}}},
			{Pack: "codes", Version: "v1", Rule: "two", Place: "codes.lua:2", Error: "secret", Logs: []turn.Log{{Level: "info", Msg: "secret"}}},
			{Pack: "codes", Version: "v1", Rule: "three", Place: "codes.lua:3", Skipped: "cooldown"},
		}},
		Chat: &c, Actions: []chat.Action{a},
	}
}

func textsGo(t *testing.T, b *bench) {
	seq := b.wordy("e1", "c1")
	b.commit(wordyOutcome(seq, "c1", chat.Done))
	timer := turn.Arrival{Received: noon.AddDate(0, 0, -10), Cause: seq, Event: event.Event{
		ID: "timer:1", Type: "timer:t", At: noon, Source: event.SourceEngine, Pack: "codes", Payload: json.RawMessage(`"secret"`), Chat: &event.Chat{ID: "c1"}}}
	forward := turn.Arrival{Received: noon.AddDate(0, 0, -10), Cause: seq, Event: event.Event{ID: "request:1", Type: "request", At: noon, Source: event.SourceEngine, Chat: &event.Chat{ID: "c1"}},
		Forward: &turn.Forward{Request: chat.Request{Kind: chat.RequestSend, Body: json.RawMessage(`"secret"`)}}}
	plain := timer
	plain.Event.ID, plain.Event.Payload = "timer:2", nil
	for _, seq := range b.append(timer, forward, plain) {
		b.commit(turn.Transition{Decision: &turn.Decision{Seq: seq, At: noon}})
	}
	young := b.append(arrival("e2", "c2"))[0]
	b.handle(young, "c2")
	before := b.record("e1")
	b.equal("removed", b.prune(b.s.PruneTexts, noon.AddDate(0, 0, -5), 2), 3)
	b.reopen()
	got := b.record("e1")
	for _, id := range []string{"e1", "timer:1", "request:1", "timer:2"} {
		if text := show(b.record(id)); strings.Contains(text, "secret") {
			t.Errorf("a text of %s is left: %s", id, text)
		}
	}
	want := before
	want.Event = event.Event{ID: "e1", Type: event.MessageReceived, At: noon, Source: event.SourceWebhook,
		Chat: &event.Chat{ID: "c1", Line: "+14152165723"}, Message: &event.Message{ID: "m-e1", Direction: "inbound"}}
	want.Decision.Rules = slices.Clone(before.Decision.Rules)
	want.Decision.Rules[0].Logs, want.Decision.Rules[1].Logs, want.Decision.Rules[1].Error = nil, nil, store.TextRemoved
	want.Actions = slices.Clone(before.Actions)
	want.Actions[0].Body = nil
	b.equal("what stays of e1", got, want)
	b.equal("the text of a young event", b.record("e2").Event.Text, "hello")
	receipts, err := b.s.Append(background, []turn.Arrival{arrival("e1", "c1")})
	b.must(err)
	b.equal("receipt of the same event", receipts, []store.Receipt{{Seq: seq, Duplicate: true}})
	b.equal("events removed after their texts", b.prune(b.s.PruneEvents, noon.AddDate(0, 0, -5), 2), 4)
}

// textsStay: rules never run on an event without its text, and no call goes out
// without its own.
func textsStay(t *testing.T, b *bench) {
	pending, missing, open := b.wordy("pending", "c1"), b.wordy("missed", "c2"), b.wordy("open", "c3")
	outcome := wordyOutcome(missing, "c2", chat.Done)
	outcome.Missed = []turn.Missed{missed("codes", missing, "c2")}
	b.commit(outcome, wordyOutcome(open, "c3", chat.Waiting))
	b.equal("removed", b.prune(b.s.PruneTexts, noon, 2), 1)
	entries, err := b.s.Pending(background, store.Shard{Of: 1}, 0, 10)
	b.must(err)
	if len(entries) != 1 || entries[0].Seq != pending || entries[0].Event.Text != "secret" || entries[0].Event.Raw == nil {
		t.Errorf("pending: %s", show(entries))
	}
	records, err := b.s.Records(background, []int64{missing})
	b.must(err)
	if len(records) != 1 || records[0].Event.Text != "secret" || records[0].Event.Raw == nil || records[0].Decision.Rules[1].Error != "secret" {
		t.Errorf("missed: %s", show(records))
	}
	if got := b.record("open"); got.Event.Raw != nil || string(got.Actions[0].Body) != `{"text":"secret"}` {
		t.Errorf("with a waiting call: %s", show(got))
	}
	b.equal("what is to be called", string(b.chat("c3").Waiting[0].Body), `{"text":"secret"}`)

	b.commit(wordyOutcome(pending, "c1", chat.Done), wordyOutcome(open, "c3", chat.Done), turn.Transition{Made: []turn.MissedID{{Pack: "codes", Seq: missing}}})
	b.equal("removed once all is done", b.prune(b.s.PruneTexts, noon, 2), 3)
	for _, id := range []string{"pending", "missed", "open"} {
		if text := show(b.record(id)); strings.Contains(text, "secret") {
			t.Errorf("a text of %s is left: %s", id, text)
		}
	}
}

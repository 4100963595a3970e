package turn

import (
	"slices"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules/chat"
)

// From a chat's newest entry its decisions lead back to the first one, whatever kinds of
// entries there were. A run again changes neither.
func TestDecisionsLinkTheEntriesOfAChat(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	message := func(id, chatID string) Arrival {
		return Arrival{Event: event.Event{
			ID: id, Type: event.MessageReceived, Chat: &event.Chat{ID: chatID}, Message: &event.Message{ID: "m" + id, Direction: "inbound"},
		}}
	}
	timer := chat.Timer{Pack: "p", Name: "gone", Seq: 1, Due: now}
	elsewhere := message("e9", "c2")
	carried := made(event.Event{ID: "r1", Type: "request", Chat: &event.Chat{ID: "c1"}}, 9, now)
	carried.Forward = &Forward{Request: chat.Request{Kind: chat.RequestRead, Due: now}}
	entries := []*Entry{
		{Seq: 2, Arrival: message("e2", "c1")},
		{Seq: 3, Arrival: TimerFired("c1", &timer, now)}, // replaced or cancelled
		{Seq: 7, Arrival: carried},
		{Seq: 8, Arrival: madeUp(&Entry{Seq: 5, Arrival: elsewhere}, "p", "c1", now)},
		{Seq: 9, Arrival: (&OperatorRead{Chat: "c1", ID: "1"}).Entry(now)},
	}

	b := &Blockade{Key: "c1"}
	tr := Turn{Set: setOf(t, `chert.on("message.received", function(ev) error("oh") end)
chert.on("message.received", { text = "x" }, function(ev) chert.keep_unread(ev.chat.id) end)`),
		Now: now, Chat: &chat.Chat{ID: "c1"}, Memory: &Memory{}, Blocks: blocks{b}}
	decisions := map[int64]*Decision{}
	var first Done
	for _, e := range entries {
		d, err := tr.Handle(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		b.Apply(&d.Transition)
		decisions[e.Seq], tr.Chat = d.Decision, d.Chat
		if e == entries[0] {
			first = d
		}
	}
	var linked []int64
	for seq := tr.Chat.Newest; seq != 0; seq = decisions[seq].Prev {
		linked = append(linked, seq)
	}
	if !slices.Equal(linked, []int64{9, 8, 7, 3, 2}) {
		t.Errorf("linked are %v", linked)
	}

	r, err := tr.Rerun(t.Context(), entries[0], &Decision{Seq: 2, Prev: 1, At: now}, now)
	if err != nil {
		t.Fatal(err)
	}
	r.Skip(&first.Missed[0])
	d, _, ok, err := r.End(t.Context())
	if err != nil || !ok || d.Decision.Prev != 1 || d.Chat.Newest != 9 {
		t.Errorf("run again: %t, %v, after %d, the newest is %d", ok, err, d.Decision.Prev, d.Chat.Newest)
	}

	// An entry without a chat has none before it, and one that its chat has handled
	// does not link to itself.
	tr.Chat = nil
	none, err := tr.Handle(t.Context(), &Entry{Seq: 10, Arrival: Arrival{Event: event.Event{ID: "s", Type: event.Schedule, Source: event.SourceEngine}}})
	if err != nil || none.Decision.Prev != 0 {
		t.Errorf("without a chat: %+v, %v", none.Decision, err)
	}
	tr.Chat = d.Chat
	same, err := tr.Handle(t.Context(), entries[4])
	if err != nil || same.Decision.Prev != 0 || same.Chat.Newest != 9 {
		t.Errorf("handled twice: %+v, %v", same.Decision, err)
	}
}

package turn

import (
	"context"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// BenchmarkRead takes a message of a new chat through the three turns of its read: the
// rules, the call, the answer.
func BenchmarkRead(b *testing.B) {
	r := newReadOnce(b)
	b.ReportAllocs()
	for b.Loop() {
		r.read(b)
	}
}

// TestReadAllocatesLittle counts what the three turns allocate. An Action is 360 bytes and a
// Chat 480: a copy of one that escapes counts.
func TestReadAllocatesLittle(t *testing.T) {
	r := newReadOnce(t)
	const most = 38 // 34, and some with -race
	if n := testing.AllocsPerRun(100, func() { r.read(t) }); n > most {
		t.Errorf("a message and its read allocate %.0f objects, want at most %d", n, most)
	}
}

// readOnce is a message, and the rule that reads it.
type readOnce struct {
	set   *rules.Set
	entry Entry
	calls *Calls
	now   time.Time
}

func newReadOnce(t testing.TB) *readOnce {
	set := setOf(t, `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`)
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	return &readOnce{set, Entry{Seq: 1, Arrival: Arrival{Received: now, Event: event.Event{
		ID: "e1", Type: event.MessageReceived, At: now, Source: event.SourceWebhook, Text: "your code is 123456",
		Chat:    &event.Chat{ID: "c1", Line: "+14152165723"},
		Message: &event.Message{ID: "m1", Direction: "inbound", SentAt: now},
	}}}, NewCalls(set), now}
}

func (r *readOnce) read(t testing.TB) {
	ctx := context.Background()
	turn := Turn{Set: r.set, Now: r.now, Chat: &chat.Chat{ID: "c1"}, Memory: &Memory{}}
	d, err := turn.Handle(ctx, &r.entry)
	if err != nil {
		t.Fatal(err)
	}
	turn.Chat = d.Chat
	if d, _, err = turn.Call(ctx, 1, r.calls); err != nil || d.Call == nil {
		t.Fatalf("no call; error %v", err)
	}
	turn.Chat = d.Chat
	if d, err = turn.Move(ctx, chat.Answer{Call: *d.Call, OK: true}); err != nil || d.Actions[0].Status != chat.Done {
		t.Fatalf("the read is not done; error %v", err)
	}
}

package engine

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"chertd/engine/event"
	"chertd/rules/turn"
)

// A shard counts the waiting events of each chat, and their bytes, however they are taken
// and put back: no read may overtake a waiting event.
func TestShardCountsWaitingEvents(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	s := &shard{e: &Engine{admission: newAdmission(1, slog.New(slog.DiscardHandler))}, queued: map[string]int{}, chats: newChatCache(1, 1)}
	var waiting, out []*turn.Entry // a model of the queue, and what was taken and may come back
	seq := int64(0)
	for range 5000 {
		switch n := random.IntN(6); {
		case n < 3:
			seq++
			entry := &turn.Entry{Seq: seq, Arrival: turn.Arrival{Event: event.Event{
				ID: fmt.Sprint("e", seq), Chat: &event.Chat{ID: fmt.Sprint("c", random.IntN(4))}, Raw: make([]byte, random.IntN(9)),
			}}}
			s.offer(entry)
			waiting = append(waiting, entry)
		case n < 5 && len(waiting) > 0:
			if got := s.take(); got != waiting[0] || s.taken != got.Seq {
				t.Fatalf("took %v, and notes %d; want event %d", got, s.taken, waiting[0].Seq)
			}
			if id := waiting[0].ShardKey(); !s.claimed[id] {
				t.Fatalf("an event of %s was taken, and calls of it may go out until it is handled", id)
			}
			s.publish(nil)
			out, waiting = append(out, waiting[0]), waiting[1:]
		case n == 5 && len(out) > 0:
			s.putBack(out)
			if s.taken != out[0].Seq-1 {
				t.Fatalf("taken is %d once %d is back", s.taken, out[0].Seq)
			}
			waiting, out = append(out, waiting...), nil
		case random.IntN(2) == 0:
			out = nil // they are handled
		}
		bytes, chats := 0, map[string]bool{}
		for _, entry := range waiting {
			bytes += len(entry.Event.Raw)
			chats[entry.ShardKey()] = true
		}
		if n := s.e.admission.total.Load(); n != int64(len(waiting)) {
			t.Fatalf("%d events are counted as waiting, want %d", n, len(waiting))
		}
		if s.bytes != bytes || s.backlog() != len(waiting) || len(s.queued) != len(chats) {
			t.Fatalf("%d bytes, %d events, chats %v; want %d, %d, %v", s.bytes, s.backlog(), s.queued, bytes, len(waiting), chats)
		}
		for i := range 4 {
			id := fmt.Sprint("c", i)
			if waits, _, err := s.unhandled(t.Context(), id); err != nil || waits != chats[id] {
				t.Fatalf("events of %s wait: %t, %v; want %t", id, waits, err, chats[id])
			}
		}
	}
	if s.take(); len(waiting) == 0 {
		t.Error("nothing waits in the end: too few events came")
	}
}

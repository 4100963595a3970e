package engine

import (
	"context"
	"maps"
	"slices"
	"time"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

// A batch on which nobody waits stays open for a moment (open.go), and lends its chats: it
// publishes them before it is durable, so that their reads go out without waiting for the
// disk. What a crash loses then is repeated: the events run again, and the calls in flight
// are made again (see dispatch.MaxUndurable). That is fine for a read alone, which is the
// same however often it is made. See batch.lends for what must be durable first.

// kvBatches is how many batches without kv it takes until chats are lent again: another
// shard may have changed what a handler has read from kv, and then the batch is void.
const kvBatches = 64

// loan is a chat that a batch has lent.
type loan struct {
	before *chat.Chat // as it was published before; nil: it was not in memory
	lent   *chat.Chat // as the batch has published it
}

// lends reports whether the batch lends its chats and stays open. It does not if somebody
// waits for it, if it may be void for another reason than a failure of the store, or if it
// requests anything but reads.
func (b *batch) lends() bool {
	return !b.again && !b.urgent && b.err == nil && len(b.log) > 0 && b.s.sinceKV >= kvBatches
}

// noteUrgent notes whether an input has an effect that must be durable first, or that others
// wait for.
func (b *batch) noteUrgent(d *turn.Done) {
	if len(d.Reads)+len(d.Writes)+len(d.Quotas) > 0 {
		b.s.sinceKV = 0
	}
	b.urgent = b.urgent || len(d.Append)+len(d.Missed)+len(d.Made)+len(d.Schedules)+len(d.ReadCounts)+len(d.ReadCalls) > 0
	for i := range d.Actions {
		b.urgent = b.urgent || d.Actions[i].Kind != chat.Read && d.Actions[i].Ended.IsZero()
	}
}

// lend publishes the chats that the batch has changed since it lent them last, and ends its
// claims. The batch claims a chat again when it changes again.
func (s *shard) lend(b *batch) {
	if b.lent == nil {
		b.lent = map[string]loan{}
	}
	s.mu.Lock()
	for id, c := range b.chats {
		before := s.chats.peek(id)
		if x, again := b.lent[id]; again {
			before = x.before
		}
		b.lent[id] = loan{before, c}
	}
	again := s.publishLocked(b.chats)
	for id := range b.chats {
		s.chats.pinned[id] = true
	}
	s.mu.Unlock()
	s.e.setAllDue(slices.Collect(maps.Values(b.chats)))
	s.e.setAllDue(again)
	clear(b.chats)
}

// keepLent notes that the chats that a batch has lent are durable. What is still due is set
// again: the agendas may have left it to the store, which did not have it.
func (s *shard) keepLent(b *batch) {
	if len(b.lent) == 0 {
		return
	}
	var due []*chat.Chat
	s.mu.Lock()
	clear(s.chats.pinned)
	for id := range b.lent {
		if c := s.chats.peek(id); c != nil && (c.Flight == nil && !c.NextCall().IsZero() || !c.NextTimer().IsZero()) {
			due = append(due, c)
		}
	}
	s.mu.Unlock()
	s.e.setAllDue(due)
}

// noteHandedOut notes in the batch's work that a call of a chat was handed out since the
// batch has lent it. It is called before the chat is claimed again.
func (b *batch) noteHandedOut(id string) {
	x, lent := b.lent[id]
	if !lent || b.chats[id] != nil {
		return
	}
	b.s.mu.Lock()
	c := b.s.chats.peek(id)
	b.s.mu.Unlock()
	b.work.noteHandedOut(c, x.lent)
}

// noteHandedOut notes the call that a chat now has in flight and had not before.
func (w *work) noteHandedOut(now, before *chat.Chat) {
	if now != nil && now.Flight != nil && before.Flight == nil {
		w.inputs = append(w.inputs, input{flight: now.Flight, at: now.Flight.HandedOut})
	}
}

// handOutAgain puts a call in flight as it was before the batch had to run again.
func (b *batch) handOutAgain(ctx context.Context, f *chat.Flight, at time.Time) {
	t, ok := b.turn(ctx, b.s.e.rules.Load(), f.Chat, at)
	if !ok {
		return
	}
	d, _, err := t.Call(ctx, f.SentSeq, unlimited{&b.s.e.reads})
	same := func(x, y chat.Action) bool { return x.ID == y.ID }
	if err != nil || d.Call == nil || d.Call.Kind != f.Kind || len(d.Actions) > 0 || !slices.EqualFunc(d.Call.Actions, f.Actions, same) {
		// The answer finds no call in flight, and is ignored.
		b.s.e.c.Log.Warn("call sent before the store failed; afterwards its event was decided differently", keyChat, f.Chat)
		return
	}
	b.chats[f.Chat] = d.Chat
}

// takeBack publishes the chats that a void batch has lent as they were before, and claims
// them: the batch runs again. Its work has the calls that were handed out meanwhile.
func (s *shard) takeBack(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.chats.pinned)
	for id, x := range b.lent {
		if b.chats[id] == nil {
			b.work.noteHandedOut(s.chats.peek(id), x.lent)
		}
		s.chats.restore(id, x.before, s.e.c.Now())
		s.own(id)
	}
}

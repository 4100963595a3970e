package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"chertd/engine/dispatch"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Ready implements dispatch.Chats. It hands out a read from the chats that the shard has
// published, in memory and under the shard's mutex, where nothing must be stored first. For
// all else the chat must be asked through a batch. It hands out nothing while an event, a
// timer or a request of the chat waits, or a batch has claimed the chat: any of them may
// veto the read. Once that is published, the chat is due again.
func (e *Engine) Ready(id string) (call *chat.Call, ask bool) {
	s, now := e.shardOf(id), e.c.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chats.get(id)
	switch {
	case s.queued[id] > 0:
		return nil, false
	case c == nil, s.plan() != nil:
		return nil, true
	case s.behind:
		// It is counted before it is announced, so that what newest covers is known.
		if waits, err := s.stored(context.Background(), id); waits || err != nil {
			return nil, err != nil
		}
	}
	switch {
	case c.Flight != nil, c.TimerDue(now):
		return nil, false
	case s.claimed[id], s.posted[id] > 0:
		s.refused = append(s.refused, id)
		return nil, false
	}
	t := turn.Turn{Set: e.rules.Load(), Now: now, Chat: c, Holds: e.held.now()}
	d, _, err := t.Call(context.Background(), s.newest, unlimited{&e.reads})
	switch {
	case err != nil, len(d.Actions) > 0, d.Call != nil && d.Call.Kind != chat.Read && d.Call.Kind != chat.Question:
		return nil, true
	case d.Call == nil:
		e.setDue(c) // under mu: a batch that publishes the chat sets it later
		return nil, false
	}
	s.chats.put(id, d.Chat, now)
	return d.Call, false
}

// Recalled implements dispatch.Chats.
func (e *Engine) Recalled(call *chat.Call) bool {
	s := e.shardOf(call.Chat)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chats.get(call.Chat) // it stays while its call is in flight
	if c == nil || c.Flight == nil || len(c.Flight.Recalled) > 0 {
		return true
	}
	if call.Kind != chat.Read && call.Kind != chat.Question {
		return false
	}
	for i := range call.Actions {
		if c.DroppedBySelection(&call.Actions[i], e.c.Now(), e.held.now()...) {
			return true
		}
	}
	if s.behind {
		waits, err := s.stored(context.Background(), call.Chat)
		return waits || err != nil
	}
	return s.queued[call.Chat] > 0 || s.claimed[call.Chat]
}

// setDue sets when the next call and the next timer of a chat are due.
func (e *Engine) setDue(c *chat.Chat) {
	call := c.NextCall()
	if c.Flight != nil {
		call = time.Time{} // the answer sets it
	}
	e.queueOf(c.Line).Set(dispatch.Pick{Chat: c.ID, Line: c.Line, Due: call, Retry: c.Yields()})
	e.timersDue.Set(c.ID, c.NextTimer())
}

// setAllDue is setDue for the chats of a batch, which it sorts: calls that are due at the same time
// go out in the order of their chats' newest events.
func (e *Engine) setAllDue(chats []*chat.Chat) {
	slices.SortFunc(chats, func(a, b *chat.Chat) int { return cmp.Or(cmp.Compare(a.Newest, b.Newest), cmp.Compare(a.ID, b.ID)) })
	for _, c := range chats {
		e.setDue(c)
	}
}

// unlimited implements turn.Places for calls without limits.reads.
type unlimited struct{ reads *readMeters }

// errLimited is why a call can't be handed out from memory: its place must be durable.
var errLimited = errors.New("a pack has limits.reads")

// Reserve implements turn.Places.
func (u unlimited) Reserve(_ context.Context, _ string, meters []rules.Meter, _ time.Time) ([]turn.Full, error) {
	if u.reads.limited(meters) {
		return nil, errLimited
	}
	return nil, nil
}

package engine

import (
	"context"
	"fmt"
	"time"

	"chertd/engine/live"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// serve carries out one request. Its answer is sent once its effect is durable.
func (b *batch) serve(ctx context.Context, r *request, now time.Time) {
	if b.err != nil {
		return
	}
	if r.retry != nil {
		b.retryLapse(ctx, r, now)
		return
	}
	if r.forget != nil {
		b.forgetChat(ctx, r, now)
		return
	}
	if r.input == nil && r.ready == nil && r.dead == nil && r.choose == nil {
		b.done = append(b.done, func() { r.done <- nil })
		return
	}
	t, ok := b.turn(ctx, b.s.e.rules.Load(), r.chat, now)
	if !ok {
		return
	}
	if r.ready != nil {
		b.serveReady(ctx, r, &t)
		return
	}
	if r.dead != nil {
		b.serveDead(ctx, r, &t)
		return
	}
	in := r.input
	if r.choose != nil {
		if in = r.choose(t.Chat, now); in == nil {
			b.done = append(b.done, func() { r.done <- nil })
			return
		}
	}
	d, err := t.Move(ctx, in)
	if err != nil {
		b.err = err
		return
	}
	if answer, ok := r.input.(chat.Answer); ok && t.Chat.Flight != nil && d.Chat.Flight == nil {
		b.callEnded(t.Chat.ID, answer, t.Now, &d.Transition)
	}
	if r.dropped != nil {
		*r.dropped = droppedBy(t.Chat, &d, t.Now)
	}
	b.add(&d)
	before, after, actions := t.Chat, d.Chat, d.Actions
	b.done = append(b.done, func() {
		b.actionsEnded(actions)
		if r.operated != nil {
			r.operated <- operated(before.Hold, after, actions, now)
		}
		if r.moved != nil {
			r.moved(before, actions)
		}
		if r.durable != nil {
			r.durable()
		}
		if r.done != nil {
			r.done <- nil
		}
	})
}

// actionsEnded logs and reports the actions that have ended.
func (b *batch) actionsEnded(actions []chat.Action) {
	for i := range actions {
		if a := &actions[i]; !a.Ended.IsZero() {
			b.s.e.logEnded(a)
			b.s.e.observe(Observation{Ended: a})
		}
	}
}

// serveReady hands out the next call of a chat.
func (b *batch) serveReady(ctx context.Context, r *request, t *turn.Turn) {
	// An event or a due timer of the chat that is not handled yet may veto the read. Once
	// it is handled, the chat is due again.
	unhandled, newest, err := b.s.unhandled(ctx, r.chat)
	if err != nil {
		b.err = fmt.Errorf("look for unhandled events of chat %q: %w", r.chat, err)
		return
	}
	if unhandled || t.Chat.TimerDue(t.Now) {
		b.done = append(b.done, func() { r.ready <- readyReply{} })
		return
	}
	places := &reserving{b: b}
	d, spent, err := t.Call(ctx, newest, places)
	if err != nil {
		b.err = err
		return
	}
	d.ReadCalls = places.keep
	// Handing out a read, or having none, changes nothing that must be stored, apart from
	// the place that the read takes in the meter of its pack.
	if len(d.Actions) > 0 || len(d.ReadCalls) > 0 {
		b.add(&d)
	} else {
		b.chats[r.chat] = d.Chat
	}
	b.done = append(b.done, func() {
		for _, f := range spent {
			if l := b.s.e.reads.reached(f.Meter); l != nil {
				b.s.e.observe(Observation{Limited: l})
			}
		}
		b.actionsEnded(d.Actions)
		reply := readyReply{ok: d.Call != nil}
		if reply.ok {
			reply.call = *d.Call
		}
		r.ready <- reply
	})
}

// reserving implements turn.Places in the meters of all shards.
type reserving struct {
	b    *batch
	keep []rules.ReadCall // of the places that were taken
}

// Reserve implements turn.Places.
func (r *reserving) Reserve(ctx context.Context, chatID string, meters []rules.Meter, now time.Time) ([]turn.Full, error) {
	places, full, keep, err := r.b.s.e.reads.reserve(ctx, r.b.s.e.c.Store, meters, now)
	if len(places) > 0 {
		if r.b.places == nil {
			r.b.places = map[string][]turn.Place{}
		}
		r.b.places[chatID] = places
	}
	r.keep = keep
	return full, err
}

// callEnded notes in the meters how the call in flight of a chat has ended.
func (b *batch) callEnded(id string, a chat.Answer, now time.Time, t *turn.Transition) {
	places := b.s.places[id]
	if len(places) == 0 {
		return
	}
	t.ReadCalls = append(t.ReadCalls, b.s.e.reads.kept(places, now, a.OnWire())...)
	b.done = append(b.done, func() {
		b.placesEnded(places, now, a.OnWire())
		if _, next := b.places[id]; !next { // of a call that the same batch hands out
			delete(b.s.places, id)
		}
	})
}

// abandon gives back what a batch has taken that is not committed, and takes back what it
// has lent.
func (b *batch) abandon() {
	b.s.takeBack(b)
	b.s.e.logBegun(b.begun)
	for _, places := range b.places {
		b.placesEnded(places, b.s.e.c.Now(), false)
	}
}

// placesEnded frees the places of a call that has ended or was not handed out, and reports
// the limits that are reached by that.
func (b *batch) placesEnded(places []turn.Place, now time.Time, made bool) {
	for _, l := range b.s.e.reads.ended(places, now, made) {
		b.s.e.observe(Observation{Limited: l})
	}
}

// droppedBy counts what a pack had waiting in a chat that a chat.Cancel dropped, and
// the chat itself if it is postponed no longer.
func droppedBy(before *chat.Chat, x *turn.Done, now time.Time) (d live.Dropped) {
	_, was := before.Postponement(now)
	if _, is := x.Chat.Postponement(now); was && !is {
		d.Postponed++
	}
	for i := range x.Actions {
		switch a := &x.Actions[i]; {
		case a.Status != chat.Dropped || a.Why != chat.WhyPackInactive:
		case a.Kind == chat.Read:
			d.Reads++
		default:
			d.Calls++
		}
	}
	for i := range x.Timers {
		if x.Timers[i].Removed {
			d.Timers++
		}
	}
	return d
}

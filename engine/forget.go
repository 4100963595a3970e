package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// forgetting is a request to forget a chat: what packs remember of it, and what it has
// pending. The texts of its events are erased after it.
type forgetting struct {
	holds bool
	// Filled in before the request is done.
	pending  bool // nothing was done: events of the chat are not handled yet
	states   int
	dropped  int
	timers   int
	missed   int
	held     time.Time // until when it stays held, or is because of what packs missed; zero: it is not
	released bool      // its hold was ended
	inFlight bool
}

// forgetChat forgets a chat in one transition, and what it takes for that: packs that have
// missed events of the chat don't run on them any more.
func (b *batch) forgetChat(ctx context.Context, r *request, now time.Time) {
	x := r.forget
	unhandled, _, err := b.s.unhandled(ctx, r.chat)
	if err != nil {
		b.err = fmt.Errorf("look for unhandled events of chat %q: %w", r.chat, err)
		return
	}
	if unhandled {
		b.done = append(b.done, func() { x.pending = true; r.done <- nil })
		return
	}
	t, ok := b.turn(ctx, b.s.e.rules.Load(), r.chat, now)
	if !ok {
		return
	}
	in := chat.Forget{Holds: x.holds, Missed: t.Chat.Missed}
	missed, err := b.skipMissed(ctx, r.chat)
	if err != nil {
		b.err = fmt.Errorf("read what packs have missed of chat %q: %w", r.chat, err)
		return
	}
	packs, err := b.s.e.c.Store.StatePacks(ctx, r.chat)
	if err == nil {
		in.Dead, err = b.s.e.c.Store.Actions(ctx, store.ActionFilter{Status: []chat.Status{chat.Dead}, Chat: r.chat, Limit: maxForgotten})
	}
	if err != nil {
		b.err = fmt.Errorf("read what is to be forgotten of chat %q: %w", r.chat, err)
		return
	}
	// Reads that were blocked because of what was missed wait now.
	if t, ok = b.turn(ctx, t.Set, r.chat, now); !ok {
		return
	}
	d, err := t.Move(ctx, in)
	if err != nil {
		b.err = err
		return
	}
	for i := range b.log { // what the batch itself has written
		for _, st := range b.log[i].States {
			if st.Chat == r.chat && !slices.Contains(packs, st.Pack) {
				packs = append(packs, st.Pack)
			}
		}
	}
	for _, pack := range packs {
		b.memory.SetState(pack, r.chat, nil)
		d.States = append(d.States, turn.State{Pack: pack, Chat: r.chat})
	}
	dropped, timers := 0, 0
	for i := range d.Actions {
		if d.Actions[i].Why == chat.WhyForgotten {
			dropped++
		}
	}
	for i := range d.Timers {
		if d.Timers[i].Removed {
			timers++
		}
	}
	b.urgent = true
	b.add(&d)
	actions, after, wasHeld := d.Actions, d.Chat, t.Chat.Hold.Active(now)
	b.done = append(b.done, func() {
		b.actionsEnded(actions)
		x.states, x.dropped, x.timers, x.missed = len(packs), dropped, timers, missed
		x.inFlight = after.Flight != nil && after.Flight.Kind != chat.Question
		if after.Hold.Active(now) {
			x.held = after.Hold.Until
		}
		x.released = wasHeld && x.held.IsZero()
		r.done <- nil
	})
}

// maxForgotten is how many dead actions of a chat one command drops.
const maxForgotten = 10_000

// skipMissed makes the packs that have missed events of a chat run on them no more, as if
// they were off, and returns how many rows there were.
func (b *batch) skipMissed(ctx context.Context, id string) (int, error) {
	rows, err := b.s.e.missedOf(ctx, b.s.part, id)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	var seqs []int64
	p := &plan{set: b.s.e.rules.Load()}
	for i := range rows {
		seqs = append(seqs, rows[i].Seq)
		if p.of(rows[i].Pack) == nil {
			p.packs = append(p.packs, planned{pack: rows[i].Pack, out: true})
		}
	}
	records, err := b.s.e.c.Store.Records(ctx, slices.Compact(seqs))
	if err != nil {
		return 0, err
	}
	n := 0
	for i := range records {
		var of []turn.Missed
		for _, row := range rows {
			if row.Seq == records[i].Seq && !b.madeUp(row.ID()) {
				of = append(of, row)
			}
		}
		if len(of) > 0 {
			before := map[string]tally{}
			for _, row := range of {
				before[row.Pack] = b.change(row.Pack).tally
			}
			b.rerun(ctx, p, &records[i], of)
			for pack, t := range before { // no plan has done this
				b.change(pack).tally = t
			}
			n += len(of)
		}
		if b.err != nil {
			return n, b.err
		}
	}
	return n, nil
}

// madeUp reports whether the batch has removed a row of a missed event.
func (b *batch) madeUp(id turn.MissedID) bool {
	return slices.ContainsFunc(b.log, func(t turn.Transition) bool { return slices.Contains(t.Made, id) })
}

// missedOf returns what packs have missed of a chat, in the order of the journal.
func (e *Engine) missedOf(ctx context.Context, part store.Shard, id string) (all []turn.Missed, err error) {
	packs := e.misses.names()
	if len(packs) == 0 {
		return nil, nil
	}
	for after := int64(0); ; {
		rows, err := e.c.Store.Missed(ctx, part, packs, after, time.Time{}, lapsePage)
		if err != nil || len(rows) == 0 {
			return all, err
		}
		for i := range rows {
			after = rows[i].Seq
			if rows[i].Key == id {
				all = append(all, rows[i])
			}
		}
	}
}

// names returns the packs that have missed something.
func (m *misses) names() (packs []string) {
	for _, by := range m.counts() {
		packs = append(packs, by.Pack)
	}
	return packs
}

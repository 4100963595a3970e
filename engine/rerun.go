package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// rerunEvents is how many missed events are read from the store at a time.
const rerunEvents = 64

// Blockade implements turn.Blocks: what blocks reads of a chat, as the batch has it.
func (b *batch) Blockade(ctx context.Context, key string) (*turn.Blockade, error) {
	if x := b.blockades[key]; x != nil {
		return x, nil
	}
	x := &turn.Blockade{Key: key}
	var err error
	if x.Rows, err = b.s.e.c.Store.Vetoes(ctx, key); err == nil {
		x.Reads, err = b.s.e.c.Store.BlockedReads(ctx, key)
	}
	if err != nil {
		return nil, fmt.Errorf("read what blocks reads of chat %q: %w", key, err)
	}
	for i := range b.log {
		x.Apply(&b.log[i])
	}
	if b.blockades == nil {
		b.blockades = map[string]*turn.Blockade{}
	}
	b.blockades[key] = x
	return x, nil
}

// change returns how the batch changes what a pack has missed.
func (b *batch) change(pack string) *missedChange {
	c := b.missed[pack]
	if c == nil {
		c = &missedChange{}
		if b.missed == nil {
			b.missed = map[string]*missedChange{}
		}
		b.missed[pack] = c
	}
	return c
}

// noteMissed notes which packs missed an event.
func (b *batch) noteMissed(set *rules.Set, d *turn.Done) {
	for i := range d.Missed {
		m := &d.Missed[i]
		if m.Why == turn.MissedElsewhere {
			continue
		}
		c := b.change(m.Pack)
		c.added++
		c.version, c.at = m.Version, m.At
		if m.Why == rules.MissedSuspended {
			c.again = m.At // as soon as the pack is not suspended any more
			if !b.s.e.suspensions.Suspends(set, m.Pack, m.At) {
				c.again = m.At.Add(suspendedAgain) // it is for this chat alone
			}
		}
	}
}

// revive lets the chat's reads wait again that nothing blocks any more.
func (b *batch) revive(ctx context.Context, t *turn.Turn, changes ...*missedChange) []chat.Action {
	d, ok, err := t.Revive(ctx)
	if b.err = err; err != nil || !ok {
		return nil
	}
	b.add(&d)
	for i := range d.Actions {
		for _, c := range changes {
			switch a := &d.Actions[i]; {
			case a.Status == chat.Waiting:
				c.tally.released++
			case a.Why == chat.WhyVetoed:
				c.tally.vetoed++
			default:
				c.tally.dropped++
			}
		}
	}
	return d.Actions
}

// progress is how far a shard has carried a plan out.
type progress struct {
	plan   int64 // its number
	passed int64 // journal sequence up to which its missed events are done
}

// of returns the sequence up to which a plan is done; 0 for another plan than the one
// that was made progress in. A new plan may have packs that the one before it
// lacked, and their events start at the beginning.
func (x progress) of(p *plan) int64 {
	if x.plan != p.n {
		return 0
	}
	return x.passed
}

// carryOut runs the next missed events of a plan.
func (b *batch) carryOut(ctx context.Context, p *plan, began time.Time) {
	if b.err != nil {
		return
	}
	since := b.s.e.c.Now()
	for i := range p.packs {
		if p.packs[i].since.Before(since) {
			since = p.packs[i].since
		}
	}
	first := b.s.progress.of(p)
	var rows []turn.Missed
	names, suspended := p.running(&b.s.e.suspensions, b.s.e.c.Now())
	for _, pack := range suspended {
		b.change(pack).again = b.s.e.c.Now()
	}
	if len(names) > 0 {
		if rows, b.err = b.s.e.c.Store.Missed(ctx, b.s.part, names, first, since, rerunEvents); b.err != nil {
			b.err = fmt.Errorf("read what packs have missed: %w", b.err)
			return
		}
	}
	if len(rows) == 0 {
		b.reran = func() {
			b.s.planned.Store(p.n)
			b.s.e.misses.finished(p)
		}
		return
	}
	passed := first
	b.reran = func() { b.s.progress = progress{plan: p.n, passed: passed} }
	var seqs []int64
	for i := range rows {
		if p.of(rows[i].Pack).concerns(&rows[i]) && !slices.Contains(seqs, rows[i].Seq) {
			seqs = append(seqs, rows[i].Seq)
		}
	}
	records, err := b.s.e.c.Store.Records(ctx, seqs)
	if err != nil {
		b.err = fmt.Errorf("read events that packs have missed: %w", err)
		return
	}
	for len(rows) > 0 && b.err == nil && (passed == first || b.s.e.c.Now().Sub(began) <= batchTime && b.memory.Bytes() < batchBytes) {
		n := 1
		for n < len(rows) && rows[n].Seq == rows[0].Seq {
			n++
		}
		of := slices.DeleteFunc(slices.Clone(rows[:n]), func(m turn.Missed) bool { return !p.of(m.Pack).concerns(&m) })
		passed, rows = rows[0].Seq, rows[n:]
		if i := slices.IndexFunc(records, func(r store.Record) bool { return r.Seq == passed }); len(of) > 0 && i >= 0 {
			b.rerun(ctx, p, &records[i], of)
		}
	}
}

// rerun runs an event through the packs that had missed it, or skips those that do not
// run any more.
func (b *batch) rerun(ctx context.Context, p *plan, rec *store.Record, rows []turn.Missed) {
	entry := &rec.Entry
	t, ok := b.turn(ctx, p.set, entry.Event.ChatID(), b.s.e.c.Now())
	if !ok {
		return
	}
	r, err := t.Rerun(ctx, entry, rec.Decision, rows[0].At)
	if b.err = err; err != nil {
		return
	}
	for i := range rows {
		if b.rerunPack(ctx, p, &t, entry, r, &rows[i]); b.err != nil {
			return
		}
	}
	d, before, ok, err := r.End(ctx)
	if b.err = err; err != nil || !ok {
		return
	}
	b.add(&d)
	actions := d.Actions
	if t.Chat != nil && len(d.Made) > 0 {
		var changes []*missedChange
		for _, id := range d.Made {
			changes = append(changes, b.change(id.Pack))
		}
		t.Chat = d.Chat
		actions = append(slices.Clip(actions), b.revive(ctx, &t, changes...)...)
	}
	b.done = append(b.done, func() {
		news := *d.Decision
		news.Rules = news.Rules[before:]
		b.s.e.logHandled(entry, &news, actions)
		b.s.e.observe(Observation{Rerun: &Handled{Entry: entry, Decision: d.Decision, Actions: actions}})
	})
}

// rerunPack runs an event through one pack that has missed it, and counts the result.
func (b *batch) rerunPack(ctx context.Context, p *plan, t *turn.Turn, entry *turn.Entry, r *turn.Rerun, row *turn.Missed) {
	change := b.change(row.Pack)
	if p.of(row.Pack).out || p.set.ModeIn(row.Pack, entry.Event.ChatID()) != rules.Live {
		r.Skip(row)
		change.removed++
		change.tally.skipped++
		return
	}
	if b.s.e.suspensions.Suspends(p.set, row.Pack, t.Now) {
		change.again = t.Now
		return
	}
	ran, err := r.Run(ctx, row)
	b.noteRun(t, entry, ran.Outcomes)
	switch {
	case err != nil:
		b.err = err
		return
	case ran.Missed == nil:
		change.removed++
		change.tally.ran++
		return
	case ran.Changed:
		change.version, change.at = ran.Missed.Version, row.At
		change.tally.failed++
	}
	if ran.Missed.Why == rules.MissedSuspended {
		change.again = t.Now.Add(suspendedAgain)
	}
}

package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/turn"
)

// lapse is an event that a pack failed on or missed, and that an operator runs through it
// again.
type lapse struct {
	seq int64
	key string // shard key of the event: its chat, if it has one
	at  time.Time
	// stored is whether the store has a row of it (turn.Missed). It has none of events that a
	// pack failed on that can't veto; their decisions show them.
	stored bool
}

// lapseResult is what became of a lapse.
type lapseResult int

const (
	lapseRan       lapseResult = iota // it ran through the pack
	lapseFailed                       // the pack failed again
	lapseSuspended                    // rules of the pack are suspended, and none failed
	lapseDone                         // it was not a lapse any more
	lapseNoText                       // store.raw has removed its text
	lapseRefused                      // the pack is not live any more
)

// retry is a request to run a lapse again.
type retry struct {
	pack  string
	lapse lapse
	// Filled in before the request is done.
	result lapseResult
	reads  tally // released, vetoed and dropped
}

// retryLapse runs an event again through a pack that failed on it or missed it, unless it
// has run meanwhile.
func (b *batch) retryLapse(ctx context.Context, r *request, now time.Time) {
	x := r.retry
	finish := func(result lapseResult) {
		b.done = append(b.done, func() {
			x.result = result
			r.done <- nil
		})
	}
	set := b.s.e.rules.Load()
	if version, _ := set.Serving(x.pack); version == "" {
		finish(lapseRefused)
		return
	}
	rec, row, err := b.findLapse(ctx, x)
	switch {
	case err == nil && rec != nil && set.ModeIn(x.pack, rec.Event.ChatID()) != rules.Live:
		finish(lapseRefused)
		return
	case err != nil:
		b.err = fmt.Errorf("read an event to run again: %w", err)
		return
	case rec == nil:
		finish(lapseDone)
		return
	case b.s.e.withoutText(rec):
		finish(lapseNoText)
		return
	}
	t, ok := b.turn(ctx, set, rec.Event.ChatID(), now)
	if !ok {
		return
	}
	entry := &rec.Entry
	rerun, err := t.Rerun(ctx, entry, rec.Decision, row.At)
	if err != nil {
		b.err = err
		return
	}
	ran, err := rerun.Run(ctx, row)
	b.noteRun(&t, entry, ran.Outcomes)
	if err != nil {
		b.err = err
		return
	}
	failed := ran.Missed != nil || slices.ContainsFunc(ran.Outcomes, func(o rules.Outcome) bool { return o.Failure != nil })
	if x.lapse.stored {
		change := b.change(x.pack)
		switch {
		case ran.Missed == nil:
			change.removed++
		case ran.Changed:
			change.version, change.at = ran.Missed.Version, row.At
		}
	}
	d, before, ok, err := rerun.End(ctx)
	if err != nil {
		b.err = err
		return
	}
	result := lapseRan
	switch {
	case ran.Missed != nil && ran.Missed.Why == rules.MissedSuspended:
		result = lapseSuspended
	case failed:
		result = lapseFailed
	}
	if !ok {
		finish(result)
		return
	}
	b.add(&d)
	actions, revived := d.Actions, missedChange{}
	if t.Chat != nil && len(d.Made) > 0 {
		t.Chat = d.Chat
		actions = append(slices.Clip(actions), b.revive(ctx, &t, &revived)...)
	}
	b.done = append(b.done, func() {
		news := *d.Decision
		news.Rules = news.Rules[before:]
		b.s.e.logHandled(entry, &news, actions)
		b.s.e.observe(Observation{Rerun: &Handled{Entry: entry, Decision: d.Decision, Actions: actions}})
		x.reads = revived.tally
	})
	finish(result)
}

// findLapse returns the event of a lapse, and the row by which it runs again; nil if it
// is not a lapse any more.
func (b *batch) findLapse(ctx context.Context, x *retry) (*store.Record, *turn.Missed, error) {
	for i := range b.log {
		if d := b.log[i].Decision; d != nil && d.Seq == x.lapse.seq {
			return nil, nil, nil // this batch runs it
		}
	}
	row := &turn.Missed{Pack: x.pack, Seq: x.lapse.seq, Key: x.lapse.key, At: x.lapse.at, Why: rules.MissedFailed}
	if x.lapse.stored {
		rows, err := b.s.e.c.Store.Missed(ctx, b.s.part, []string{x.pack}, x.lapse.seq-1, time.Time{}, 1)
		if err != nil || len(rows) == 0 || rows[0].Seq != x.lapse.seq {
			return nil, nil, err
		}
		row = &rows[0]
	}
	recs, err := b.s.e.c.Store.Records(ctx, []int64{x.lapse.seq})
	if err != nil || len(recs) == 0 || !x.lapse.stored && !lapsed(recs[0].Decision, x.pack) {
		return nil, nil, err
	}
	return &recs[0], row, nil
}

// lapsed reports whether a pack failed on an event, and has not run on it since.
func lapsed(d *turn.Decision, pack string) (failed bool) {
	if d == nil {
		return false
	}
	var last time.Time
	for i := range d.Rules {
		r := &d.Rules[i]
		if r.Pack != pack || r.Candidate {
			continue
		}
		if r.Rerun.After(last) {
			last, failed = r.Rerun, false
		}
		failed = failed || r.Rerun.Equal(last) && r.Error != ""
	}
	return failed
}

// withoutText reports whether retention has removed the text of an event, without which
// its rules would decide on something else.
func (e *Engine) withoutText(r *store.Record) bool {
	if r.Event.Source != event.SourceEngine {
		return len(r.Event.Raw) == 0
	}
	keep := e.retention.Load()
	return r.Event.Payload == nil && r.Event.Action == nil && keep.Events > 0 && r.Received.Before(e.c.Now().Add(-min(keep.Texts, keep.Events)))
}

// lapses lists the events that a pack failed on or missed since a time, in the order of the
// journal, and how many it missed before that time. more is set if there are more than limit.
func (e *Engine) lapses(ctx context.Context, pack string, since time.Time, limit int) (all []lapse, older int64, more bool, err error) {
	stored := map[int64]bool{}
	for after := int64(0); ; {
		rows, err := e.c.Store.Missed(ctx, store.Shard{Of: 1}, []string{pack}, after, time.Time{}, lapsePage)
		if err != nil {
			return nil, 0, false, err
		}
		if len(rows) == 0 {
			break
		}
		for i := range rows {
			after = rows[i].Seq
			if rows[i].At.Before(since) {
				older++
				continue
			}
			stored[rows[i].Seq] = true
			all = append(all, lapse{seq: rows[i].Seq, key: rows[i].Key, at: rows[i].At, stored: true})
		}
		if len(all) >= limit {
			more = true
			break
		}
	}
	for before := int64(0); len(all) < limit; {
		page, err := e.c.Store.Events(ctx, "", before, lapsePage)
		if err != nil {
			return nil, 0, false, err
		}
		young := false
		for i := range page {
			r := &page[i]
			before = r.Seq
			young = young || !r.Received.Before(since)
			if r.Decision == nil || r.Decision.At.Before(since) || stored[r.Seq] || !lapsed(r.Decision, pack) {
				continue
			}
			all = append(all, lapse{seq: r.Seq, key: r.ShardKey(), at: r.Decision.At})
		}
		if !young || len(page) == 0 {
			break
		}
	}
	slices.SortFunc(all, func(a, b lapse) int { return cmp.Compare(a.seq, b.seq) })
	if len(all) > limit {
		all, more = all[:limit], true
	}
	return all, older, more, nil
}

// lapsePage is how many events are read at a time to find lapses.
const lapsePage = 256

package turn

import (
	"context"
	"slices"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// Rerun runs an event that was handled before through the packs that missed it: call
// Skip or Run for each of them, then End.
type Rerun struct {
	t       *Turn
	e       *Entry
	block   *Blockade
	rows    []Missed // of the calls of Skip and Run
	d       Done
	before  int // how many rules the decision had
	results []rules.Result
}

// Rerun starts to run an event again that was missed at a time. first is the decision of
// its first run; Rerun does not change it. Nil: there is none.
func (t *Turn) Rerun(ctx context.Context, e *Entry, first *Decision, missed time.Time) (*Rerun, error) {
	b, err := t.Blocks.Blockade(ctx, e.ShardKey())
	if err != nil {
		return nil, err
	}
	decision := &Decision{Seq: e.Seq, At: missed}
	if first != nil {
		*decision = *first
		decision.Rules = slices.Clone(first.Rules)
	}
	return &Rerun{t: t, e: e, block: b, before: len(decision.Rules), d: Done{Transition: Transition{Decision: decision}}}, nil
}

// Skip removes what a pack has missed without running it: the pack is off, in
// shadow or removed.
func (r *Rerun) Skip(row *Missed) {
	r.rows = append(r.rows, *row)
	r.d.Made = append(r.d.Made, row.ID())
	r.note(row.Pack, row.Version, "it did not run: the pack is off, in shadow or removed")
}

// Ran is the result of running an event through a pack that had missed it.
type Ran struct {
	// Outcomes are those of the pack's rules. The caller notes them in its Suspensions
	// before the next event.
	Outcomes []rules.Outcome
	Missed   *rules.Missed // nil: the pack has run on the event now
	Changed  bool          // false: its rules are still suspended, and there is nothing to store
}

// Run runs the event through a pack. If it fails, Ran has the Outcomes alone, as
// with Handle.
func (r *Rerun) Run(ctx context.Context, row *Missed) (Ran, error) {
	in := r.t.input(ctx, r.e)
	in.First, in.Pack, in.Ran = row.At, row.Pack, r.d.Decision.ran(row.Pack)
	result := r.t.Set.Run(r.t.Shard, in)
	ran := Ran{Outcomes: result.Outcomes}
	if r.t.Memory.err != nil {
		return ran, r.t.Memory.err
	}
	if len(result.Missed) > 0 {
		m := &result.Missed[0]
		ran.Missed = m
		if m.Why == rules.MissedSuspended && row.Why == m.Why && row.Version == m.Version && !result.Ran() {
			return ran, nil
		}
		failed := *row
		failed.Version, failed.Why = m.Version, m.Why
		r.d.Missed = append(r.d.Missed, failed)
	} else {
		r.d.Made = append(r.d.Made, row.ID())
		if len(result.Outcomes) == 0 {
			r.note(row.Pack, r.version(row.Pack), "no rule of it wants the event")
		}
	}
	r.rows = append(r.rows, *row)
	r.results = append(r.results, result)
	r.d.Outcomes = append(r.d.Outcomes, result.Outcomes...)
	ran.Changed = true
	return ran, nil
}

func (r *Rerun) version(pack string) string {
	version, _ := r.t.Set.Serving(pack)
	return version
}

// note records why no rule of a pack ran.
func (r *Rerun) note(pack, version, why string) {
	r.d.Decision.Rules = append(r.d.Decision.Rules, RuleDecision{Pack: pack, Version: version, Rerun: r.t.Now, Note: why})
}

// End moves the chat by what the packs requested. ok is false if there is nothing
// to store. The decision is complete: its first before rules are those of the earlier
// runs. If the event has a chat and no pack misses it any more, call Revive next.
func (r *Rerun) End(ctx context.Context) (d Done, before int, ok bool, err error) {
	t, e, decision := r.t, r.e, r.d.Decision
	if len(r.d.Made)+len(r.d.Missed) == 0 {
		return Done{}, 0, false, nil // a pack was suspended again meanwhile
	}
	r.block.Apply(&r.d.Transition)
	in := chat.OutcomesOf(e.Seq, &e.Event)
	in.FirstN, in.First, in.Missed = decision.Actions, decision.At, r.block.missing()
	in.Line, in.IsGroup = "", event.Unknown // those of newer events stay
	left := r.block.missedBy(e.Seq)
	var chats []string
	for i := range r.results {
		chats = append(chats, t.collect(e, &r.results[i], left, &in, &r.d)...)
	}
	r.forwardedTo(chats)
	for i := range r.rows {
		row := &r.rows[i]
		if !slices.Contains(r.d.Made, row.ID()) {
			continue
		}
		for _, id := range row.Chats {
			r.d.Append = append(r.d.Append, madeUp(e, row.Pack, id, t.Now))
		}
	}
	decision.settle()
	err = t.decided(ctx, in, &r.d)
	return r.d, r.before, true, err
}

// forwardedTo adds the chats of forwarded requests to the rows of the packs that may
// still veto the event.
func (r *Rerun) forwardedTo(chats []string) {
	if len(chats) == 0 {
		return
	}
	for _, row := range r.block.Rows {
		if row.Seq != r.e.Seq {
			continue
		}
		row.Chats = slices.Clone(row.Chats)
		for _, id := range chats {
			if !slices.Contains(row.Chats, id) {
				row.Chats = append(row.Chats, id)
			}
		}
		r.d.Missed = slices.DeleteFunc(r.d.Missed, func(m Missed) bool { return m.ID() == row.ID() })
		r.d.Missed = append(r.d.Missed, row)
	}
}

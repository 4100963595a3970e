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
	"chertd/rules/chat"
)

// rerunEvents is how many missed events are read from the store at a time.
const rerunEvents = 64

// blockade is what blocks reads of a chat, and which, as a batch has it.
type blockade struct {
	key   string         // the chat
	rows  []store.Missed // with CanVeto, by sequence
	reads []chat.Action  // that are blocked, by id
}

// apply notes what a transition changes.
func (x *blockade) apply(t *store.Transition) {
	for _, id := range t.Made {
		x.rows = slices.DeleteFunc(x.rows, func(m store.Missed) bool { return m.ID() == id })
	}
	for _, row := range t.Missed {
		if row.Key != x.key {
			continue
		}
		x.rows = slices.DeleteFunc(x.rows, func(m store.Missed) bool { return m.ID() == row.ID() })
		if row.CanVeto {
			x.rows = append(x.rows, row)
		}
	}
	slices.SortFunc(x.rows, func(a, b store.Missed) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Pack, b.Pack)) })
	for _, a := range t.Actions {
		if a.Chat != x.key || a.Kind != chat.Read {
			continue
		}
		x.reads = slices.DeleteFunc(x.reads, func(b chat.Action) bool { return a.ID == b.ID })
		if a.Status == chat.Blocked {
			x.reads = append(x.reads, a)
		}
	}
}

// missing is what the rows say to the chat's machine.
func (x *blockade) missing() (m chat.Missing) {
	for i := range x.rows {
		row := &x.rows[i]
		m.Through = max(m.Through, row.Seq)
		if until := row.At.Add(chat.MissedFor); row.CanHold && until.After(m.HoldUntil) {
			m.HoldUntil = until
		}
	}
	return m
}

// blockade is a chat's, as the batch has it; nil if the store can't say.
func (b *batch) blockade(ctx context.Context, key string) *blockade {
	if x := b.blockades[key]; x != nil {
		return x
	}
	x := &blockade{key: key}
	if x.rows, b.err = b.s.e.c.Store.Vetoes(ctx, key); b.err == nil {
		x.reads, b.err = b.s.e.c.Store.BlockedReads(ctx, key)
	}
	if b.err != nil {
		b.err = fmt.Errorf("read what blocks reads of chat %q: %w", key, b.err)
		return nil
	}
	for i := range b.log {
		x.apply(&b.log[i])
	}
	if b.blockades == nil {
		b.blockades = map[string]*blockade{}
	}
	b.blockades[key] = x
	return x
}

// change is what the batch changes of what a pack has missed.
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

// mayHold reports whether one of them might have held the chat.
func mayHold(missed []rules.Missed) bool {
	return slices.ContainsFunc(missed, func(m rules.Missed) bool { return m.CanHold })
}

// vetoers are the packs that might have vetoed the reads of an event.
func vetoers(missed []rules.Missed) (packs []string) {
	for i := range missed {
		if missed[i].CanVeto {
			packs = append(packs, missed[i].Pack)
		}
	}
	return packs
}

// missedBy keeps which packs did not get to look at an event.
func (b *batch) missedBy(set *rules.Set, entry *store.Entry, result *rules.Result, forwarded []string, t *store.Transition) {
	for i := range result.Missed {
		m := &result.Missed[i]
		row := store.Missed{
			Pack: m.Pack, Seq: entry.Seq, Key: entry.ShardKey(), At: t.Decision.At, Version: m.Version, Why: m.Why, CanVeto: m.CanVeto, CanHold: m.CanHold,
		}
		if m.CanVeto {
			row.Chats = forwarded
		}
		t.Missed = append(t.Missed, row)
		c := b.change(m.Pack)
		c.added++
		c.version, c.at = m.Version, row.At
		if m.Why == rules.MissedSuspended {
			c.again = row.At // as soon as the pack is not suspended any more
			if _, suspended, _ := set.Serving(m.Pack, row.At); !suspended {
				c.again = row.At.Add(suspendedAgain) // it is for this chat alone
			}
		}
	}
}

// missedElsewhere keeps that reads of this chat are blocked until the packs that
// missed the event of another chat have made up for it.
func (b *batch) missedElsewhere(entry *store.Entry, now time.Time, t *store.Transition) {
	for _, pack := range entry.Forward.MissedBy {
		t.Missed = append(t.Missed, store.Missed{
			Pack: pack, Seq: entry.Seq, Key: entry.ShardKey(), At: now, Why: store.MissedElsewhere, CanVeto: true, Cause: entry.Cause,
		})
	}
}

// known ends what an event of another chat, which a pack has made up for, has
// blocked here.
func (b *batch) known(ctx context.Context, entry *store.Entry, c *chat.Chat) {
	x := b.blockade(ctx, c.ID)
	if x == nil {
		return
	}
	now := b.s.e.c.Now()
	pack := entry.Forward.Known
	t := store.Transition{Decision: &store.Decision{
		Seq: entry.Seq, At: now, Note: fmt.Sprintf("pack %q has no say in event %d any more: it has had it, or is not live", pack, entry.Cause),
	}}
	for i := range x.rows {
		if m := &x.rows[i]; m.Pack == pack && m.Cause == entry.Cause {
			t.Made = append(t.Made, m.ID())
		}
	}
	b.add(t)
	actions := b.revive(x, c, now, b.change(pack))
	b.done = append(b.done, func() {
		b.s.e.logHandled(entry, t.Decision, actions)
		b.s.e.observe(Happening{Handled: &Handled{Entry: entry, Decision: t.Decision, Actions: actions}})
	})
}

// revive lets the chat's reads that nothing blocks any more go on.
func (b *batch) revive(x *blockade, c *chat.Chat, now time.Time, changes ...*missedChange) []chat.Action {
	missing := x.missing()
	in := chat.Revive{Missing: &missing}
	for _, a := range x.reads {
		switch {
		case missing.Blocks(&a, now):
		case b.s.e.rules.Load().Withdrawn(a.Pack, a.Version), !b.s.e.rules.Load().HasRule(a.Pack, a.Rule):
			in.Inactive = append(in.Inactive, a)
		default:
			in.Actions = append(in.Actions, a)
		}
	}
	if len(in.Actions)+len(in.Inactive) == 0 && c.Missing.Through == missing.Through && c.Missing.HoldUntil.Equal(missing.HoldUntil) {
		return nil
	}
	var t store.Transition
	effects := b.step(c, in, now, &t)
	b.add(t)
	for i := range effects.Actions {
		for _, c := range changes {
			switch a := &effects.Actions[i]; {
			case a.Status == chat.Waiting:
				c.tally.released++
			case a.Why == chat.WhyVetoed:
				c.tally.vetoed++
			default:
				c.tally.dropped++
			}
		}
	}
	return effects.Actions
}

// progress is how far a shard has carried a plan out.
type progress struct {
	plan   int64 // its number
	passed int64 // journal sequence up to which its missed events are done
}

// of is the sequence up to which a plan is done; 0 for another plan than the one
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
	var rows []store.Missed
	names, suspended := p.running(b.s.e.c.Now())
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
			b.s.planned = p.n
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
	for len(rows) > 0 && b.err == nil && (passed == first || b.s.e.c.Now().Sub(began) <= batchTime && b.memory.bytes < batchBytes) {
		n := 1
		for n < len(rows) && rows[n].Seq == rows[0].Seq {
			n++
		}
		of := slices.DeleteFunc(slices.Clone(rows[:n]), func(m store.Missed) bool { return !p.of(m.Pack).concerns(&m) })
		passed, rows = rows[0].Seq, rows[n:]
		if i := slices.IndexFunc(records, func(r store.Record) bool { return r.Seq == passed }); len(of) > 0 && i >= 0 {
			b.rerun(ctx, p, &records[i], of)
		}
	}
}

// rerun runs an event through the packs that had missed it, or settles that they
// do not see it any more.
func (b *batch) rerun(ctx context.Context, p *plan, rec *store.Record, rows []store.Missed) {
	entry, ev, now := &rec.Entry, &rec.Entry.Event, b.s.e.c.Now()
	x := b.blockade(ctx, entry.ShardKey())
	if x == nil {
		return
	}
	var c *chat.Chat
	if id := ev.ChatID(); id != "" {
		if c = b.chat(ctx, id); c == nil {
			return
		}
	}
	decision := &store.Decision{Seq: entry.Seq, At: rows[0].At}
	if rec.Decision != nil {
		*decision = *rec.Decision
		decision.Rules = slices.Clone(decision.Rules)
	}
	before := len(decision.Rules)
	t := store.Transition{Decision: decision}
	var results []rules.Result
	for i := range rows {
		result, over := b.rerunPack(ctx, p, entry, c, decision, &rows[i], &t, now)
		if b.err != nil {
			return
		}
		if over {
			results = append(results, result)
		}
	}
	if len(t.Made)+len(t.Missed) == 0 {
		return // a pack was suspended again meanwhile
	}
	x.apply(&t)
	var left []string // packs that may still veto this event
	for i := range x.rows {
		if x.rows[i].Seq == entry.Seq {
			left = append(left, x.rows[i].Pack)
		}
	}
	in := chat.HandledOf(entry.Seq, ev)
	in.FirstN, in.First, in.Missing = decision.Actions, decision.At, x.missing()
	in.Line, in.IsGroup = "", event.Unknown // what newer events said of the chat stands
	var forwarded []string
	for i := range results {
		forwarded = append(forwarded, b.collect(entry, &results[i], left, &in, &t)...)
	}
	b.forwardedBy(x, entry.Seq, forwarded, &t)
	b.tellOthers(rows, entry, now, &t)
	decision.Failed = stillFailed(decision.Rules)
	var actions []chat.Action
	if c != nil {
		full := b.withBlocked(ctx, c, in)
		if b.err != nil {
			return
		}
		effects := b.step(c, full, now, &t)
		decision.Actions, actions = effects.NextN, effects.Actions
		refused(decision, c.ID, effects.Refused, now)
		t.Append = append(t.Append, b.answers(effects.Actions, now)...)
	}
	b.add(t)
	if c != nil && len(t.Made) > 0 {
		var changes []*missedChange
		for _, id := range t.Made {
			changes = append(changes, b.change(id.Pack))
		}
		actions = append(slices.Clip(actions), b.revive(x, b.chats[c.ID], now, changes...)...)
	}
	b.done = append(b.done, func() {
		said := *decision
		said.Rules = decision.Rules[before:]
		b.s.e.logHandled(entry, &said, actions)
		b.s.e.observe(Happening{Rerun: &Handled{Entry: entry, Decision: decision, Actions: actions}})
	})
}

// rerunPack runs an event through one pack, and notes on t what becomes of the
// pack's row. ok says that there is a result to be carried out.
func (b *batch) rerunPack(ctx context.Context, p *plan, entry *store.Entry, c *chat.Chat, d *store.Decision, row *store.Missed, t *store.Transition, now time.Time) (result rules.Result, ok bool) {
	change := b.change(row.Pack)
	if p.of(row.Pack).out {
		t.Made = append(t.Made, row.ID())
		change.removed++
		change.tally.settled++
		d.Rules = append(d.Rules, store.RuleDecision{Pack: row.Pack, Version: row.Version, Rerun: now, Note: "it did not run: the pack is off, in shadow or removed"})
		return result, false
	}
	if _, suspended, _ := p.set.Serving(row.Pack, now); suspended {
		change.again = now
		return result, false
	}
	result = p.set.Run(b.s.part.Index, rules.Input{
		Event: c.Complete(&entry.Event), Seq: entry.Seq, Now: now, First: row.At, Chat: c, Memory: b.memory.of(ctx, now), Again: b.again,
		Pack: row.Pack, Ran: ran(d, row.Pack),
	})
	if b.err = b.memory.err; b.err != nil {
		return result, false
	}
	if len(result.Missed) == 0 {
		t.Made = append(t.Made, row.ID())
		change.removed++
		change.tally.ran++
		if len(result.Outcomes) == 0 {
			d.Rules = append(d.Rules, store.RuleDecision{Pack: row.Pack, Version: p.of(row.Pack).version, Rerun: now, Note: "no rule of it wants the event"})
		}
		return result, true
	}
	m := &result.Missed[0]
	if m.Why == rules.MissedSuspended && row.Why == m.Why && row.Version == m.Version && !result.Ran() {
		change.again = now.Add(suspendedAgain)
		return result, false // nothing has changed
	}
	failed := *row
	failed.Version, failed.Why = m.Version, m.Why
	t.Missed = append(t.Missed, failed)
	change.version, change.at = m.Version, row.At
	change.tally.failed++
	if m.Why == rules.MissedSuspended {
		change.again = now.Add(suspendedAgain)
	}
	return result, true
}

// ran are the rules of a pack that had their say in an event.
func ran(d *store.Decision, pack string) (names []string) {
	for i := range d.Rules {
		r := &d.Rules[i]
		if r.Pack == pack && r.Rule != "" && r.Error == "" && r.Skipped != rules.SkippedSuspended {
			names = append(names, r.Rule)
		}
	}
	return names
}

// stillFailed reports whether some pack did not get to look at an event after
// all: what a pack said when it ran again takes the place of what it said before.
func stillFailed(said []store.RuleDecision) bool {
	failed := func(r *store.RuleDecision) bool { return r.Error != "" || r.Skipped == rules.SkippedSuspended }
	for i := range said {
		r := &said[i]
		later := func(other store.RuleDecision) bool { return other.Pack == r.Pack && other.Rerun.After(r.Rerun) }
		if failed(r) && !slices.ContainsFunc(said[i:], later) {
			return true
		}
	}
	return false
}

// forwardedBy adds chats that an event's wishes went to when it ran again to the
// rows of those that may still veto it.
func (b *batch) forwardedBy(x *blockade, seq int64, chats []string, t *store.Transition) {
	if len(chats) == 0 {
		return
	}
	for _, row := range x.rows {
		if row.Seq != seq {
			continue
		}
		row.Chats = slices.Clone(row.Chats)
		for _, id := range chats {
			if !slices.Contains(row.Chats, id) {
				row.Chats = append(row.Chats, id)
			}
		}
		t.Missed = slices.DeleteFunc(t.Missed, func(m store.Missed) bool { return m.ID() == row.ID() })
		t.Missed = append(t.Missed, row)
	}
}

// tellOthers journals for the other chats that an event's wishes went to that
// the packs which are made up for block nothing there any more.
func (b *batch) tellOthers(rows []store.Missed, entry *store.Entry, now time.Time, t *store.Transition) {
	for i := range rows {
		row := &rows[i]
		if !slices.Contains(t.Made, row.ID()) {
			continue
		}
		for _, id := range row.Chats {
			t.Append = append(t.Append, known(entry, row.Pack, id, now))
		}
	}
}

// known is the entry by which a chat learns that a pack has made up for an event
// of another chat. It comes after what the pack asked for that chat.
func known(entry *store.Entry, pack, id string, now time.Time) store.Arrival {
	return store.Arrival{
		Event: event.Event{
			ID:   fmt.Sprintf("known:%d/%s/%s", entry.Seq, pack, id),
			Type: "wish", At: now, Source: event.SourceEngine, Chat: &event.Chat{ID: id}, Pack: pack, Depth: entry.Event.Depth,
		},
		Received: now, Cause: entry.Seq, Forward: &store.Forward{Depth: entry.Event.Depth, Known: pack},
	}
}

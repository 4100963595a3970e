package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chertd/engine/dispatch"
	"chertd/engine/event"
	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
)

// batch is a shard's work between two commits: the chats it has moved, what
// handlers wrote, and the transitions that keep it. Nobody else sees any of it
// before it is committed.
type batch struct {
	s      *shard
	chats  map[string]*chat.Chat
	memory memory
	again  bool // its events were run before, and could not be kept
	log    []store.Transition
	places map[string][]taken // of calls that are handed out, by chat
	done   []func()           // told once all is durable
	err    error              // the store could not be read: the batch is void

	blockades map[string]*blockade     // by chat, of those that were looked at
	missed    map[string]*missedChange // by pack
	reran     func()                   // moves the shard on in its plan; nil: no plan is carried out
}

func newBatch(s *shard) *batch {
	return &batch{
		s:      s,
		chats:  map[string]*chat.Chat{},
		memory: memory{store: s.e.c.Store},
	}
}

// run handles events and serves requests. If no events are given it takes them
// from the shard's queue and leaves them in *events, for when all must be run
// again.
func (b *batch) run(ctx context.Context, events *[]*store.Entry, requests []request) {
	began := b.s.e.c.Now()
	plan := b.s.plan()
	switch {
	case len(*events) > 0:
		b.again = true
		for _, entry := range *events {
			b.handle(ctx, b.s.e.rules.Load(), entry)
		}
	case plan != nil:
		// The first plan is there a moment before the first set.
		if !b.s.e.draining.Load() && b.s.e.rules.Load() != nil {
			b.carryOut(ctx, plan, began)
		}
	default:
		for len(*events) < batchEntries && b.s.e.c.Now().Sub(began) <= batchTime && b.memory.bytes < batchBytes {
			// The set before the plan: one that is new came with its plan.
			set := b.s.e.rules.Load()
			if b.s.e.draining.Load() || set == nil || b.s.plan() != nil {
				break
			}
			entry := b.s.take()
			if entry == nil {
				break
			}
			*events = append(*events, entry)
			b.handle(ctx, set, entry)
		}
	}
	for i := range requests {
		b.serve(ctx, &requests[i])
	}
}

// handle runs the rules on one event and moves its chat by what they wish.
func (b *batch) handle(ctx context.Context, set *rules.Set, entry *store.Entry) {
	if b.err != nil {
		return
	}
	ev := &entry.Event
	now := b.s.e.c.Now()
	decision := &store.Decision{Seq: entry.Seq, At: now}
	t := store.Transition{Decision: decision}
	var c *chat.Chat
	if id := ev.ChatID(); id != "" {
		if c = b.chat(ctx, id); c == nil {
			return
		}
	}
	in := chat.HandledOf(entry.Seq, ev)
	switch {
	case entry.Forward != nil && entry.Forward.Known != "":
		b.known(ctx, entry, c)
		return
	case entry.Forward != nil:
		b.missedElsewhere(entry, now, &t)
		in.Depth = entry.Forward.Depth
		in.Wishes = []chat.Wish{entry.Forward.Wish}
		in.Block = entry.Forward.Block
		decision.Note = fmt.Sprintf("carries a wish of event %d here", entry.Cause)
		if w := &entry.Forward.Wish; withdrawn(set, w) {
			in.Wishes = nil
			decision.Note = fmt.Sprintf("drops a wish of event %d: pack %q, or that version or rule of it, is no longer live", entry.Cause, w.Pack)
		}
	case ev.Timer() != "" && (c == nil || !c.Stands(chat.TimerOf(ev, entry.Cause))):
		decision.Note = "the timer no longer stands"
	default:
		if ev.Timer() != "" {
			timer := chat.TimerOf(ev, entry.Cause)
			in.Timer = &timer
		}
		result := set.Run(b.s.part.Index, rules.Input{
			Event: c.Complete(ev), Seq: entry.Seq, Now: now, Chat: c, Memory: b.memory.of(ctx, now), Again: b.again,
		})
		if b.err = b.memory.err; b.err != nil {
			return
		}
		in.Block, in.MayHold = result.Block, mayHold(result.Missed)
		if len(result.Outcomes) == 0 {
			decision.Note = "no rule wants it"
		}
		forwarded := b.collect(entry, &result, vetoers(result.Missed), &in, &t)
		b.missedBy(set, entry, &result, forwarded, &t)
	}
	var effects chat.Effects
	if c != nil {
		full := b.withBlocked(ctx, c, in)
		if b.err != nil {
			return
		}
		effects = b.step(c, full, now, &t)
		decision.Actions = effects.NextN
		refused(decision, c.ID, effects.Refused, now)
		t.Append = append(t.Append, b.answers(effects.Actions, now)...)
	}
	b.add(t)
	b.done = append(b.done, func() {
		b.s.e.logHandled(entry, decision, effects.Actions)
		b.s.e.observe(Happening{Handled: &Handled{Entry: entry, Decision: decision, Actions: effects.Actions}})
	})
}

// refused notes on a decision what a chat did not carry out.
func refused(d *store.Decision, chatID string, all []chat.Refusal, now time.Time) {
	for i := range all {
		w := rules.Wish{Chat: chatID, Wish: all[i].Wish}
		words := fmt.Sprintf("%s (%s)", w.Words(chatID, now), all[i].Why)
		by := len(d.Rules) - 1 // from the end: the rule may have failed when the event ran first
		for by >= 0 && (d.Rules[by].Pack != w.Pack || d.Rules[by].Rule != w.Rule) {
			by--
		}
		if by < 0 {
			d.Note += "; refused: " + words // a wish of another chat's event
			continue
		}
		d.Rules[by].Refused = append(d.Rules[by].Refused, words)
	}
}

// collect turns what the rules said into the chat's input, the decision and
// what is to be remembered. It returns the other chats that wishes went to; the
// packs in missedBy might have vetoed them.
func (b *batch) collect(entry *store.Entry, result *rules.Result, missedBy []string, in *chat.Handled, t *store.Transition) (forwarded []string) {
	own := entry.Event.ChatID()
	for i := range result.Outcomes {
		o := &result.Outcomes[i]
		said := store.RuleDecision{
			Pack: o.Pack, Version: o.Version, Rule: o.Rule, Place: o.Place,
			Skipped: o.Skipped, Steps: o.Steps,
		}
		if !in.First.IsZero() {
			said.Rerun = b.s.e.c.Now()
		}
		for _, l := range o.Logs {
			said.Logs = append(said.Logs, store.Log(l))
		}
		if o.Failure != nil {
			said.Error = o.Failure.Error()
		}
		if o.Failure != nil || o.Skipped == rules.SkippedSuspended {
			t.Decision.Failed = true
		}
		if o.Saw() {
			in.Saw = append(in.Saw, o.Pack)
		}
		if !o.Suspended.IsZero() {
			b.done = append(b.done, func() { b.s.e.logSuspended(o, own) })
		}
		if o.Overdrawn != nil {
			b.done = append(b.done, func() { b.s.e.logOverdrawn(o) })
		}
		for _, w := range o.Wishes {
			said.Asked = append(said.Asked, w.Words(own, t.Decision.At))
			if w.Chat == own && own != "" {
				in.Wishes = append(in.Wishes, w.Wish)
			}
		}
		if o.Rest != nil {
			in.Rested = append(in.Rested, *o.Rest)
		}
		if o.StateSet && own != "" {
			t.States = append(t.States, b.memory.setState(o.MemoryPack(), own, o.State))
		}
		b.memory.stage(o, t)
		t.Decision.Rules = append(t.Decision.Rules, said)
	}
	for _, f := range result.Forwarded(own) {
		t.Append = append(t.Append, b.forward(entry, f.Outcome, f.N, f.Wish, missedBy, !in.First.IsZero()))
		if len(missedBy) > 0 && !slices.Contains(forwarded, f.Wish.Chat) {
			forwarded = append(forwarded, f.Wish.Chat)
		}
	}
	return forwarded
}

// forward journals a wish for a chat that this shard may not own. That of an
// event that runs again has an id of its own: the rule may have been another
// when it ran first.
func (b *batch) forward(entry *store.Entry, o *rules.Outcome, n int, w *rules.Wish, missedBy []string, again bool) store.Arrival {
	id := fmt.Sprintf("wish:%d/%s/%s/%d", entry.Seq, o.Pack, o.Rule, n)
	if again {
		id += "@" + o.Version
	}
	return store.Arrival{
		Event: event.Event{
			ID:     id,
			Type:   "wish",
			At:     b.s.e.c.Now(),
			Source: event.SourceEngine,
			Chat:   &event.Chat{ID: w.Chat},
			Pack:   o.Pack,
			Depth:  entry.Event.Depth,
		},
		Received: b.s.e.c.Now(),
		Cause:    entry.Seq,
		Forward: &store.Forward{
			Wish: w.Wish, Depth: entry.Event.Depth, Block: len(missedBy) > 0, MissedBy: missedBy,
		},
	}
}

// serve carries one request out. What it answers is told once it is durable.
func (b *batch) serve(ctx context.Context, r *request) {
	if b.err != nil {
		return
	}
	if r.input == nil && r.ready == nil {
		b.done = append(b.done, func() { r.done <- nil })
		return
	}
	c := b.chat(ctx, r.chat)
	if c == nil {
		return
	}
	now := b.s.e.c.Now()
	in := r.input
	if r.ready != nil {
		// An event of the chat that is not handled yet may veto the read, and so
		// may that of a timer. The chat comes back on the agenda when it is.
		unhandled, newest, err := b.s.unhandled(ctx, r.chat)
		if err != nil {
			b.err = fmt.Errorf("look for unhandled events of chat %q: %w", r.chat, err)
			return
		}
		if unhandled || c.TimerDue(now) {
			b.done = append(b.done, func() { r.ready <- readyReply{} })
			return
		}
		in = chat.Ready{Wire: newest}
	}
	if in = b.withBlocked(ctx, c, in); b.err != nil {
		return
	}
	var t store.Transition
	var effects chat.Effects
	before := c.Hold
	if r.ready != nil {
		effects = b.ready(ctx, c, in.(chat.Ready), now, &t)
		if b.err != nil {
			return
		}
	} else {
		effects = b.step(c, in, now, &t)
		if answer, ok := in.(chat.Answer); ok && c.Flight != nil && t.Chat.Flight == nil {
			b.landed(c.ID, answer, now, &t)
		}
	}
	if r.dropped != nil {
		*r.dropped = droppedBy(c, t.Chat, &effects, now)
	}
	for i := range effects.Fired {
		t.Append = append(t.Append, made(chat.TimerEvent(c.ID, &effects.Fired[i], now), now, effects.Fired[i].Seq))
	}
	t.Append = append(t.Append, b.answers(effects.Actions, now)...)
	// Handing a read out, or having none, changes nothing that must be kept, but
	// for the place it takes in the meter of its pack.
	if r.ready == nil || len(effects.Actions) > 0 || len(t.Writes) > 0 {
		b.add(t)
	}
	b.done = append(b.done, func() {
		for i := range effects.Actions {
			if a := &effects.Actions[i]; !a.Settled.IsZero() {
				b.s.e.logSettled(a)
				b.s.e.observe(Happening{Settled: a})
			}
		}
		if r.told != nil {
			r.told <- operated(before, t.Chat, effects.Actions, now)
		}
		if r.done != nil {
			r.done <- nil
		}
		if r.ready != nil {
			reply := readyReply{ok: effects.Call != nil}
			if reply.ok {
				reply.call = *effects.Call
			}
			r.ready <- reply
		}
	})
}

// withBlocked gives an input the blocked reads of its chat, if it may end them.
func (b *batch) withBlocked(ctx context.Context, c *chat.Chat, in chat.Input) chat.Input {
	if !c.EndsBlocked(in) {
		return in
	}
	x := b.blockade(ctx, c.ID)
	if x == nil {
		return in
	}
	return chat.WithBlocked(in, x.reads)
}

// withdrawn reports whether a wish that was made for another chat is not to be carried
// out: what acts goes with its version, what is postponed with its pack alone.
func withdrawn(set *rules.Set, w *chat.Wish) bool {
	switch {
	case w.Acts() && set.Withdrawn(w.Pack, w.Version), w.Kind == chat.WishPostpone && set.Withdrawn(w.Pack, ""):
		return true
	}
	return w.Kind == chat.WishRead && !set.HasRule(w.Pack, w.Rule)
}

// droppedBy counts what a pack had waiting in a chat that a chat.Cancel dropped, and
// the chat itself if it is postponed no longer.
func droppedBy(before, after *chat.Chat, e *chat.Effects, now time.Time) (d live.Dropped) {
	_, was := before.Postponement(now)
	if _, is := after.Postponement(now); was && !is {
		d.Postponed++
	}
	for i := range e.Actions {
		switch a := &e.Actions[i]; {
		case a.Status != chat.Dropped || a.Why != chat.WhyPackInactive:
		case a.Kind == chat.Read:
			d.Reads++
		default:
			d.Calls++
		}
	}
	for i := range e.Timers {
		if e.Timers[i].Gone {
			d.Timers++
		}
	}
	return d
}

// ready asks a chat for its call, for which each pack that has a read in it must
// have a place left in its meter. Reads of packs that have none are dropped, or
// wait for one if they were called for before.
func (b *batch) ready(ctx context.Context, c *chat.Chat, in chat.Ready, now time.Time, t *store.Transition) chat.Effects {
	for {
		next, effects := chat.Step(*c, in, now)
		if effects.Call != nil {
			places, full, keep, err := b.s.e.reads.reserve(ctx, b.s.e.c.Store, effects.Call.ReadPacks(), now)
			if err != nil {
				b.err = err
				return chat.Effects{}
			}
			if len(full) > 0 {
				for pack, meter := range full {
					if effects.Call.Repeats(pack) {
						if in.Full == nil {
							in.Full = map[string]time.Time{}
						}
						in.Full[pack] = meter.until
						continue
					}
					in.Spent = append(in.Spent, pack)
					b.done = append(b.done, func() { b.s.e.observe(Happening{Limited: &Limited{pack, meter.limit}}) })
				}
				continue
			}
			if len(places) > 0 {
				if b.places == nil {
					b.places = map[string][]taken{}
				}
				b.places[c.ID] = places
			}
			t.ReadCalls = append(t.ReadCalls, keep...)
		}
		b.chats[c.ID] = &next
		t.Chat, t.Actions, t.Timers = &next, effects.Actions, effects.Timers
		return effects
	}
}

// landed notes in the meters how the call in flight of a chat has ended.
func (b *batch) landed(id string, a chat.Answer, now time.Time, t *store.Transition) {
	places := b.s.places[id]
	if len(places) == 0 {
		return
	}
	t.ReadCalls = append(t.ReadCalls, b.s.e.reads.kept(places, now, a.OnWire())...)
	b.done = append(b.done, func() {
		b.s.e.reads.ended(places, now, a.OnWire())
		delete(b.s.places, id)
	})
}

// abandon gives back what a batch that is void had taken.
func (b *batch) abandon() {
	for _, places := range b.places {
		b.s.e.reads.release(places, b.s.e.c.Now())
	}
}

// answers makes the events by which packs learn what became of their actions.
func (b *batch) answers(actions []chat.Action, now time.Time) []store.Arrival {
	set := b.s.e.rules.Load()
	if set == nil {
		return nil
	}
	var arrivals []store.Arrival
	for i := range actions {
		a := &actions[i]
		if kind := a.AnswerType(); kind != "" && set.Wants(kind, a.Pack) {
			arrivals = append(arrivals, made(chat.AnswerEvent(a, now), now, a.ID.Seq))
		}
	}
	return arrivals
}

// step moves a chat and notes on the transition what is to be kept.
func (b *batch) step(c *chat.Chat, in chat.Input, now time.Time, t *store.Transition) chat.Effects {
	next, effects := chat.Step(*c, in, now)
	b.chats[c.ID] = &next
	t.Chat, t.Actions, t.Timers = &next, effects.Actions, effects.Timers
	return effects
}

// chat is a chat as this batch has it; nil if the store can't say.
func (b *batch) chat(ctx context.Context, id string) *chat.Chat {
	if c := b.chats[id]; c != nil {
		return c
	}
	if c := b.s.chats.get(id); c != nil {
		return c
	}
	loaded, err := b.s.e.c.Store.Chat(ctx, id)
	if err != nil {
		b.err = fmt.Errorf("load chat %q: %w", id, err)
		return nil
	}
	return &loaded
}

func (b *batch) add(t store.Transition) {
	b.log = append(b.log, t)
	for _, x := range b.blockades {
		x.apply(&t)
	}
}

// commit makes the batch durable.
func (b *batch) commit(ctx context.Context) error {
	if b.err != nil || len(b.log) == 0 {
		return b.err
	}
	return b.s.e.c.Store.Commit(ctx, b.log)
}

// publish shows what is durable: to the shard's cache, the agendas, and those
// who asked.
func (b *batch) publish() {
	for id, c := range b.chats {
		b.s.chats.put(id, c)
		call := c.NextCall()
		if c.Flight != nil {
			call = time.Time{} // the answer will say
		}
		b.s.e.callsDue.Set(dispatch.Pick{Chat: id, Line: c.Line, Due: call, Retry: c.Retry.Attempts > 0})
		b.s.e.timersDue.Set(id, c.NextTimer())
	}
	for id, places := range b.places {
		b.s.places[id] = places
	}
	for _, tell := range b.done {
		tell()
	}
	if b.reran != nil {
		b.reran()
	}
	if b.s.e.misses.some.Load() || b.missed != nil {
		b.s.e.misses.changed(b.missed)
	}
}

// packs are the packs whose kv the batch has used, in ascending order.
func (b *batch) packs() []string {
	var packs []string
	for i := range b.log {
		for _, kv := range b.log[i].Reads {
			packs = append(packs, kv.Pack)
		}
		for _, kv := range b.log[i].Writes {
			packs = append(packs, kv.Pack)
		}
	}
	slices.Sort(packs)
	return slices.Compact(packs)
}

// made journals an event that chertd made itself.
func made(ev event.Event, now time.Time, cause int64) store.Arrival {
	return store.Arrival{Event: ev, Received: now, Cause: cause}
}

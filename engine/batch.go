package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// batch is a shard's work between two commits: the chats that it has changed, what
// handlers wrote, and the transitions that store it. Only the batch sees any of it before
// the commit, apart from chats that it lends (lend.go).
type batch struct {
	s      *shard
	work   *work
	chats  map[string]*chat.Chat // those it has claimed, changed or not
	memory turn.Memory
	again  bool // its inputs ran before, and the commit failed
	log    []turn.Transition
	places map[string][]turn.Place // of calls that are handed out, by chat
	done   []func()                // called once all is durable
	err    error                   // the store could not be read: the batch is void

	blockades map[string]*turn.Blockade // by chat, of those that were looked at
	missed    map[string]*missedChange  // by pack
	begun     []rules.Begun             // suspensions that begin: they hold even if the batch is void
	reran     func()                    // notes the shard's progress in its plan; nil: no plan is carried out

	urgent  bool             // it must be committed before its chats are published
	timeUp  bool             // it has been open for openFor
	closing bool             // it takes in no more events, and waits for answers
	atClose int              // how many it waits for
	ends    bool             // it takes in no more
	timer   <-chan time.Time // closes or ends it; nil: it has not been open yet
	results int              // of calls, in it
	later   []request        // results that wait for events in the queue
	putBack int              // how many of them its last run has put back
	lent    map[string]loan
	newest  map[string]int        // places in log of the newest change of each chat
	rows    map[chat.ActionID]int // the same of each action
}

func newBatch(s *shard, w *work) *batch {
	s.mu.Lock()
	s.chats.calls.next()
	s.mu.Unlock()
	return &batch{
		s:      s,
		work:   w,
		log:    s.log[:0],
		chats:  map[string]*chat.Chat{},
		memory: turn.Memory{Base: s.e.c.Store},
	}
}

// run takes in the results of calls, handles events and serves requests. If there is a
// plan it carries that out instead of events. It notes its inputs in the batch's work.
func (b *batch) run(ctx context.Context, results, requests []request) {
	// What came before an event counts before it: what was read before a veto came is not too
	// late for it.
	results, later := b.s.splitResults(results)
	b.results += len(results)
	b.serveAll(ctx, results)
	b.work.inputs = append(b.work.inputs, input{})
	if plan := b.s.plan(); plan == nil {
		b.later = later
		b.takeEvents(ctx)
		results, later = b.s.splitResults(b.later)
		b.results += len(results)
		b.serveAll(ctx, results)
	} else {
		b.runPlan(ctx, plan)
	}
	b.putBack = len(later)
	b.s.putBackResults(later)
	b.urgent = b.urgent || len(requests) > 0
	b.serveAll(ctx, requests)
}

// runAgain runs the inputs of a batch that could not be committed. Those of a chat that led to
// a call have the time that they had before: with another, a delay or the end of a hold could
// decide otherwise, and the call has gone out.
func (b *batch) runAgain(ctx context.Context) {
	b.again = true
	inputs, called := b.work.inputs, b.work.lastCalls()
	for i := range inputs {
		in, now := &inputs[i], b.s.e.c.Now()
		if last, ok := called[in.chatID()]; ok && i <= last {
			now = in.at
		}
		switch {
		case in.entry != nil:
			b.handle(ctx, b.s.e.rules.Load(), in.entry, now)
		case in.flight != nil:
			b.handOutAgain(ctx, in.flight, now)
		case in.request != nil:
			b.serve(ctx, in.request, now)
		default:
			if plan := b.s.plan(); plan != nil && b.work.events == 0 {
				b.runPlan(ctx, plan)
			}
		}
	}
}

// runPlan carries out a part of a plan.
func (b *batch) runPlan(ctx context.Context, p *plan) {
	b.urgent = true
	// The first plan exists a moment before the first set does.
	if !b.s.e.draining.Load() && b.s.e.rules.Load() != nil {
		b.carryOut(ctx, p, b.s.e.c.Now())
	}
}

// takeEvents handles events from the shard's queue.
func (b *batch) takeEvents(ctx context.Context) {
	room := b.room()
	b.preload(ctx, room)
	began := b.s.e.c.Now() // however long the store took, some events are handled
	for (room > 0 || b.urgent) && b.work.events < batchEntries && b.s.e.c.Now().Sub(began) <= batchTime && b.memory.Bytes() < batchBytes {
		if b.s.e.draining.Load() || b.s.e.rules.Load() == nil {
			return
		}
		entry := b.s.take()
		if entry == nil {
			return
		}
		// After the event: one that came after a set was swapped in runs on that set. And
		// before the plan: a set that is new came with its plan.
		set := b.s.e.rules.Load()
		if b.s.plan() != nil {
			b.s.putBack([]*turn.Entry{entry})
			return
		}
		b.serveBefore(ctx, entry)
		b.noteHandedOut(entry.Event.ChatID())
		now := b.s.e.c.Now()
		b.work.inputs = append(b.work.inputs, input{entry: entry, at: now})
		b.work.events++
		room--
		b.handle(ctx, set, entry, now)
	}
}

// serveBefore takes in the results of an event's chat that came before the event did, and
// waited for others.
func (b *batch) serveBefore(ctx context.Context, entry *turn.Entry) {
	if len(b.later) == 0 {
		return
	}
	var results []request
	b.later = slices.DeleteFunc(b.later, func(r request) bool {
		before := r.chat == entry.ShardKey() && r.after < entry.Seq
		if before {
			results = append(results, r)
		}
		return before
	})
	b.results += len(results)
	b.serveAll(ctx, results)
}

func (b *batch) serveAll(ctx context.Context, requests []request) {
	for i := range requests {
		b.noteHandedOut(requests[i].chat)
		now := b.s.e.c.Now()
		b.work.inputs = append(b.work.inputs, input{request: &requests[i], at: now})
		b.serve(ctx, &requests[i], now)
	}
}

// turn returns the turn of a chat ("": of none) with a set at a time; ok is false if the chat
// could not be read.
func (b *batch) turn(ctx context.Context, set *rules.Set, chatID string, now time.Time) (t turn.Turn, ok bool) {
	t = turn.Turn{Set: set, Shard: b.s.part.Index, Now: now, Again: b.again, Memory: &b.memory, Lists: b.s.e.Lists(), Suspensions: &b.s.e.suspensions, Blocks: b, Holds: b.s.e.held.now()}
	if b.err == nil && chatID != "" {
		t.Chat = b.chat(ctx, chatID)
	}
	return t, b.err == nil
}

// handle runs an entry through its turn.
func (b *batch) handle(ctx context.Context, set *rules.Set, entry *turn.Entry, now time.Time) {
	t, ok := b.turn(ctx, set, entry.Event.ChatID(), now)
	if !ok {
		return
	}
	began := time.Now() // in more than the milliseconds of the engine's clock
	d, err := t.Handle(ctx, entry)
	if len(d.Outcomes) > 0 && d.Decision != nil {
		d.Decision.Took = time.Since(began)
	}
	b.noteRun(&t, entry, d.Outcomes)
	if err != nil {
		b.err = err
		return
	}
	b.noteMissed(set, &d)
	b.add(&d)
	actions := d.Actions
	if entry.Forward != nil && entry.Forward.Known != "" {
		t.Chat = d.Chat
		actions = append(slices.Clip(actions), b.revive(ctx, &t, b.change(entry.Forward.Known))...)
	}
	decision := d.Decision
	b.done = append(b.done, func() {
		b.s.e.logHandled(entry, decision, actions)
		b.s.e.observe(Observation{Handled: &Handled{Entry: entry, Decision: decision, Actions: actions}})
	})
}

// noteRun notes in the engine's record how the rules fared that ran on an entry.
// It does so before the batch is durable, as that record must stop a rule within the
// batch. If the batch runs again, its failures do not count twice: see turn.Turn.Again.
func (b *batch) noteRun(t *turn.Turn, entry *turn.Entry, outcomes []rules.Outcome) {
	b.begun = append(b.begun, b.s.e.suspensions.Note(entry.Event.ChatID(), outcomes, t.Now)...)
}

// add adds to the batch what an input has changed.
func (b *batch) add(d *turn.Done) {
	b.noteUrgent(d)
	if d.Chat != nil {
		b.chats[d.Chat.ID] = d.Chat
	}
	if !b.merge(&d.Transition) {
		b.log = append(b.log, d.Transition)
		b.noteLast(&d.Transition)
	}
	for _, x := range b.blockades {
		x.Apply(&d.Transition)
	}
}

// noteLast notes that the newest changes are those at the end of log.
func (b *batch) noteLast(t *turn.Transition) {
	if t.Chat == nil {
		return
	}
	if b.newest == nil {
		b.newest, b.rows = map[string]int{}, map[chat.ActionID]int{}
	}
	last := len(b.log) - 1
	b.newest[t.Chat.ID] = last
	for i := range t.Actions {
		b.rows[t.Actions[i].ID] = last
	}
}

// merge adds a transition to those of the same batch that changed its chat and its actions
// last, and reports whether it could: it must have nothing else.
func (b *batch) merge(t *turn.Transition) bool {
	if t.Chat == nil || !t.IsProgress() {
		return false
	}
	last, ok := b.newest[t.Chat.ID]
	for i := range t.Actions {
		_, here := b.rows[t.Actions[i].ID]
		ok = ok && here
	}
	if !ok {
		return false
	}
	for i := range t.Actions {
		b.log[b.rows[t.Actions[i].ID]].Progress(&t.Actions[i])
	}
	b.log[last].Chat = t.Chat
	b.log[last].AddAttempts(t.Attempts)
	return true
}

// chat returns a chat with the changes of this batch, and claims it; nil if it could not
// be read.
func (b *batch) chat(ctx context.Context, id string) *chat.Chat {
	if c := b.chats[id]; c != nil {
		return c
	}
	c := b.s.claim(id)
	if c == nil {
		c = b.s.loaded[id]
	}
	delete(b.s.loaded, id)
	if c == nil {
		loaded, err := b.s.e.c.Store.Chats(ctx, []string{id})
		if err != nil {
			b.err = fmt.Errorf("load chat %q: %w", id, err)
			return nil
		}
		c = &loaded[0]
	}
	b.chats[id] = c
	return c
}

// preload reads the chats of the next events that are in the store only, all together. Only
// the shard changes them, so that they stay as they are until a batch uses them.
func (b *batch) preload(ctx context.Context, most int) {
	ids := b.s.uncached(most)
	if len(ids) < 2 {
		return
	}
	list, err := b.s.e.c.Store.Chats(ctx, ids)
	if err != nil {
		return // the event that needs one reports it
	}
	if b.s.loaded == nil || len(b.s.loaded)+len(list) > 2*batchEntries {
		b.s.loaded = make(map[string]*chat.Chat, len(list)) // they are read again if they are needed
	}
	for i := range list {
		b.s.loaded[ids[i]] = &list[i]
	}
}

// commit makes the batch durable.
func (b *batch) commit(ctx context.Context) error {
	if b.err != nil || len(b.log) == 0 {
		return b.err
	}
	return b.s.e.c.Store.Commit(ctx, b.log)
}

// publish passes what is durable to the shard's cache, the agendas, and the senders of
// requests.
func (b *batch) publish() {
	b.s.keepLent(b)
	again := b.s.publish(b.chats)
	b.s.e.setAllDue(slices.Collect(maps.Values(b.chats)))
	b.s.e.setAllDue(again)
	for id, places := range b.places {
		b.s.places[id] = places
	}
	for _, done := range b.done {
		done()
	}
	b.s.e.logBegun(b.begun)
	if b.reran != nil {
		b.reran()
	}
	if b.s.e.misses.some.Load() || b.missed != nil {
		b.s.e.misses.changed(b.missed)
	}
}

// end gives the shard back what the next batch may use. The batch is not used any more.
func (b *batch) end() {
	clear(b.log)
	b.s.log = b.log[:0]
}

// packs returns the packs whose kv the batch has used, in ascending order.
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

package engine

import (
	"context"
	"fmt"
	"slices"

	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// batch is a shard's work between two commits: the chats that it has changed, what
// handlers wrote, and the transitions that store it. Only the batch sees any of it before
// the commit.
type batch struct {
	s      *shard
	chats  map[string]*chat.Chat // those it has claimed, changed or not
	memory turn.Memory
	again  bool // its events ran before, and the commit failed
	log    []turn.Transition
	places map[string][]turn.Place // of calls that are handed out, by chat
	done   []func()                // called once all is durable
	err    error                   // the store could not be read: the batch is void

	blockades map[string]*turn.Blockade // by chat, of those that were looked at
	missed    map[string]*missedChange  // by pack
	begun     []rules.Begun             // suspensions that begin: they hold even if the batch is void
	reran     func()                    // notes the shard's progress in its plan; nil: no plan is carried out
}

func newBatch(s *shard) *batch {
	return &batch{
		s:      s,
		chats:  map[string]*chat.Chat{},
		memory: turn.Memory{Base: s.e.c.Store},
	}
}

// run takes in the results of calls, handles events and serves requests. If *events is
// empty it takes events from the shard's queue and leaves them there, for when all must
// run again.
func (b *batch) run(ctx context.Context, results []request, events *[]*turn.Entry, requests []request) {
	began := b.s.e.c.Now()
	// They are older than the events: what was read before a veto came is not too late for it.
	for i := range results {
		b.serve(ctx, &results[i])
	}
	plan := b.s.plan()
	switch {
	case len(*events) > 0:
		b.again = true
		for _, entry := range *events {
			b.handle(ctx, b.s.e.rules.Load(), entry)
		}
	case plan != nil:
		// The first plan exists a moment before the first set does.
		if !b.s.e.draining.Load() && b.s.e.rules.Load() != nil {
			b.carryOut(ctx, plan, began)
		}
	default:
		for len(*events) < batchEntries && b.s.e.c.Now().Sub(began) <= batchTime && b.memory.Bytes() < batchBytes {
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

// turn returns the turn of a chat ("": of none) with a set; ok is false if the chat could
// not be read.
func (b *batch) turn(ctx context.Context, set *rules.Set, chatID string) (t turn.Turn, ok bool) {
	t = turn.Turn{Set: set, Shard: b.s.part.Index, Now: b.s.e.c.Now(), Again: b.again, Memory: &b.memory, Suspensions: &b.s.e.suspensions, Blocks: b}
	if b.err == nil && chatID != "" {
		t.Chat = b.chat(ctx, chatID)
	}
	return t, b.err == nil
}

// handle runs an entry through its turn.
func (b *batch) handle(ctx context.Context, set *rules.Set, entry *turn.Entry) {
	t, ok := b.turn(ctx, set, entry.Event.ChatID())
	if !ok {
		return
	}
	d, err := t.Handle(ctx, entry)
	b.noteRun(&t, entry, d.Outcomes)
	if err != nil {
		b.err = err
		return
	}
	b.noteMissed(set, &d)
	b.add(&d)
	actions := d.Actions
	if entry.Forward != nil && entry.Forward.Known != "" {
		actions = b.revive(ctx, &t, b.change(entry.Forward.Known))
	}
	b.done = append(b.done, func() {
		b.s.e.logHandled(entry, d.Decision, actions)
		b.s.e.observe(Observation{Handled: &Handled{Entry: entry, Decision: d.Decision, Actions: actions}})
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
	if d.Chat != nil {
		b.chats[d.Chat.ID] = d.Chat
	}
	b.log = append(b.log, d.Transition)
	for _, x := range b.blockades {
		x.Apply(&d.Transition)
	}
}

// chat returns a chat with the changes of this batch, and claims it; nil if it could not
// be read.
func (b *batch) chat(ctx context.Context, id string) *chat.Chat {
	if c := b.chats[id]; c != nil {
		return c
	}
	c := b.s.claim(id)
	if c == nil {
		loaded, err := b.s.e.c.Store.Chat(ctx, id)
		if err != nil {
			b.err = fmt.Errorf("load chat %q: %w", id, err)
			return nil
		}
		c = &loaded
	}
	b.chats[id] = c
	return c
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
	again := b.s.publish(b.chats)
	for _, c := range b.chats {
		b.s.e.setDue(c)
	}
	for _, c := range again {
		b.s.e.setDue(c)
	}
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

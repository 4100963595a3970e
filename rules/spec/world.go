// Package spec runs rules on virtual time, with no store and no network.
//
// World is chertd in memory: the same rule sets and the same machine of one
// chat that the daemon drives, a journal, timers, schedules and a Chert that
// answers as it is told. On it stand the specs of packs: files in busted's
// words that say what a pack does when.
package spec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// Epoch is when virtual time starts unless someone says otherwise: a Monday.
var Epoch = time.Date(2026, time.January, 5, 12, 0, 0, 0, time.UTC)

// WorldConfig is what a World is made of. Only Set is required.
type WorldConfig struct {
	Set   *rules.Set
	Start time.Time // default Epoch
	// Latency is how long Chert takes to answer a call; default 0, at once.
	Latency time.Duration
	// Answer, if set, says how a call ends that FailNext says nothing about:
	// nil is success.
	Answer func(now time.Time, call *chat.Call) *Fault
	// Happenings and Steps bound what may happen in all: ErrTooMuch. Defaults
	// 20,000 and 50,000,000 (VM steps of all handlers together, about 1 s).
	Happenings int
	Steps      int64
	// Observe, if set, is told each thing that happens, and nothing of it is
	// kept: for worlds in which a great deal does.
	Observe func(*Happening)
}

// ErrTooMuch says that a World's bounds are used up, by rules that keep each
// other going or by more time than one can pass event by event.
var ErrTooMuch = errors.New("too much happens")

// World is a rule set with all that surrounds it, on a clock that moves only
// when told to. The same calls give the same World, always. It is used by one
// goroutine.
type World struct {
	c      WorldConfig
	now    time.Time
	seq    int64 // of the journal
	queue  []entry
	seen   map[string]bool
	chats  map[string]*chat.Chat
	memory memory
	agenda agenda

	faults []Fault // of the next calls
	resume time.Time
	flying map[string]CallMade // by chat, while Latency passes
	limits *rules.ReadLimits

	log      []Happening
	actions  map[chat.ActionID]chat.Action
	happened int
	called   int // calls made
	steps    int64
}

// entry is what the journal has of an event.
type entry struct {
	seq     int64
	cause   int64
	event   event.Event
	timer   *chat.TimerID
	forced  bool // run it whether its timer stands or not
	forward *forward
}

// forward is a wish for another chat than that of its event.
type forward struct {
	wish  chat.Wish
	depth int
	block bool
}

// NewWorld makes a world in which nothing has happened yet.
func NewWorld(c WorldConfig) *World {
	if c.Start.IsZero() {
		c.Start = Epoch
	}
	c.Happenings = cmp.Or(c.Happenings, 20_000)
	c.Steps = cmp.Or(c.Steps, 50_000_000)
	w := &World{
		c: c, now: c.Start, seen: map[string]bool{}, chats: map[string]*chat.Chat{},
		flying: map[string]CallMade{}, actions: map[chat.ActionID]chat.Action{},
	}
	w.limits = rules.NewReadLimits(c.Set)
	for i, r := range c.Set.Schedules() {
		w.agenda.set(key{runSchedule, fmt.Sprintf("%06d", i)}, r.Schedule.Next(w.now))
	}
	return w
}

// Now is the virtual time.
func (w *World) Now() time.Time { return w.now }

// Receive takes an event in, as from outside, and lets everything happen that
// follows at once: rules, wishes for other chats, calls that are due. An event
// whose id was there before changes nothing.
func (w *World) Receive(ctx context.Context, ev event.Event) error {
	if w.seen[ev.ID] {
		w.note(Happening{At: w.now, Event: &ev, Note: "an event with this id was handled before"})
		return nil
	}
	w.seen[ev.ID] = true
	w.append(entry{event: ev})
	return w.run(ctx, w.now)
}

// FireTimer fires a timer of a chat now: the one that is set, which then no
// longer waits, or if none is one that was never set, with this payload.
func (w *World) FireTimer(ctx context.Context, pack, name, chatID string, payload []byte) error {
	t := chat.Timer{Pack: pack, Name: name, Payload: payload, N: w.happened}
	if c := w.chats[chatID]; c != nil {
		for _, set := range c.Timers {
			if set.Pack == pack && set.Name == name {
				t = set
				if payload != nil {
					t.Payload = payload
				}
			}
		}
	}
	e := timerEntry(chatID, &t, w.now)
	e.forced = true
	w.append(e)
	return w.run(ctx, w.now)
}

// FireSchedule runs a rule made by chert.every now, besides its own times.
func (w *World) FireSchedule(ctx context.Context, r *rules.Rule) error {
	w.append(scheduleEntry(r, w.now))
	return w.run(ctx, w.now)
}

// Tell gives an input to the machine of a chat: an operator's hold, a pack
// that went off.
func (w *World) Tell(ctx context.Context, chatID string, in chat.Input) error {
	w.step(chatID, in)
	return w.run(ctx, w.now)
}

// Advance lets time pass: whatever comes due meanwhile happens at its time, in
// order. At one moment answers come first, then schedules and timers, and calls
// last, so that a veto of that moment is still in time.
func (w *World) Advance(ctx context.Context, d time.Duration) error {
	return w.run(ctx, w.now.Add(d))
}

func (w *World) run(ctx context.Context, until time.Time) error {
	for {
		for len(w.queue) > 0 {
			if err := w.room(ctx); err != nil {
				return err
			}
			e := w.queue[0]
			w.queue = w.queue[1:]
			w.handle(&e)
		}
		k, at, ok := w.agenda.first()
		if !ok || at.After(until) {
			break
		}
		if err := w.room(ctx); err != nil {
			return err
		}
		w.agenda.set(k, time.Time{})
		if at.After(w.now) {
			w.now = at
		}
		w.due(k)
	}
	if until.After(w.now) {
		w.now = until
	}
	return nil
}

// room reports whether there is room for more to happen.
func (w *World) room(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("at %s: %w", w.now.UTC().Format(time.RFC3339), context.Cause(ctx))
	case w.happened >= w.c.Happenings:
		return fmt.Errorf("%w: by %s there were %d events and calls", ErrTooMuch, w.now.UTC().Format(time.RFC3339), w.happened)
	case w.steps >= w.c.Steps:
		return fmt.Errorf("%w: by %s the rules had used %d steps", ErrTooMuch, w.now.UTC().Format(time.RFC3339), w.steps)
	}
	return nil
}

func (w *World) append(e entry) {
	w.seq++
	e.seq = w.seq
	w.queue = append(w.queue, e)
}

// due does what stands on the agenda for now.
func (w *World) due(k key) {
	switch k.what {
	case takeAnswer:
		made := w.flying[k.name]
		delete(w.flying, k.name)
		w.answered(made)
	case runSchedule:
		var i int
		fmt.Sscanf(k.name, "%d", &i)
		r := w.c.Set.Schedules()[i]
		w.append(scheduleEntry(r, w.now))
		w.agenda.set(k, r.Schedule.Next(w.now))
	case fireTimers:
		for _, t := range w.step(k.name, chat.Wake{}).Fired {
			w.append(timerEntry(k.name, &t, w.now))
		}
	case makeCall:
		w.call(k.name)
	}
}

// handle runs the rules on one event and moves its chat by what they wish.
func (w *World) handle(e *entry) {
	ev := &e.event
	h := Happening{At: w.now, Seq: e.seq, Event: ev}
	in := chat.HandledOf(e.seq, ev)
	id := ev.ChatID()
	var c *chat.Chat
	if id != "" {
		c = w.chat(id)
	}
	switch {
	case e.forward != nil:
		in.Depth, in.Wishes, in.Block = e.forward.depth, []chat.Wish{e.forward.wish}, e.forward.block
		h.Note = "an operator asks for it"
		if e.cause > 0 {
			h.Note = fmt.Sprintf("carries a wish of event %d here", e.cause)
		}
	case e.timer != nil && !e.forced && !c.Stands(*e.timer):
		h.Note = "the timer no longer stands"
	default:
		in.Timer = e.timer
		w.think(e, c, &in, &h)
	}
	if id != "" {
		effects := w.step(id, in)
		h.Actions = effects.Actions
		for _, wish := range effects.Refused {
			h.Refused = append(h.Refused, fmt.Sprintf("%s (%s)", wish.Kind, wish.Why))
		}
	}
	w.note(h)
}

// think runs the rules on an event and collects what they say.
func (w *World) think(e *entry, c *chat.Chat, in *chat.Handled, h *Happening) {
	ev, own := &e.event, e.event.ChatID()
	w.memory.now = w.now
	result := w.c.Set.Run(0, rules.Input{Event: c.Complete(ev), Seq: e.seq, Now: w.now, Chat: c, Memory: &w.memory})
	in.Block, h.Blocked = result.Block, result.Block
	in.MayHold = slices.ContainsFunc(result.Missed, func(m rules.Missed) bool { return m.CanHold })
	for i := range result.Outcomes {
		o := &result.Outcomes[i]
		w.steps += o.Steps
		said := Said{Outcome: *o}
		if o.Saw() && !w.limits.Shadow(o.Pack) {
			in.Saw = append(in.Saw, o.Pack)
		}
		for n := range o.Wishes {
			wish := &o.Wishes[n]
			wish.Shadow = wish.Shadow || w.limits.Shadow(o.Pack)
			said.Asked = append(said.Asked, wish.Words(own, w.now))
			if wish.Chat == own && own != "" {
				in.Wishes = append(in.Wishes, wish.Wish)
			}
		}
		if o.Rest != nil && !w.limits.Shadow(o.Pack) {
			in.Rested = append(in.Rested, *o.Rest)
		}
		w.memory.keep(o, own)
		h.Rules = append(h.Rules, said)
	}
	for _, f := range result.Forwarded(own) {
		w.append(entry{cause: e.seq, forward: &forward{f.Wish.Wish, ev.Depth, result.Block}, event: event.Event{
			ID:   fmt.Sprintf("wish:%d/%s/%s/%d", e.seq, f.Outcome.Pack, f.Outcome.Rule, f.N),
			Type: "wish", At: w.now, Source: event.SourceEngine, Chat: &event.Chat{ID: f.Wish.Chat}, Pack: f.Outcome.Pack, Depth: ev.Depth,
		}})
	}
}

// chat is a chat as it is now, new if nobody has named it before.
func (w *World) chat(id string) *chat.Chat {
	if w.chats[id] == nil {
		w.chats[id] = &chat.Chat{ID: id}
	}
	return w.chats[id]
}

// step moves a chat, and tells its pack what became of its actions.
func (w *World) step(id string, in chat.Input) chat.Effects {
	c := w.chat(id)
	if c.NeedsBlocked(in) {
		in = chat.WithBlocked(in, w.blocked(id))
	}
	next, effects := chat.Step(*c, in, w.now)
	w.chats[id] = &next
	for i := range effects.Actions {
		a := &effects.Actions[i]
		if w.c.Observe == nil {
			w.actions[a.ID] = *a
		}
		kind := a.AnswerType()
		// What an event itself asked for is settled, if at all, without a call.
		if _, handled := in.(chat.Handled); !handled && kind != "" && w.c.Set.Wants(kind, a.Pack) {
			w.append(answerEntry(a, w.now))
		}
	}
	w.agenda.set(key{fireTimers, id}, next.NextTimer())
	call := next.NextCall()
	if next.Flight != nil {
		call = time.Time{} // the answer will say
	}
	w.agenda.set(key{makeCall, id}, call)
	return effects
}

// blocked are the blocked reads of a chat, in the order asked.
func (w *World) blocked(id string) []chat.Action {
	return slices.DeleteFunc(w.Actions(id), func(a chat.Action) bool { return a.Kind != chat.Read || a.Status != chat.Blocked })
}

// Chat is a chat as it is now; ok is false if no event and no wish named it.
func (w *World) Chat(id string) (c chat.Chat, ok bool) {
	if w.chats[id] == nil {
		return chat.Chat{}, false
	}
	return *w.chats[id], true
}

// Chats are the ids of all chats that were named, in ascending order.
func (w *World) Chats() []string { return slices.Sorted(maps.Keys(w.chats)) }

// Read reports whether the chat is read: a call for it succeeded that went out
// after its newest inbound message came.
func (w *World) Read(id string) bool {
	c := w.chats[id]
	return c != nil && c.ReadThrough > 0 && c.LastMessageSeq <= c.ReadThrough
}

// newest is the sequence of the chat's newest inbound message; 0: none came.
func (w *World) newest(id string) int64 {
	if w.chats[id] == nil {
		return 0
	}
	return w.chats[id].LastMessageSeq
}

// State is what a pack remembers of a chat, as JSON; nil: nothing.
func (w *World) State(pack, id string) []byte { return w.memory.states[stateKey{pack, id}] }

// Package spec runs rules on virtual time, with no store and no network.
//
// World is chertd in memory: a clock, an agenda and a fake Chert around the turn
// that the daemon takes its entries through, too (rules/turn). On it stand the
// specs of packs: files in busted's words that say what a pack does when.
package spec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Epoch is when virtual time starts unless someone says otherwise: a Monday.
var Epoch = time.Date(2026, time.January, 5, 12, 0, 0, 0, time.UTC)

// WorldConfig is what a World is made of. Only Set is required.
type WorldConfig struct {
	Set   *rules.Set
	Start time.Time    // default Epoch
	Lists *rules.Lists // nil: all are empty
	// Latency is how long Chert takes to answer a call; default 0, immediately.
	Latency time.Duration
	// Answer, if set, says how a call ends that FailNext says nothing about:
	// nil is success.
	Answer func(now time.Time, call *chat.Call) *Fault
	// Newest, if set, returns what Chert says of the newest message of a chat; by default,
	// what came in and was sent in the World.
	Newest func(chatID string) chat.Newest
	// Happenings and Steps bound what may happen in all: ErrTooMuch. Defaults
	// 20,000 and 50,000,000 (VM steps of all handlers together, about 1 s).
	Happenings int
	Steps      int64
	// Observe, if set, is called with each happening, and the World keeps none of
	// them: for worlds with very many.
	Observe func(*Happening)
}

// ErrTooMuch says that a World's bounds are used up, by rules that keep each
// other going or by more time than one can pass event by event.
var ErrTooMuch = errors.New("too many events or steps")

// World is a rule set with all that surrounds it, on a clock that moves only
// when a method moves it. The same calls give the same World, always. It is used by one
// goroutine.
type World struct {
	c           WorldConfig
	set         *rules.Set // in which packs that have reached their limit are in shadow
	now         time.Time
	seq         int64 // of the journal
	queue       []turn.Entry
	seen        map[string]bool
	chats       map[string]*chat.Chat
	memory      turn.Memory
	suspensions rules.Suspensions
	agenda      agenda

	faults []Fault // of the next calls
	// replied is, by chat, how far the journal was when its newest outbound message was sent.
	replied map[string]int64
	resume  time.Time
	paced   map[string]*rate.Limiter // by chat: how fast a target may be notified
	flying  map[string]CallMade      // by chat, while Latency passes
	limits  *turn.Calls

	log      []Happening
	actions  map[chat.ActionID]chat.Action
	blocked  map[string]*turn.Blockade // reads, by chat
	happened int
	called   int // calls made
	steps    int64
}

// NewWorld makes a world in which nothing has happened yet.
func NewWorld(c WorldConfig) *World {
	if c.Start.IsZero() {
		c.Start = Epoch
	}
	c.Happenings = cmp.Or(c.Happenings, 20_000)
	c.Steps = cmp.Or(c.Steps, 50_000_000)
	w := &World{
		c: c, set: c.Set, now: c.Start, seen: map[string]bool{}, chats: map[string]*chat.Chat{},
		flying: map[string]CallMade{}, paced: map[string]*rate.Limiter{}, replied: map[string]int64{}, actions: map[chat.ActionID]chat.Action{}, blocked: map[string]*turn.Blockade{},
	}
	if c.Lists != nil && c.Observe == nil {
		w.noteLists()
	}
	w.limits = turn.NewCalls(c.Set)
	for i, r := range c.Set.Schedules() {
		w.agenda.set(key{runSchedule, fmt.Sprintf("%06d", i)}, r.Schedule.Next(w.now))
	}
	return w
}

// Now is the virtual time.
func (w *World) Now() time.Time { return w.now }

// Receive takes an event in, as from outside, and lets everything happen that
// follows immediately: rules, requests for other chats, calls that are due. An event
// whose id was there before changes nothing.
func (w *World) Receive(ctx context.Context, ev event.Event) error {
	if w.seen[ev.ID] {
		w.note(Happening{At: w.now, Event: &ev, Note: "an event with this id was handled before"})
		return nil
	}
	w.seen[ev.ID] = true
	if ev.Message != nil && ev.Message.Direction == "outbound" && ev.Chat != nil {
		w.replied[ev.Chat.ID] = w.seq + 1
	}
	w.append(turn.Arrival{Event: ev, Received: w.now})
	return w.run(ctx, w.now)
}

// FireTimer fires a timer of a chat now: the one that is set, which then no
// longer waits, or if none is one that was never set, with this payload.
func (w *World) FireTimer(ctx context.Context, pack, name, chatID string, payload []byte) error {
	c := *w.chat(chatID)
	t := chat.Timer{Pack: pack, Name: name, Payload: payload, N: w.happened, Fired: true}
	set := slices.IndexFunc(c.Timers, func(set chat.Timer) bool { return set.Pack == pack && set.Name == name })
	if set >= 0 {
		t = c.Timers[set]
		if payload != nil {
			t.Payload = payload
		}
	} else {
		c.Timers = append(slices.Clip(c.Timers), t) // only one that stands fires
		w.chats[chatID] = &c
	}
	w.append(turn.TimerFired(chatID, &t, w.now))
	return w.run(ctx, w.now)
}

// FireSchedule runs a rule made by chert.every now, besides its own times.
func (w *World) FireSchedule(ctx context.Context, r *rules.Rule) error {
	w.append(turn.Scheduled(r, w.now, w.now))
	return w.run(ctx, w.now)
}

// Tell gives an input to the machine of a chat: an operator's hold, a pack
// that went off.
func (w *World) Tell(ctx context.Context, chatID string, in chat.Input) error {
	if _, err := w.move(ctx, chatID, in); err != nil {
		return err
	}
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
			if err := w.handle(ctx, &e); err != nil {
				return err
			}
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
		if err := w.due(ctx, k); err != nil {
			return err
		}
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

// Chat is a chat as it is now; ok is false if no event and no request named it.
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

// LastEvent returns the sequence of a chat's newest event that can be unread; 0: none came.
func (w *World) LastEvent(id string) int64 {
	if w.chats[id] == nil {
		return 0
	}
	return w.chats[id].LastEvent
}

// newest is the sequence of the chat's newest inbound message; 0: none came.
func (w *World) newest(id string) int64 {
	if w.chats[id] == nil {
		return 0
	}
	return w.chats[id].LastMessageSeq
}

// State is what a pack remembers of a chat, as JSON; nil: nothing.
func (w *World) State(pack, id string) []byte { return w.memory.State(pack, id) }

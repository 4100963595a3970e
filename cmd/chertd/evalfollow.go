package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/spec"
	"chertd/rules/turn"
)

// maxFollowed bounds the calls and timers of one evaluation, as a spec.World is
// bounded. A handler requests far less.
const maxFollowed = 20_000

// following has the results of one event if nothing else happens: its requests for
// other chats, timers and calls, each at its time. The rules of timers do not run:
// eval shows the results of one event.
type following struct {
	set    *rules.Set // in which packs that have reached their limit are in shadow
	now    time.Time
	seq    int64 // of the journal
	queue  []turn.Entry
	before *stored
	chats  map[string]*chat.Chat // that the event concerns
	limits *turn.Calls
	rows   map[chat.ActionID]chat.Action
	count  int // calls and timers so far
}

// turn returns what an input of a chat ("": of none) meets. Rules run on one event
// alone, so that none is suspended before it.
func (f *following) turn(set *rules.Set, chatID string) *turn.Turn {
	t := &turn.Turn{Set: set, Now: f.now, Memory: &f.before.memory, Lists: f.before.lists, Suspensions: &rules.Suspensions{}, Blocks: f}
	if chatID == "" {
		return t
	}
	if f.chats[chatID] == nil {
		c := f.before.chat(chatID)
		f.chats[chatID] = &c
	}
	t.Chat = f.chats[chatID]
	return t
}

// Blockade implements turn.Blocks.
func (f *following) Blockade(_ context.Context, chatID string) (*turn.Blockade, error) {
	b := &turn.Blockade{Key: chatID}
	for _, id := range slices.SortedFunc(maps.Keys(f.rows), compareIDs) {
		b.Apply(&turn.Transition{Actions: []chat.Action{f.rows[id]}})
	}
	return b, nil
}

func compareIDs(a, b chat.ActionID) int {
	return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.N, b.N))
}

// handle runs the turn of an entry.
func (f *following) handle(ctx context.Context, set *rules.Set, e *turn.Entry) (turn.Done, error) {
	d, err := f.turn(set, e.Event.ChatID()).Handle(ctx, e)
	if err == nil {
		f.keep(&d)
	}
	return d, err
}

// drain handles the entries that were made.
func (f *following) drain(ctx context.Context) error {
	for len(f.queue) > 0 {
		e := f.queue[0]
		f.queue = f.queue[1:]
		set := f.set
		if e.Forward == nil {
			set = nil
		}
		if _, err := f.handle(ctx, set, &e); err != nil {
			return err
		}
	}
	return nil
}

// move moves a chat by an input other than an event.
func (f *following) move(ctx context.Context, chatID string, in chat.Input) error {
	d, err := f.turn(nil, chatID).Move(ctx, in)
	if err == nil {
		f.keep(&d)
	}
	return err
}

func (f *following) keep(d *turn.Done) {
	for _, a := range d.Append {
		f.seq++
		f.queue = append(f.queue, turn.Entry{Seq: f.seq, Arrival: a})
	}
	if d.Chat != nil {
		f.chats[d.Chat.ID] = d.Chat
	}
	for _, a := range d.Actions {
		f.rows[a.ID] = a
	}
}

// next returns the chat of the earliest call, or of the timer that is due no later
// than that: it fires before, as in the daemon. ok is false once no call waits.
func (f *following) next() (id string, at time.Time, timer, ok bool) {
	earliest := func(due func(*chat.Chat) time.Time) (id string, at time.Time) {
		for _, c := range slices.Sorted(maps.Keys(f.chats)) {
			if d := due(f.chats[c]); !d.IsZero() && (id == "" || d.Before(at)) {
				id, at = c, d
			}
		}
		return id, at
	}
	id, at = earliest((*chat.Chat).NextCall)
	if id == "" {
		return "", at, false, false
	}
	at = later(f.now, at)
	if timed, due := earliest((*chat.Chat).NextTimer); timed != "" && !due.After(at) {
		return timed, later(f.now, due), true, true
	}
	return id, at, false, true
}

// follow lets time pass until no call waits, and notes the calls and timers.
func (e *evaluation) follow(ctx context.Context, f *following) error {
	timers := map[string][]evalTimer{}
	note := func(t *chat.Timer, id string) {
		timers[id] = append(timers[id], evalTimer{id, t.Pack, t.Name, t.Due})
	}
	for {
		id, at, timer, ok := f.next()
		if !ok {
			break
		}
		if f.count++; f.count > maxFollowed {
			return fmt.Errorf("follow chat %s: %w: by %s there were %d calls and timers", id, spec.ErrTooMuch, f.now.UTC().Format(time.RFC3339), maxFollowed)
		}
		f.now = at
		if !timer {
			if err := e.call(ctx, f, id); err != nil {
				return err
			}
			continue
		}
		for i := range f.chats[id].Timers {
			if t := &f.chats[id].Timers[i]; !t.Fired && !t.Due.After(at) {
				note(t, id)
			}
		}
		if err := f.move(ctx, id, chat.Wake{}); err != nil {
			return err
		}
		if err := f.drain(ctx); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(f.chats)) {
		for i := range f.chats[id].Timers {
			note(&f.chats[id].Timers[i], id)
		}
		e.Timers = append(e.Timers, timers[id]...)
	}
	for _, id := range slices.SortedFunc(maps.Keys(f.rows), compareIDs) {
		a := f.rows[id]
		e.Actions = append(e.Actions, evalAction{id.String(), a.Kind, a.Chat, a.Pack, a.Rule, a.Reason, a.Due, a.Status, a.Why})
	}
	return nil
}

// call makes the next call of a chat, which succeeds. A question is answered as its first read
// requires.
func (e *evaluation) call(ctx context.Context, f *following, id string) error {
	d, spent, err := f.turn(nil, id).Call(ctx, f.seq, f.limits)
	if err != nil {
		return err
	}
	f.keep(&d)
	for _, full := range spent {
		if f.set.Mode(full.Pack) == rules.Shadow {
			continue
		}
		f.set = f.set.Shadowed(full.Pack)
		for _, other := range slices.Sorted(maps.Keys(f.chats)) {
			if err := f.move(ctx, other, chat.Cancel{Pack: full.Pack}); err != nil {
				return err
			}
		}
	}
	if d.Call == nil {
		return nil
	}
	call := evalCall{Chat: id, Kind: d.Call.Kind, At: f.now}
	for _, a := range d.Call.Actions {
		call.Actions = append(call.Actions, a.ID.String())
		call.rules = append(call.rules, a.RuleKey())
	}
	if d.Call.Kind == chat.Question {
		call.Assumes = chat.NewestInbound
		if d.Call.Actions[0].OnlyIf == chat.IfAnswered {
			call.Assumes = chat.NewestOutbound
		}
	}
	e.Calls = append(e.Calls, call)
	f.limits.Ended(id, f.now, true)
	return f.move(ctx, id, chat.Answer{Call: *d.Call, OK: true, Newest: call.Assumes})
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

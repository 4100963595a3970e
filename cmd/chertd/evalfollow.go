package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"chertd/rules/chat"
	"chertd/rules/spec"
)

// maxFollowed bounds the calls and timers of one evaluation, as a spec.World is
// bounded. A handler requests far less.
const maxFollowed = 20_000

// follow moves a chat by what was wished until none of its calls waits. As in the
// daemon, a timer that is due no later than a call fires before it. Its rules do
// not run: eval shows what comes of one event.
func (e *evaluation) follow(c chat.Chat, in chat.Handled) error {
	id := c.ID
	rows := map[chat.ActionID]chat.Action{}
	step := func(in chat.Input, now time.Time) (out chat.Effects) {
		c, out = chat.Step(c, in, now)
		for _, a := range out.Actions {
			rows[a.ID] = a
		}
		return out
	}
	step(in, e.Now)
	if h := c.Hold; h.Active(e.Now) {
		e.Holds = append(e.Holds, evalHold{id, h.By, h.Until, h.Reason})
	}
	for i := range c.Postponed {
		p := &c.Postponed[i]
		e.Postponed = append(e.Postponed, evalHold{id, p.By(), p.Until, p.Reason})
	}
	fires := func(t *chat.Timer) {
		e.Timers = append(e.Timers, evalTimer{id, t.Pack, t.Name, t.Due})
	}
	now, seq := e.Now, in.Seq
	for next := c.NextCall(); !next.IsZero(); next = c.NextCall() {
		if e.followed++; e.followed > maxFollowed {
			return fmt.Errorf("follow chat %s: %w: by %s there were %d calls and timers", id, spec.ErrTooMuch, now.UTC().Format(time.RFC3339), maxFollowed)
		}
		if timer := c.NextTimer(); !timer.IsZero() && !timer.After(later(now, next)) {
			now = later(now, timer)
			fired := step(chat.Wake{}, now).Fired
			for i := range fired {
				t := &fired[i]
				fires(t)
				seq++
				step(chat.Handled{Seq: seq, Depth: t.Depth, Timer: &chat.TimerID{Pack: t.Pack, Name: t.Name, Seq: t.Seq, N: t.N}}, now)
			}
			continue
		}
		now = later(now, next)
		ready := chat.Ready{Wire: seq}
		limited := e.limits.Reserve(&c, &ready, now)
		out := step(ready, now)
		for _, pack := range limited {
			step(chat.Cancel{Pack: pack}, now)
		}
		if out.Call == nil {
			continue
		}
		call := evalCall{Chat: id, Kind: out.Call.Kind, At: now}
		for _, a := range out.Call.Actions {
			call.Actions = append(call.Actions, a.ID.String())
			call.rules = append(call.rules, a.RuleKey())
		}
		e.Calls = append(e.Calls, call)
		e.limits.Ended(id, now, true)
		step(chat.Answer{Call: *out.Call, OK: true}, now)
	}
	for i := range c.Timers {
		fires(&c.Timers[i])
	}
	for _, id := range slices.SortedFunc(maps.Keys(rows), func(a, b chat.ActionID) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.N, b.N)) }) {
		a := rows[id]
		e.Actions = append(e.Actions, evalAction{id.String(), a.Kind, a.Chat, a.Pack, a.Rule, a.Reason, a.Due, a.Status, a.Why})
	}
	return nil
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

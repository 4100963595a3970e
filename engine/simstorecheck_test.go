package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"chertd/engine/control"
)

// checkStore checks what the store holds in the end: each message is there once and is handled,
// nothing waits, and what rules counted is exact.
func (w *simWorld) checkStore() {
	ctx := context.Background()
	run := w.up()
	st := run.m.store
	w.mu.Lock()
	defer w.mu.Unlock()
	stats, err := st.Stats(ctx)
	if err != nil || stats.Pending > 0 || stats.Actions["waiting"] > 0 || stats.Actions["blocked"] > 0 {
		w.fail("in the end %d events are pending, and actions are %v (%v)", stats.Pending, stats.Actions, err)
		return
	}
	if early, err := st.Early(ctx, 0, 10); err != nil || len(early) > 0 {
		w.fail("in the end %d early events are not journaled (%v)", len(early), err)
	}
	sent, signalled := map[string]int{}, map[string]int{}
	for _, g := range w.book.signals {
		if g.acked.set() {
			signalled[g.chat]++
		}
	}
	for _, m := range w.book.messages {
		sent[m.chat]++
		switch {
		case m.entry == nil:
			w.fail("message %s is not journaled", m.id)
		case !m.entry.decided.set():
			w.fail("message %s is not decided", m.id)
		case w.book.timerLeft(m):
			w.fail("a timer of message %s has not fired", m.id)
		}
		if w.plan.kv {
			if kv, err := st.KV(ctx, "counts", m.id, w.localNow()); err != nil || string(kv.Value) != "1" {
				w.fail("message %s was counted %q times (%v)", m.id, kv.Value, err)
			}
		}
	}
	if kv, err := st.KV(ctx, "counts", "all", w.localNow()); w.plan.kv && len(w.book.messages) > 0 && (err != nil || string(kv.Value) != fmt.Sprint(len(w.book.messages))) {
		w.fail("%d messages came, and rules counted %q (%v)", len(w.book.messages), kv.Value, err)
	}
	for _, chat := range w.plan.chats() {
		raw, err := st.State(ctx, "counts", chat)
		var state struct{ N, S int }
		if len(raw) > 0 {
			err = json.Unmarshal(raw, &state)
		}
		if err != nil || state.N != sent[chat] || state.S != signalled[chat] {
			w.fail("%d messages and %d signals came in chat %s, and its state is %s (%v)", sent[chat], signalled[chat], chat, raw, err)
		}
		records, err := st.Events(ctx, chat, 0, 1000)
		seen := map[string]int{}
		for i := range records {
			r := &records[i]
			seen[r.Event.ID]++
			if seen[r.Event.ID] > 1 || r.Decision == nil {
				w.fail("event %s is in the store %d times, decided: %t", r.Event.ID, seen[r.Event.ID], r.Decision != nil)
			}
		}
		if err != nil || len(records) < sent[chat] {
			w.fail("%d messages came in chat %s, and the store has %d events (%v)", sent[chat], chat, len(records), err)
		}
	}
	if calls := w.book.calls; !slices.ContainsFunc(calls, func(c *simCall) bool { return c.run == run && c.ok }) {
		return // all chats are held: the daemon has not called since, and can't know better
	}
	for _, l := range run.m.callsStatus().Lines {
		if slices.ContainsFunc(w.book.calls, func(c *simCall) bool { return c.ok && simLines[c.chat] == l.Line && w.book.well.before(c.first) }) {
			w.fail("in the end the calls of line %s are stopped since %v, though Chert has answered them since", l.Line, l.Since)
		}
	}
	if h, calls := run.m.health(), run.m.callsStatus(); len(h.NoCalls) > 0 || len(h.NotReady) > 0 || calls.State != control.CallsGoOut {
		w.fail("in the end the daemon is not ready: %q %q, calls are %s", h.NotReady, h.NoCalls, calls.State)
	}
}

// timerLeft reports whether a message has set a timer that has not fired, and that no later one
// of the chat may have replaced.
func (b *simBook) timerLeft(m *simMessage) bool {
	for rule, word := range simTimers {
		if !m.has(word) || b.fired[m.id+" "+rule] > 0 {
			continue
		}
		if e := m.entry; e != nil && (b.cancelled(e, nil) || e.muted[word] || b.mayBeMuted(e, word)) {
			continue
		}
		if !slices.ContainsFunc(b.decided[m.chat], func(x *simEntry) bool { return x.message != nil && x.message.has(word) && m.entry.seq < x.seq }) {
			return true
		}
	}
	return false
}

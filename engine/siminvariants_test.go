package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chertd/engine/control"
	"chertd/engine/store"
)

// The daemon's clock has whole milliseconds.

// mayBegin checks a request of the daemon's that begins: against the calls in flight, what Chert
// has asked for, and the ceiling. w.mu is held.
func (w *simWorld) mayBegin(c *simCall) {
	b := &w.book
	for _, l := range b.limited {
		if l.chat != "" && l.chat != c.of() || !c.began.at.Before(l.until.Add(-time.Millisecond)) || b.jumped(l.from.at, c.began.at) {
			continue
		}
		if w.run != c.run || l.from.before(c.run.began) && (!l.kept || b.killed(l.from.at, l.from.at.Add(time.Second))) {
			continue
		}
		w.fail("call %s begins though Chert has asked at %v to wait until %v", c.what, l.from.at.Sub(w.began), l.until.Sub(w.began))
	}
	if c.of() == "" {
		return
	}
	if w.paused.set() && w.paused.before(c.first) {
		w.fail("call %s begins though calls are paused", c.what)
	}
	for _, other := range b.calls {
		if other == c || other.run != c.run || other.ended || other.of() == "" {
			continue
		}
		if other.of() == c.of() {
			w.fail("call %s begins while another one of the chat is in flight", c.what)
		}
		if s := b.stopped; s != nil && s.run == c.run && s.answered.before(other.began) {
			w.fail("calls %s and %s are two probes at a time", other.what, c.what)
		}
	}
	w.underCeiling(c)
	if c.asks != "" {
		w.mayAsk(c)
	}
}

// underCeiling checks that no time up to a call had more of them than the ceiling allows. A read of
// the events log may go one ahead of the calls. A call that the daemon drops before it is written
// makes room for another one.
func (w *simWorld) underCeiling(c *simCall) {
	n := 0
	for _, other := range slices.Backward(w.book.calls) {
		if other.run != c.run || w.book.jumped(other.began.at, c.began.at) {
			return
		}
		if other.dropped {
			continue
		}
		n++
		span := c.began.at.Sub(other.began.at).Seconds()
		if most := float64(w.plan.burst) + span*w.plan.rate + 2; float64(n) > most {
			w.fail("%d calls within %.3f s, where %.1f are allowed", n, span, most)
			return
		}
	}
}

// mayBeWritten checks a call right before it is written: against holds, and what the daemon may
// have missed. w.mu is held.
func (w *simWorld) mayBeWritten(c *simCall) {
	if c.chat == "" {
		return
	}
	b := &w.book
	if until := b.holds[c.chat]; c.written.local.Before(until) && !b.jumped(c.written.at, c.written.at) && !b.beingFreed(c.chat) {
		w.fail("call %s is written though the chat is held until %v", c.what, until)
	}
	if until := b.lineHolds[simLines[c.chat]]; c.written.local.Before(until) && !b.jumped(c.written.at, c.written.at) {
		w.fail("call %s is written though its line is held until %v", c.what, until)
	}
	if c.run.impatient {
		return
	}
	for _, m := range b.messages {
		if m.chat == c.chat && m.recorded.before(c.run.began) && m.entry == nil {
			w.fail("call %s is written before message %s is caught up, which came while the daemon was down", c.what, m.id)
		}
	}
}

// beingFreed reports whether a message has released a chat whose decision is not durable yet: its
// reads may go out before (lend.go).
func (b *simBook) beingFreed(chat string) bool {
	return slices.ContainsFunc(b.messages, func(m *simMessage) bool {
		return m.chat == chat && m.has("free") && m.entry != nil && !m.entry.decided.set()
	})
}

// checkStatus compares what the daemon says about its calls with what happens.
func (w *simWorld) checkStatus() {
	run := w.up()
	if run == nil {
		return
	}
	st, err := run.m.Status(context.Background())
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || st.Unknown != "" {
		w.fail("status: %v %s", err, st.Unknown)
		return
	}
	w.trace("status: %s", st.Calls.State)
	b := &w.book
	stopped := b.stopped != nil && b.stopped.run == run
	switch state := st.Calls.State; {
	case w.paused.set() != st.Paused || st.Paused != (state == control.CallsPaused):
		w.fail("status says %q, paused %t; calls are paused by command: %t", state, st.Paused, w.paused.set())
	case st.Paused:
	case stopped && (state != control.CallsStopped || st.Calls.Code != 2004 && b.foreign == nil || len(st.NoCalls) == 0):
		w.fail("status says %q, code %d, %q; Chert refuses every call with 2004", state, st.Calls.Code, st.NoCalls)
	case !stopped && state == control.CallsStopped && b.foreign == nil:
		w.fail("status says %q, code %d; Chert answers", state, st.Calls.Code)
	case state == control.CallsGoOut && len(st.NoCalls) > 0:
		w.fail("status says %q, and why there are no calls: %q", state, st.NoCalls)
	}
}

// checkOrder checks that the messages of each chat are journaled in the order of Chert's log, as
// far as the daemon can know it.
func (w *simWorld) checkOrder() {
	for i, m := range w.book.messages {
		for _, older := range w.book.messages[:i] {
			if older.chat != m.chat || older.entry == nil || m.entry == nil || older.entry.seq < m.entry.seq || !m.acked.set() {
				continue
			}
			if older.acked.set() && older.acked.before(m.came) {
				w.fail("message %s came before %s, was taken in before it, and is journaled after it", older.id, m.id)
			}
			// The clocks were never set: endWell alone notes that they are right.
			if run := m.early; run != nil && older.recorded.before(run.began) && !run.impatient && len(w.book.jumps) == 1 {
				w.fail("message %s, which came while the daemon was down, is journaled after %s, which came in the gap that followed", older.id, m.id)
			}
		}
	}
}

// checkSignals checks that each accepted signal is handled, and in the order of its chat's messages.
func (w *simWorld) checkSignals() {
	for id, g := range w.book.signals {
		switch {
		case !g.acked.set():
		case g.entry == nil:
			w.fail("signal %s was accepted, and is not journaled", id)
		case !g.entry.decided.set():
			w.fail("signal %s was accepted, and is not decided", id)
		}
		for _, m := range w.book.messages {
			if g.entry == nil || m.entry == nil || m.chat != g.chat {
				continue
			}
			if m.acked.set() && m.acked.before(g.begun) && m.entry.seq > g.entry.seq {
				w.fail("signal %s was sent after message %s was accepted, and is journaled before it", id, m.id)
			}
			// In a gap, the events log may bring a message before the signal, which waits.
			if !g.early && g.acked.set() && m.acked.set() && g.acked.before(m.recorded) && m.entry.seq < g.entry.seq {
				w.fail("signal %s was accepted before message %s was sent, and is journaled after it", id, m.id)
			}
		}
	}
}

// checkCalls checks each call that was written: some message wants it, and it is not made again
// without need.
func (w *simWorld) checkCalls() {
	for i, c := range w.book.calls {
		if c.chat == "" || !c.written.set() {
			continue
		}
		if !w.wanted(c) {
			w.fail("call %s at %v: no message of the chat wants it", c.what, c.written.at.Sub(w.began))
		}
		for _, before := range w.book.calls[:i] {
			if before.chat == c.chat && before.ok && before.answered.set() && before.answered.before(c.began) && w.needless(before, c) {
				w.fail("call %s at %v: nothing has come since the one at %v, which succeeded", c.what, c.written.at.Sub(w.began), before.written.at.Sub(w.began))
			}
		}
	}
}

// needless reports whether a call was made though nothing had come since an earlier one that
// succeeded.
func (w *simWorld) needless(before, c *simCall) bool {
	for _, m := range w.book.messages {
		if m.chat == c.chat && m.entry != nil && before.first.before(m.entry.journaled) && m.entry.journaled.before(c.written) {
			return false
		}
	}
	// What a process had in memory when it was killed is repeated.
	return !w.book.killed(before.first.at, before.answered.at.Add(time.Second))
}

// wanted reports whether a message or a timer requested a call that was written, and nothing that
// was durable by then forbade it.
func (w *simWorld) wanted(c *simCall) bool {
	list := w.book.decided[c.chat]
	for i, x := range list {
		reads, _ := x.reads()
		if !x.journaled.before(c.written) || len(reads) == 0 {
			continue
		}
		if w.book.cancelled(x, &c.written) {
			continue
		}
		vetoed := slices.ContainsFunc(w.book.vetoes[c.chat], func(v simVeto) bool { return x.decided.before(v.begun) && v.done.before(c.written) })
		superseded := false
		for j, other := range list {
			if j == i || !other.decided.set() || j < i && !x.older(other) {
				continue
			}
			_, veto := other.reads()
			if j > i && veto && other.journaled.at.Before(c.written.at) {
				vetoed = true // the last look finds that it waits to be handled
			}
			if !other.decided.before(c.written) {
				continue
			}
			vetoed = vetoed || veto && (j > i || len(w.book.jumps) == 0)
			superseded = superseded || other.supersedes() && !other.older(x) && len(w.book.jumps) == 0
		}
		for _, r := range reads {
			early := x.decided.before(c.began) && c.written.local.Before(x.handled.Add(r.after)) && !w.book.jumped(x.decided.at, c.written.at)
			if !vetoed && (r.sure || !superseded) && !early && !w.book.muted(x, r.rule, c.written) && w.book.known(x, r, c) {
				return true
			}
		}
	}
	return false
}

// checkReads checks that each read that was requested was made, unless something forbade it.
func (w *simWorld) checkReads() {
	for _, chat := range w.plan.chats() {
		list := w.book.decided[chat]
		for i, x := range list {
			reads, _ := x.reads()
			for _, r := range reads {
				if !w.made(x) && !w.excused(x, r, list, i) {
					w.fail("chat %s: the read that entry %d requests by %q was never made; the store says %s", chat, x.seq, r.rule, w.actionsOf(x))
				}
			}
		}
	}
}

// actionsOf returns, for people, what became of the actions of an entry.
func (w *simWorld) actionsOf(x *simEntry) (text string) {
	list, err := w.run.m.store.Actions(context.Background(), store.ActionFilter{Chat: x.chat, Limit: 1000})
	if err != nil {
		return err.Error()
	}
	for _, a := range list {
		if a.ID.Seq == x.seq {
			text += fmt.Sprintf("%s %s %s (%s), attempt %d; ", a.Kind, a.Rule, a.Status, a.Why, a.Attempts)
		}
	}
	return text
}

// made reports whether a call has marked an entry's message.
func (w *simWorld) made(x *simEntry) bool {
	since := x.journaled
	if x.timer != nil {
		since = x.timer.entry.journaled
	}
	return slices.ContainsFunc(w.book.calls, func(c *simCall) bool {
		return c.chat == x.chat && c.effect && c.ok && since.before(c.written)
	})
}

// excused reports whether something newer than an entry has, or may have, dropped its read. list has the
// entries of its chat, and place is its place there.
func (w *simWorld) excused(x *simEntry, r simRead, list []*simEntry, place int) bool {
	b := &w.book
	if b.refused[x.chat]+b.refused[simLines[x.chat]] > 0 {
		return true // such reads are dead
	}
	if b.cancelled(x, nil) || b.mayBeMuted(x, r.rule) || b.mayBeUnmet(x, r) {
		return true
	}
	if slices.ContainsFunc(b.vetoes[x.chat], func(v simVeto) bool { return x.journaled.before(v.done) }) || w.heldAt(x, x.handled.Add(r.after)) {
		return true
	}
	// A read of a message that comes late is as old as the newest one that was handled before.
	from := place + 1
	for i, other := range list[:place] {
		if x.older(other) && (from > place || list[from].older(other)) {
			from = i
		}
	}
	for i, other := range list {
		if i < from || i == place {
			continue
		}
		of, veto := other.reads()
		if !r.sure && slices.ContainsFunc(of, func(later simRead) bool { return b.mayBeMuted(other, later.rule) }) {
			return true // then nobody wants to read the newer message
		}
		if !r.sure && len(of) > 0 && !slices.ContainsFunc(of, func(later simRead) bool { return !b.mayBeUnmet(other, later) }) {
			return true // the same
		}
		if veto || (other.supersedes() || other.message != nil && b.cancelled(other, nil)) && !r.sure || other.asks(r.rule) {
			return true
		}
	}
	// The read of a timer or a signal covers no message that the pack has not seen.
	return x.timer != nil || x.signal != nil
}

// heldAt reports whether the chat may have been held at a time, by a message before an entry.
func (w *simWorld) heldAt(x *simEntry, at time.Time) bool {
	for _, h := range w.book.decided[x.chat] {
		if h.seq < x.seq && h.message != nil && h.message.has("hold") && (h.handled.Add(simHoldFor).After(at) || len(w.book.jumps) > 0) {
			return true
		}
	}
	return slices.ContainsFunc(w.book.vetoes[x.chat], func(v simVeto) bool { return v.begun.before(x.decided) })
}

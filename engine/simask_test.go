package engine

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"chertd/engine/chertsim"
	"chertd/engine/store"
	"chertd/rules/chat"
)

// simWritten is a message of a chat at Chert, of either side.
type simWritten struct {
	at   simMoment
	side chat.Newest
}

// How long the answer to a question counts: docs/lua.md.
const (
	simAskedFor  = 5 * time.Second
	simAskedMost = time.Hour // for reads that were due when it was asked, and wait for their turn
)

// newSimAsks returns messages of which reads with only_if are requested, answers of the team on other
// devices, and faults of the questions. Most are of one chat.
func newSimAsks(dice *rand.Rand) (steps []simStep) {
	id := oneOf(dice, simChats...)
	for range 3 + dice.IntN(6) {
		of := oneOf(dice, id, id, id, oneOf(dice, simChats...))
		if dice.IntN(8) == 0 {
			steps = append(steps, simStep{kind: simFault, fault: newSimAskFault(dice, of), rest: time.Millisecond})
		}
		s := simStep{kind: simMessages, chat: of, rest: simWhile(dice, time.Millisecond, 5*time.Second)}
		for range 1 + dice.IntN(2) {
			s.texts = append(s.texts, oneOf(dice, "answered", "unanswered", "soon", "check", "check", "answered check", "answered check", "answered soon", "unanswered soon", "soon check", "later soon", "check sure", "read check"))
		}
		steps = append(steps, s)
		if dice.IntN(3) > 0 {
			steps = append(steps, simStep{kind: simReply, chat: of, rest: simWhile(dice, time.Millisecond, 25*time.Second)})
		}
	}
	return steps
}

// newSimAskFault returns how Chert fails questions from now on.
func newSimAskFault(dice *rand.Rand, id string) chertsim.FailRule {
	f := oneOf(dice,
		chertsim.FailRule{Code: 1007, RetryAfter: 1 + dice.IntN(20), Times: 1 + dice.IntN(3)},
		chertsim.FailRule{Code: 3001, Times: 1 + dice.IntN(5)},
		chertsim.FailRule{Code: 4002, Chat: id, RetryAfter: 1 + dice.IntN(30), Times: 1 + dice.IntN(3)},
		chertsim.FailRule{Code: 2002, Chat: id, Times: 1},
		chertsim.FailRule{Mode: chertsim.FailHTML, Times: 1 + dice.IntN(4)},
		chertsim.FailRule{Mode: chertsim.FailRaw, Body: `{"ok": true}`, Times: 1},
		chertsim.FailRule{Mode: chertsim.FailHang, Times: 1 + dice.IntN(2)},
		chertsim.FailRule{Mode: chertsim.FailReset, Times: 1 + dice.IntN(4)},
		chertsim.FailRule{Mode: chertsim.FailTruncated, Times: 1 + dice.IntN(4)},
	)
	if f.Route = "messages"; f.Mode == "" {
		f.Mode = chertsim.FailEnvelope
	}
	return f
}

// reply has the team answer a chat on another device: Chert sends no event of it.
func (w *simWorld) reply(id string) {
	w.mu.Lock()
	w.book.writes(id, w.now(), true)
	w.trace("%s: the team answers", id)
	w.mu.Unlock()
	w.chert.Reply(id, "answer")
}

// writes notes a message of a chat; ours is whether the team has written it.
func (b *simBook) writes(id string, at simMoment, ours bool) {
	side := chat.NewestInbound
	if ours {
		side = chat.NewestOutbound
	}
	b.wrote[id] = append(b.wrote[id], simWritten{at, side})
}

// newest returns which side of a chat has written last.
func (b *simBook) newest(id string) chat.Newest {
	list := b.wrote[id]
	if len(list) == 0 {
		return chat.NewestUnknown
	}
	return list[len(list)-1].side
}

// mayAsk checks a question that begins: some read that is due may want it, and no earlier answer counts.
// w.mu is held.
func (w *simWorld) mayAsk(c *simCall) {
	b := &w.book
	if !slices.ContainsFunc(b.messages, func(m *simMessage) bool {
		return m.chat == c.asks && m.entry != nil && slices.ContainsFunc(simReads, func(r simRead) bool { return r.only != "" && m.has(r.rule) })
	}) {
		w.fail("question %s begins, and no rule wants an answer", c.what)
	}
	for _, q := range slices.Backward(b.calls) {
		if q == c || q.asks != c.asks || !q.ok || !q.answered.set() {
			continue
		}
		if b.newerThan(q, c.first) || b.killed(q.first.at, q.answered.at.Add(time.Second)) || b.jumped(q.first.at, c.began.at) {
			return
		}
		if age := c.first.at.Sub(q.answered.at); age < simAskedFor-10*time.Millisecond {
			w.fail("question %s begins %v after the answer to another, which still counts", c.what, age)
		}
		return
	}
}

// newerThan reports whether a message of the chat of a question was journaled between it and a moment.
func (b *simBook) newerThan(q *simCall, by simMoment) bool {
	return slices.ContainsFunc(b.messages, func(m *simMessage) bool {
		return m.chat == q.asks && m.entry != nil && !m.entry.journaled.before(q.first) && m.entry.journaled.before(by)
	})
}

// known reports whether the condition of a read that an entry requested was known to hold when a call
// began: Chert has confirmed it since, and its answer counted. Without a condition it is.
func (b *simBook) known(x *simEntry, r simRead, c *simCall) bool {
	return r.only == "" || slices.ContainsFunc(b.calls, func(q *simCall) bool {
		return q.asks == c.chat && q.ok && q.tells && q.answered.set() && q.answered.before(c.first) &&
			q.newest == sideOf(r.only) && b.counts(x, r, q, c.first)
	})
}

// sideOf returns which side must have written last for a condition to hold.
func sideOf(only chat.Condition) chat.Newest {
	if only == chat.IfAnswered {
		return chat.NewestOutbound
	}
	return chat.NewestInbound
}

// counts reports whether the answer to a question counts at a moment for a read that an entry requested:
// for five seconds, or twice as long as the question waited if the read was due then, and until a newer
// message is handled. All is by the local clock, and a clock that was set back to before the answer says
// nothing of its age.
func (b *simBook) counts(x *simEntry, r simRead, q *simCall, at simMoment) bool {
	if slices.ContainsFunc(b.decided[q.asks], func(y *simEntry) bool {
		return y.message != nil && y.decided.before(at) && q.first.before(y.journaled)
	}) {
		return false
	}
	most := simAskedFor
	if due := x.handled.Add(r.after); !due.After(q.answered.local) {
		most = max(most, min(2*q.answered.local.Sub(b.firstDue(q)), simAskedMost))
	}
	age := at.local.Sub(q.answered.local)
	return age >= -time.Millisecond && age < most+10*time.Millisecond || b.jumped(at.at, at.at)
}

// firstDue returns since when a question may have waited: the time at which the first of the reads was due
// for which it may have been asked, by the local clock.
func (b *simBook) firstDue(q *simCall) time.Time {
	first := q.answered.local
	for _, y := range b.decided[q.asks] {
		reads, _ := y.reads()
		for _, r := range reads {
			due := y.handled.Add(r.after)
			if r.only == "" || !y.journaled.before(q.first) || !due.Before(first) {
				continue
			}
			if !slices.ContainsFunc(b.calls, func(c *simCall) bool {
				return c.chat == q.asks && c.ok && y.journaled.before(c.written) && c.answered.set() && c.answered.before(q.first)
			}) {
				first = due
			}
		}
	}
	return first
}

// mayBeUnmet reports whether a read that an entry requested may have been dropped because of its
// condition: a question was answered to the contrary, or can't have been answered, after the read was
// due or up to as long before as an answer counts.
func (b *simBook) mayBeUnmet(x *simEntry, r simRead) bool {
	if r.only == "" {
		return false
	}
	due := x.handled.Add(r.after)
	return slices.ContainsFunc(b.calls, func(q *simCall) bool {
		if q.asks != x.chat || !q.answered.set() {
			return false
		}
		first, last := q.answered.at, q.answered.at.Add(r.after)
		if x.journaled.at.Before(first) {
			first = x.journaled.at
		}
		if q.answered.local.Before(due.Add(-simAskedFor-10*time.Millisecond)) && !b.jumped(first, last.Add(2*simAskedFor)) {
			return false
		}
		unknown := q.ok && (!q.tells || b.skewed) || q.code == 2002
		return unknown || q.ok && q.newest != sideOf(r.only)
	})
}

// checkConditions checks that an answer of Chert's is behind each read that the store says was dropped because
// of its condition. w.mu is held.
func (w *simWorld) checkConditions() {
	for _, id := range simChats {
		list, err := w.run.m.store.Actions(context.Background(), store.ActionFilter{Chat: id, Limit: 1000})
		if err != nil {
			w.fail("read the actions of chat %s: %v", id, err)
		}
		for i := range list {
			a := &list[i]
			x := w.book.entries[a.ID.Seq]
			at := slices.IndexFunc(simReads, func(r simRead) bool { return r.rule == a.Rule })
			if a.Why != chat.WhyAnswered && a.Why != chat.WhyNotAnswered && a.Why != chat.WhyAnswerUnknown {
				continue
			}
			if x == nil || at < 0 || !w.book.mayBeUnmet(x, simReads[at]) {
				w.fail("read %s of chat %s by %q was dropped as %q, and no answer of Chert had confirmed that when it was due", a.ID, id, a.Rule, a.Why)
			}
		}
	}
}

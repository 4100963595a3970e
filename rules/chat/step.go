package chat

import (
	"slices"
	"strings"
	"time"
)

// Effects is what a step requires in addition to storing the chat: rows to write, a call to make,
// timers to journal.
type Effects struct {
	Actions []Action // in their new state, each at most once
	Timers  []TimerChange
	Fired   []Timer // came due: their events are to be journaled
	Refused []Refusal
	// Attempts are those that failed, one for each action of the call.
	Attempts []Attempt
	NextN    int // after Outcomes: the event's next free place, for FirstN when it runs again
	// Call, after Ready, is to be sent; nil: none is due. A call other than a read
	// may be sent only after the fields above are durable: a crash must not repeat
	// it.
	Call *Call
}

// Refusal is a request that was refused without an action that records the reason: a timer, a hold,
// a release or a postponement.
type Refusal struct {
	Request
	Why string // WhyDepth, WhyReplaced (a newer one is in force), WhyExpired (it would have ended), WhyCancelled or WhyAlreadyRead
}

// TimerChange is a timer that was set or removed.
type TimerChange struct {
	Timer   Timer
	Removed bool
}

// Step moves a chat by one input. It never fails: a request that cannot be carried out becomes an
// action, or a Refusal, with the reason. holds are those of selections that may have the chat; the caller
// passes the same to each Step.
func Step(c Chat, in Input, now time.Time, holds ...SelectionHold) (Chat, Effects) {
	s := step{c: c, now: now, holds: holds}
	s.endLost()
	s.dropHeld()
	s.dropSelected()
	s.dropSuperseded()
	s.expirePostponements()
	switch in := in.(type) {
	case Outcomes:
		s.applyOutcomes(in)
	case Ready:
		s.ready(in)
	case Wake:
		s.wake()
	case Answer:
		s.answer(in)
	case Cancel:
		s.cancel(in)
	case Revive:
		s.revive(in)
	case Discard:
		s.discard(in)
	case Operate:
		s.operate(in)
	case Forget:
		s.forget(in)
	case Sweep:
		s.sweep(in)
	case Unqueue:
		s.unqueue(in)
	case Hurry:
		s.hurry(in)
	}
	s.dropSuperseded()
	s.expirePostponements()
	return s.c, s.out
}

// cause is why an action ends, and what ended it. The zero value is none.
type cause struct {
	why string
	by  Ender
}

// because returns a cause that Why says all about.
func because(why string) cause { return cause{why: why} }

// step is one call of Step: the chat being changed and the effects so far. Slices and maps of c are
// replaced, never written to.
type step struct {
	c     Chat
	now   time.Time
	holds []SelectionHold
	out   Effects
}

// endLost ends the actions that were on the wire when the process died. Only actions that must not
// be repeated have the status sent; all others are simply sent again.
func (s *step) endLost() {
	if s.c.Flight != nil {
		return
	}
	lost := func(a *Action) bool { return a.Status == Sent }
	s.transition(lost, func(a *Action) (Status, string) {
		a.Attempts++
		a.Error = "chertd stopped before the answer came"
		s.attempted(Attempt{Action: a.ID, N: a.Attempts, At: s.now, CallOf: a.ID, Error: a.Error})
		if a.Kind == Typing {
			return Dropped, WhyOnce
		}
		return Dead, WhyUnknown
	})
}

// dropHeld drops the reads that came due while the chat was held. It compares due times, not the
// time of the step: a call that is late because of a pause or a full rate must not escape the hold.
// Reads from before the hold were dropped when it began.
func (s *step) dropHeld() {
	s.dropReads(s.c.Hold.cause(), func(a *Action) bool { return s.dueInHold(a) != cause{} })
}

// dropSuperseded drops the reads that the newest inbound message supersedes: the message is unread
// and no waiting read covers it. A read that covered it and was cancelled, held or refused protects
// the others no longer.
func (s *step) dropSuperseded() {
	newest := s.c.LastMessageSeq
	if newest <= s.c.ReadThrough {
		return
	}
	for i := range s.c.Waiting {
		if a := &s.c.Waiting[i]; a.Kind == Read && s.c.covers(a) >= newest {
			return
		}
	}
	s.dropReads(cause{WhySuperseded, Ender{Seq: newest}}, func(a *Action) bool { return !a.EvenIfNewer })
}

// dropReads drops the waiting reads that match.
func (s *step) dropReads(why cause, match func(*Action) bool) {
	s.endReads(Dropped, why, match)
}

func (s *step) endReads(status Status, why cause, match func(*Action) bool) {
	s.endWhere(status, why, func(a *Action) bool { return a.Kind == Read && match(a) })
}

func (s *step) endWhere(status Status, why cause, match func(*Action) bool) {
	s.transition(match, func(a *Action) (Status, string) {
		a.EndedBy = why.by
		return status, why.why
	})
}

// transition gives each waiting action that matches a new status. Those that no longer wait leave
// the chat. Those that the call in flight serves are kept with it as Recalled: the call cannot be
// recalled.
func (s *step) transition(match func(*Action) bool, status func(*Action) (Status, string)) {
	// By index: an Action is large, and a pointer to a copy of it would be an
	// allocation for each. What status gets is the copy in the effects.
	first := 0
	for first < len(s.c.Waiting) && !match(&s.c.Waiting[first]) {
		first++
	}
	if first == len(s.c.Waiting) {
		return
	}
	kept := slices.Clone(s.c.Waiting[:first])
	for i := first; i < len(s.c.Waiting); i++ {
		if i > first && !match(&s.c.Waiting[i]) {
			kept = append(kept, s.c.Waiting[i])
			continue
		}
		a := s.put(s.c.Waiting[i])
		a.Status, a.Why = status(a)
		if a.Status == Waiting {
			kept = append(kept, *a)
			continue
		}
		a.Ended = s.now
		if f := s.c.Flight; f != nil && f.carries(a.ID) {
			next := *f
			next.Recalled = append(slices.Clip(f.Recalled), *a)
			s.c.Flight = &next
		}
	}
	s.c.Waiting = kept
}

// end records the end of an action that does not wait.
func (s *step) end(a Action, status Status, why cause) {
	a.Status, a.Why, a.Ended, a.EndedBy = status, why.why, s.now, why.by
	s.put(a)
}

// put adds the action to the effects, replacing an earlier state of it, and returns it as it
// is there. The pointer is valid until the next put.
func (s *step) put(a Action) *Action {
	for i := range s.out.Actions {
		if s.out.Actions[i].ID == a.ID {
			s.out.Actions[i] = a
			return &s.out.Actions[i]
		}
	}
	s.out.Actions = append(s.out.Actions, a)
	return &s.out.Actions[len(s.out.Actions)-1]
}

// wait inserts an action into the waiting ones, in the order requested; those requested at the same
// time are in the order of their events, as a store returns them.
func (s *step) wait(a Action) {
	if a.Kind == Read && !slices.ContainsFunc(s.c.Waiting, isRead) {
		// retryFor starts again for the call. A pause that Chert requested, or a
		// backoff, that is not over stays in force.
		s.c.Retry.First = time.Time{}
		if !s.c.Retry.NotBefore.After(s.now) {
			s.c.Retry = Retry{}
		}
	}
	at := len(s.c.Waiting)
	for at > 0 && a.before(&s.c.Waiting[at-1]) {
		at--
	}
	s.c.Waiting = slices.Insert(slices.Clip(s.c.Waiting), at, a)
	s.put(a)
}

// barred returns why a read must not wait: it covers what was vetoed, or is older than a message
// for which no rule requested a read. It returns the zero cause if the read may wait.
func (s *step) barred(a *Action) cause {
	switch {
	case a.Kind != Read:
	case s.c.Veto > 0 && a.vetoedFrom() <= s.c.Veto:
		return cause{WhyVetoed, s.c.vetoer()}
	case s.c.covers(a) < s.c.Unrequested && !a.EvenIfNewer:
		return cause{WhySuperseded, Ender{Seq: s.c.Unrequested}}
	}
	return cause{}
}

// vetoed notes a veto of reads for events up to one.
func (s *step) vetoed(seq int64, by string) {
	if seq > s.c.Veto {
		s.c.Veto, s.c.VetoBy = seq, by
	}
}

// vetoer returns what vetoed as of Veto. The event is that of a rule's veto; what an operator holds
// is not about one event.
func (c *Chat) vetoer() Ender {
	if c.VetoBy == "" || strings.Contains(c.VetoBy, "/") {
		return Ender{Seq: c.Veto, By: c.VetoBy}
	}
	return Ender{By: c.VetoBy}
}

func (f *Flight) carries(id ActionID) bool {
	return slices.ContainsFunc(f.Actions, func(a Action) bool { return a.ID == id })
}

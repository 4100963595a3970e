package chat

import (
	"cmp"
	"slices"
	"time"
)

// Step moves a chat by one input. It never fails: what can't be done is an
// action that says why.
func Step(c Chat, in Input, now time.Time) (Chat, Effects) {
	s := step{c: c, now: now}
	s.settleLost()
	s.settleHeld()
	s.settleSuperseded()
	s.settlePostponed()
	switch in := in.(type) {
	case Handled:
		s.handled(in)
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
	case Operate:
		s.operate(in)
	}
	s.settleSuperseded()
	s.settlePostponed()
	return s.c, s.out
}

// step is one call of Step: the chat being changed and the effects so far.
// Slices of c are replaced, never written through.
type step struct {
	c   Chat
	now time.Time
	out Effects
}

// settleLost ends what was on the wire when the process did. Only what must
// not be repeated is marked sent; everything else just goes out again.
func (s *step) settleLost() {
	if s.c.Flight != nil {
		return
	}
	lost := func(a *Action) bool { return a.Status == Sent }
	s.each(lost, func(a *Action) (Status, string) {
		a.Attempts++
		a.Error = "chertd ended before the answer came"
		if a.Kind == Typing {
			return Dropped, WhyOnce
		}
		return Dead, WhyUnknown
	})
}

// settleHeld drops the reads that came due while the chat was held. It goes by
// when they came due, not by when someone looks: a call that is late by a
// pause or a full rate must not slip past the end of the hold. Reads from
// before the hold are gone since it began.
func (s *step) settleHeld() {
	s.dropReads(WhyHeld, func(a *Action) bool { return s.dueInHold(a) != "" })
}

// settleSuperseded drops the reads that the newest inbound message supersedes:
// it is not read, and no read that speaks for it stands. One that stood and was
// cancelled, held, or refused protects the others no longer.
func (s *step) settleSuperseded() {
	newest := s.c.LastMessageSeq
	if newest <= s.c.ReadThrough {
		return
	}
	for i := range s.c.Waiting {
		if a := &s.c.Waiting[i]; a.Kind == Read && s.c.covered(a) >= newest {
			return
		}
	}
	s.dropReads(WhySuperseded, func(a *Action) bool { return !a.EvenIfNewer })
}

// dropReads settles the waiting reads that match as dropped.
func (s *step) dropReads(why string, match func(*Action) bool) {
	s.settleReads(Dropped, why, match)
}

func (s *step) settleReads(status Status, why string, match func(*Action) bool) {
	s.settleWhere(status, why, func(a *Action) bool { return a.Kind == Read && match(a) })
}

func (s *step) settleWhere(status Status, why string, match func(*Action) bool) {
	s.each(match, func(*Action) (Status, string) { return status, why })
}

// each gives every waiting action that matches a status; those that no longer
// wait leave the chat. Those that a call in flight carries are remembered with
// it: the call can't be recalled.
func (s *step) each(match func(*Action) bool, status func(*Action) (Status, string)) {
	// By index: an Action is large, and copies that match looks at would each be
	// an allocation.
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
		a := s.c.Waiting[i]
		a.Status, a.Why = status(&a)
		if a.Status == Waiting {
			kept = append(kept, a)
			s.put(a)
			continue
		}
		a.Settled = s.now
		s.put(a)
		if f := s.c.Flight; f != nil && f.carries(a.ID) {
			s.c.Flight = &Flight{Call: f.Call, Recalled: append(slices.Clip(f.Recalled), a)}
		}
	}
	s.c.Waiting = kept
}

// settle records the end of an action that does not wait.
func (s *step) settle(a Action, status Status, why string) {
	a.Status, a.Why, a.Settled = status, why, s.now
	s.put(a)
}

// put adds the action's row to the effects, in place of an earlier one.
func (s *step) put(a Action) {
	for i := range s.out.Actions {
		if s.out.Actions[i].ID == a.ID {
			s.out.Actions[i] = a
			return
		}
	}
	s.out.Actions = append(s.out.Actions, a)
}

// wait lets an action wait, in the order asked: of those asked at one moment, in
// the order of their events, as a store gives them back.
func (s *step) wait(a Action) {
	if a.Kind == Read && !slices.ContainsFunc(s.c.Waiting, isRead) {
		// A new day begins for the call; what Chert asked to wait stands, and
		// so does the back-off until it has been waited for.
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

// before reports whether an action stands before another in the order asked.
func (a *Action) before(b *Action) bool {
	return cmp.Or(a.Asked.Compare(b.Asked), cmp.Compare(a.ID.Seq, b.ID.Seq), cmp.Compare(a.ID.N, b.ID.N)) < 0
}

// barred says why a read may not wait that speaks for what was vetoed, or is older
// than a message for which nobody asked: "" if it may.
func (s *step) barred(a *Action) string {
	switch {
	case a.Kind != Read:
		return ""
	case s.c.Veto > 0 && a.since() <= s.c.Veto:
		return WhyVetoed
	case s.c.covered(a) < s.c.Unasked && !a.EvenIfNewer:
		return WhySuperseded
	}
	return ""
}

func isRead(a Action) bool { return a.Kind == Read }

func (f *Flight) carries(id ActionID) bool {
	return slices.ContainsFunc(f.Actions, func(a Action) bool { return a.ID == id })
}

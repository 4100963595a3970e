package chat

import "slices"

// Forget is the input for an operator who makes chertd forget a chat: what the chat has
// pending is dropped, and with it what rules wrote into it. It never leads to a read: what
// keeps the chat unread stays in force, and so does what tells which messages are read.
type Forget struct {
	// Blocked are the chat's blocked reads (see NeedsBlocked), and Dead its dead actions:
	// they are dropped as well.
	Blocked, Dead []Action
	// Holds ends the hold and the postponements as well.
	Holds bool
	// Missed is what packs that can veto missed before the rest of the chat was forgotten.
	// The chat is held for as long as such a pack may hold it: it won't run on those events
	// any more.
	Missed Missed
	// Only, if not nil, are the actions to forget, and nothing else of the chat is forgotten. Reads
	// among them that wait or are blocked stay, without what a rule or an answer wrote.
	Only []ActionID
}

func (s *step) forget(in Forget) {
	match := func(a *Action) bool { return in.Only == nil || slices.Contains(in.Only, a.ID) }
	stays := func(a *Action) bool { return in.Only != nil && a.Kind == Read && match(a) }
	ends := func(a *Action) bool { return match(a) && !stays(a) }
	s.transition(stays, func(a *Action) (Status, string) {
		a.eraseTexts()
		return a.Status, a.Why
	})
	for i := range in.Blocked {
		if stays(&in.Blocked[i]) {
			s.put(in.Blocked[i])
		}
	}
	s.endWhere(Dropped, because(WhyForgotten), ends)
	s.dropBlocked(in.Blocked, because(WhyForgotten), ends)
	for _, a := range in.Dead {
		if slices.ContainsFunc(s.c.Waiting, func(b Action) bool { return b.ID == a.ID }) {
			continue // it was retried meanwhile
		}
		s.end(a, Dropped, because(WhyForgotten))
	}
	for i := range s.out.Actions {
		if a := &s.out.Actions[i]; match(a) || a.Why == WhyForgotten {
			a.eraseTexts()
		}
	}
	s.forgetFlight(match)
	if in.Only != nil {
		return
	}
	s.dropTimers(func(*Timer) bool { return true })
	if in.Holds {
		s.c.Hold, s.c.Postponed = Hold{}, nil
	} else {
		s.c.Hold.Reason = ""
		s.c.Postponed = slices.Clone(s.c.Postponed)
		for i := range s.c.Postponed {
			s.c.Postponed[i].Reason = ""
		}
		if until := in.Missed.HoldUntil; until.After(s.now) {
			s.setHold(Hold{Until: until, By: Operator})
		}
	}
	s.c.Recent = s.c.Recent.withoutTexts()
	s.c.Asked.Error = ""
}

// forgetFlight erases what the call in flight would record once it is answered: the texts of the
// actions that were dropped meanwhile, now or earlier.
func (s *step) forgetFlight(match func(*Action) bool) {
	f := s.c.Flight
	if f == nil {
		return
	}
	next := *f
	next.Recalled = slices.Clone(f.Recalled)
	for i := range next.Recalled {
		if a := &next.Recalled[i]; match(a) {
			a.eraseTexts()
			next.Forgotten = true
		}
	}
	s.c.Flight = &next
}

// eraseTexts removes what a rule or an answer wrote.
func (a *Action) eraseTexts() { a.Body, a.Reason, a.Error = nil, "", "" }

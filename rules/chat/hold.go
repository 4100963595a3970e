package chat

// applyHolds carries out the event's releases, then its holds. In any order of the rules, a hold of
// this event stays in force; of several, the longest one.
//
// An event that runs again releases only holds that it or an earlier event set, and never an
// operator's: later decisions take precedence. Its holds count from now, but one that would have
// ended by now vetoes and does not hold.
func (s *step) applyHolds(in Outcomes) {
	again := !in.First.IsZero()
	for i := range in.Requests {
		w := &in.Requests[i]
		if w.Kind != RequestRelease || w.Shadow {
			continue
		}
		if in.Depth > MaxDepth {
			s.refuse(w, WhyDepth)
			continue
		}
		if set := s.c.Hold.Seq; !again || set > 0 && set <= in.Seq {
			s.release(in.Blocked)
		} else if s.c.Hold.Active(s.now) {
			s.refuse(w, WhyReplaced)
		}
	}
	for i := range in.Requests {
		w := &in.Requests[i]
		if w.Kind != RequestHold || w.Shadow {
			continue
		}
		if again && !in.First.Add(w.Due.Sub(s.now)).After(s.now) {
			s.refuse(w, WhyExpired)
			continue
		}
		s.setHold(Hold{Until: w.Due, By: Key(w.Pack, w.Rule), Reason: w.Reason, Seq: in.Seq})
	}
}

func (s *step) setHold(h Hold) {
	if h.Until.After(s.c.Hold.Until) {
		s.c.Hold = h
	}
}

// release ends the chat's hold. Blocked reads that came due during it are dropped, as they would
// have been without the block.
func (s *step) release(blocked []Action) {
	s.dropBlocked(blocked, s.c.Hold.cause(), func(a *Action) bool { return s.dueInHold(a) != cause{} })
	if s.c.Hold.Active(s.now) {
		s.c.Hold.Until = s.now
	}
}

// dueInHold returns WhyHeld for a read that came due while the chat was held, otherwise none.
func (s *step) dueInHold(a *Action) cause {
	if a.Kind == Read && a.Due.Before(s.c.Hold.Until) && !a.Due.After(s.now) {
		return s.c.Hold.cause()
	}
	return cause{}
}

// cause returns the cause for a read that the hold ends.
func (h Hold) cause() cause { return cause{WhyHeld, Ender{Seq: h.Seq, By: h.By}} }

// heldAtFirst returns WhyHeld if the chat was held when the read would have come due if its event,
// which runs again, had not been missed; otherwise none.
func (s *step) heldAtFirst(in Outcomes, a *Action) cause {
	if in.First.IsZero() {
		return cause{}
	}
	due := in.First.Add(a.Due.Sub(s.now))
	if due.Before(s.c.Hold.Until) {
		return s.c.Hold.cause()
	}
	return s.selectedAtFirst(in, due)
}

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
	// Only, if not nil, are the actions to forget, and nothing else of the chat is forgotten:
	// waiting ones by their ids, and those of Dead.
	Only []ActionID
}

func (s *step) forget(in Forget) {
	all := func(a *Action) bool { return in.Only == nil || slices.Contains(in.Only, a.ID) }
	s.endWhere(Dropped, because(WhyForgotten), all)
	s.dropBlocked(in.Blocked, because(WhyForgotten), all)
	for _, a := range in.Dead {
		s.end(a, Dropped, because(WhyForgotten))
	}
	for i := range s.out.Actions {
		s.out.Actions[i].Body = nil
		s.out.Actions[i].Reason, s.out.Actions[i].Error = "", ""
	}
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
}

package chat

import "slices"

// Unqueue is the input for an operator who cancels waiting actions and blocked reads.
type Unqueue struct {
	IDs []ActionID
	// Blocked are the chat's blocked reads (see NeedsBlocked).
	Blocked []Action
}

// Hurry is the input for an operator who makes waiting actions due: their delay ends, and
// reads wait neither for postponements nor, until the next attempt, after one that failed. All else
// applies: vetoes, limits.reads, order, and whatever keeps all calls of the daemon waiting. Reads of
// a chat that is held stay as they are, as the hold would drop them.
type Hurry struct{ IDs []ActionID }

func (Unqueue) input() {}

func (Hurry) input() {}

func (s *step) unqueue(in Unqueue) {
	by := cause{WhyUnqueued, Ender{By: Operator}}
	s.endWhere(Dropped, by, func(a *Action) bool { return a.Status == Waiting && slices.Contains(in.IDs, a.ID) })
	s.dropBlocked(in.Blocked, by, func(a *Action) bool { return slices.Contains(in.IDs, a.ID) })
}

func (s *step) hurry(in Hurry) {
	_, held := s.c.Held(s.now, s.holds...)
	chosen := func(a *Action) bool {
		return a.Status == Waiting && slices.Contains(in.IDs, a.ID) && !(held && a.Kind == Read)
	}
	s.transition(chosen, func(a *Action) (Status, string) {
		if a.Due.After(s.now) {
			a.Due = s.now
		}
		a.Hurried = a.Kind == Read
		return Waiting, ""
	})
}

package chat

import (
	"cmp"
	"slices"
	"time"
)

// revive makes dead and blocked actions wait again, or ends them by what has happened since.
func (s *step) revive(in Revive) {
	if in.Missed != nil {
		s.c.Missed = *in.Missed
	}
	for _, a := range in.Inactive {
		s.end(a, Dropped, because(WhyPackInactive))
	}
	for _, a := range byID(in.Actions) {
		switch {
		case a.Status != Dead && a.Status != Blocked:
			continue // it has ended, or waits already
		case a.Status == Blocked && s.c.Missed.Blocks(&a, s.now):
			continue // still blocked, by another pack or for another event
		case a.NeverAgain(in.Repeat) != "":
			continue
		case slices.ContainsFunc(s.c.Waiting, func(b Action) bool { return b.ID == a.ID }):
			continue
		case a.Kind == Notify && len(s.c.Waiting) >= maxNotifications:
			continue // it stays dead
		}
		if why := cmp.Or(s.barred(&a), s.dueInHold(&a), s.droppedBySelection(&a), s.cancelledSince(&a), s.replaces(&a), s.readSince(&a)); why != (cause{}) {
			s.end(a, Dropped, why)
			continue
		}
		if a.Kind == Read && s.c.Missed.Blocks(&a, s.now) {
			s.end(a, Blocked, because(WhyBlocked)) // it waits again once the pack has run
			continue
		}
		s.continueDelay(&a)
		s.replaceOthers(&a)
		a.Status, a.Why, a.Ended, a.EndedBy, a.Revived, a.Hurried = Waiting, "", time.Time{}, Ender{}, s.now, false
		if a.Due.Before(s.now) {
			a.Due = s.now // otherwise the rest of the delay still applies
		}
		s.wait(a)
	}
}

// discard ends dead actions for an operator.
func (s *step) discard(in Discard) {
	for _, a := range byID(in.Actions) {
		if a.Status == Dead {
			s.end(a, Dropped, because(WhyDiscarded))
		}
	}
}

// NeverAgain returns why a dead action is not retried: WhyOnce or WhyUnknown; "": it can be
// retried. repeat also retries those that a retry may do twice.
func (a *Action) NeverAgain(repeat bool) string {
	switch {
	case a.Kind == Typing:
		return WhyOnce // whoever it was for does not look any more
	case a.Kind == React && a.Why == WhyUnknown && !repeat:
		return WhyUnknown
	}
	return ""
}

// replaces returns WhyReplaced for a read whose rule requested another since, otherwise none.
func (s *step) replaces(a *Action) cause {
	if a.Kind != Read {
		return cause{}
	}
	newer := slices.IndexFunc(s.c.Waiting, func(b Action) bool {
		return b.Kind == Read && b.RuleKey() == a.RuleKey() && b.ID.Seq > a.ID.Seq
	})
	if newer < 0 {
		return cause{}
	}
	return cause{WhyReplaced, Ender{Seq: s.c.Waiting[newer].ID.Seq}}
}

// readSince returns WhyAlreadyRead for a dead read if all messages of the chat were read since,
// otherwise none. A blocked read ends for that reason once it is due.
func (s *step) readSince(a *Action) cause {
	if a.Kind == Read && a.Status == Dead && s.c.nothingNew() {
		return because(WhyAlreadyRead)
	}
	return cause{}
}

// byID returns actions in the order of their ids.
func byID(all []Action) []Action {
	return slices.SortedFunc(slices.Values(all), func(a, b Action) int { return a.ID.Compare(b.ID) })
}

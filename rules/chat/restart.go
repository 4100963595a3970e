package chat

import (
	"slices"
	"time"
)

// limitDelay makes the action due at latest. A time that has passed counts as now.
func (a *Action) limitDelay(latest, now time.Time) {
	if latest.IsZero() {
		return
	}
	a.Latest = latest
	if latest.Before(now) {
		latest = now
	}
	if a.Due.After(latest) {
		a.Due = latest
	}
}

// continueDelay limits the delay of a read that is about to replace a waiting one of its rule:
// the first read of such a chain sets until when the delay restarts (at_most). A read without a
// limit ends the chain, and so does a call: a read that is on the wire is as good as made. If
// the call fails, restoreDelays continues the chain. A question is not such a call.
func (s *step) continueDelay(a *Action) {
	if a.Kind != Read || a.Latest.IsZero() {
		return
	}
	for i := range s.c.Waiting {
		b := &s.c.Waiting[i]
		if b.Kind == Read && b.RuleKey() == a.RuleKey() && (s.c.Flight == nil || s.c.Flight.Kind == Question || !s.c.Flight.carries(b.ID)) {
			a.follow(b, s.now)
		}
	}
}

// restoreDelays continues the chains of reads that were replaced while they were in flight, by a
// call that did not read the chat.
func (s *step) restoreDelays(flight *Flight) {
	if flight.Kind == Question {
		return
	}
	for r := range flight.Recalled {
		replaced := &flight.Recalled[r]
		at := slices.IndexFunc(s.c.Waiting, func(a Action) bool {
			return a.Kind == Read && !a.Latest.IsZero() && a.RuleKey() == replaced.RuleKey() && a.ID.Compare(replaced.ID) > 0
		})
		if replaced.Why != WhyReplaced || at < 0 {
			continue
		}
		a := s.c.Waiting[at]
		a.follow(replaced, s.now)
		s.c.Waiting = slices.Clone(s.c.Waiting)
		s.c.Waiting[at] = a
		s.put(a)
	}
}

// follow makes a read the next one after another in a chain. One that the same run of a handler
// requested is the same link of it.
func (a *Action) follow(b *Action, now time.Time) {
	if b.Latest.IsZero() {
		return
	}
	latest := a.Latest
	if b.Latest.Before(latest) {
		latest = b.Latest
	}
	a.limitDelay(latest, now)
	if a.Restarts = b.Restarts; !a.sameHandler(b) {
		a.Restarts++
	}
}

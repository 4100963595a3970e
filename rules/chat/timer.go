package chat

import (
	"cmp"
	"slices"
)

// setTimer sets a timer, and removes the pack's timer of the same name in this chat. If a newer
// event set that one, the request is refused.
func (s *step) setTimer(in Outcomes, w *Request) {
	if slices.ContainsFunc(s.c.Timers, func(t Timer) bool { return t.Pack == w.Pack && t.Name == w.Name && t.Seq > in.Seq }) {
		s.refuse(w, WhyReplaced)
		return
	}
	s.dropTimers(func(t *Timer) bool { return t.Pack == w.Pack && t.Name == w.Name })
	t := Timer{
		Pack: w.Pack, Name: w.Name, Version: w.Version, Rule: w.Rule, Due: w.Due, Payload: w.Body,
		Seq: in.Seq, N: s.nextN(), Depth: in.Depth,
	}
	s.c.Timers = append(slices.Clip(s.c.Timers), t)
	s.out.Timers = append(s.out.Timers, TimerChange{Timer: t})
}

// wake fires the due timers, once each. They stay set until their events are handled: one that is
// replaced, cancelled or switched off by then does not run.
func (s *step) wake() {
	s.c.Timers = slices.Clone(s.c.Timers)
	for i := range s.c.Timers {
		t := &s.c.Timers[i]
		if t.Fired || t.Due.After(s.now) {
			continue
		}
		t.Fired = true
		s.out.Fired = append(s.out.Fired, *t)
		s.out.Timers = append(s.out.Timers, TimerChange{Timer: *t})
	}
	slices.SortFunc(s.out.Fired, func(a, b Timer) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.N, b.N))
	})
}

func (s *step) dropTimers(match func(*Timer) bool) {
	var kept []Timer
	for _, t := range s.c.Timers {
		if match(&t) {
			s.out.Timers = append(s.out.Timers, TimerChange{Timer: t, Removed: true})
			continue
		}
		kept = append(kept, t)
	}
	s.c.Timers = kept
}

func (t *Timer) id() TimerID { return TimerID{t.Pack, t.Name, t.Seq, t.N} }

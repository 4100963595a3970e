package spec

import (
	"time"

	"chertd/rules/chat"
)

// recordedCall is a read call of the pack that succeeded.
type recordedCall struct {
	at     time.Time // in the spec
	called time.Time // in the daemon
	event  int       // the place of the event that requested it, if it went out with it; -1: later
}

// placeEvents sets the times of events in the spec: when they were received, or handled if
// that was much later, never one before the last.
func (s *recordedStory) placeEvents() {
	const late = time.Second
	var last time.Time
	for i := range s.r.Events {
		e := &s.r.Events[i]
		at := e.Received.Truncate(time.Millisecond)
		if !e.Handled.IsZero() && (!e.fromOutside() || e.Handled.Sub(e.Received) > late) {
			at = ceil(e.Handled)
		}
		if at.Before(last) {
			at = last
		}
		s.times = append(s.times, at)
		last = at
	}
}

// ceil rounds a time up to the millisecond.
func ceil(t time.Time) time.Time {
	if r := t.Truncate(time.Millisecond); !r.Equal(t) {
		return r.Add(time.Millisecond)
	}
	return t
}

// call notes a read call that succeeded.
func (s *recordedStory) call(i int, a *RecordedAction) {
	if !s.own(a) || a.Kind != string(chat.Read) || a.Status != string(chat.Done) || a.Called.IsZero() || s.served(a) {
		return
	}
	at, now := s.answered(i, a)
	if now {
		s.calls = append(s.calls, recordedCall{at, a.Called, i})
		return
	}
	s.calls = append(s.calls, recordedCall{at, a.Called, -1})
}

// served reports whether the call of another read of the pack served this one.
func (s *recordedStory) served(a *RecordedAction) bool {
	return a.Why == chat.WhyCoalesced && s.ownEvent(a.EndedSeq)
}

// soon is how long after its event a call counts as one that went out with it.
const soon = 100 * time.Millisecond

// answered returns when the action's last call has gone out in the spec, where retries wait
// longest; now: together with its event.
func (s *recordedStory) answered(i int, a *RecordedAction) (at time.Time, now bool) {
	e := &s.r.Events[i]
	if len(a.Failed) == 0 {
		if !a.Due.After(e.Handled) && (a.Called.IsZero() || a.Called.Sub(e.Handled) < soon || !s.waits() && !s.postponedByOthers()) {
			return s.times[i], true
		}
		return latest(ceil(a.Due), ceil(a.Called)), false
	}
	at, _ = s.firstCall(i, a)
	for n, x := range a.Failed {
		f, _ := Documented(x.Code)
		wait := chat.Backoff(n+1, 1)
		if f.RetryAfter > 0 {
			wait = f.RetryAfter
		}
		at = at.Add(wait)
	}
	return latest(at, ceil(a.Called)), false
}

// firstCall returns when the first of an action's failed calls has gone out in the spec; with:
// together with its event. Only reads may be delayed, and their Due stays when they are retried.
func (s *recordedStory) firstCall(i int, a *RecordedAction) (at time.Time, with bool) {
	const patience = 15 * time.Second // of a call without an answer
	handled, failed := s.r.Events[i].Handled, a.Failed[0].At
	switch due := latest(a.Due, handled); {
	case a.Kind != string(chat.Read):
		return s.times[i], true
	case s.postpones() && failed.Sub(due) > patience, failed.Before(due) && failed.Sub(handled) > soon:
		return ceil(failed), false // it was postponed, or served by the call of an earlier read
	case a.Due.After(handled):
		return ceil(a.Due), false
	}
	return s.times[i], true
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// read reports whether the pack's calls have read the chat at a time, after an event.
func (s *recordedStory) read(at time.Time, after int) bool {
	newest := -1
	for i := range s.r.Events[:min(after+1, len(s.r.Events))] {
		if s.r.Events[i].isNew() && !s.times[i].After(at) {
			newest = i
		}
	}
	if newest < 0 {
		return false
	}
	for _, c := range s.calls {
		if c.event >= newest && c.event <= after || c.event < 0 && !c.at.After(at) && c.at.After(s.times[newest]) && c.called.After(s.r.Events[newest].Received) {
			return true
		}
	}
	return false
}

// lastBefore returns the place of the last event that is not after a time.
func (s *recordedStory) lastBefore(at time.Time) int {
	last := -1
	for i, t := range s.times {
		if !t.After(at) {
			last = i
		}
	}
	return last
}

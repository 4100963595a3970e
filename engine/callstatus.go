package engine

import (
	"fmt"
	"strings"
	"time"

	"chertd/engine/control"
)

// callsStatus returns the state of the calls to Chert.
func (m *manager) callsStatus() control.Calls {
	st := m.eng.Status()
	c := control.Calls{State: control.CallsGoOut, LastConfirmed: st.Confirmed, Ceiling: st.Ceiling}
	for _, s := range st.Lines {
		c.Lines = append(c.Lines, control.LineStop{Line: s.Line, Since: s.Since, HTTP: s.HTTP, Code: s.Code, Error: s.Error, TraceID: s.TraceID})
	}
	if st.Learned {
		c.Learned = st.Rate
	}
	switch {
	case st.Draining:
		c.State = control.CallsDrain
	case st.Paused:
		c.State, c.Fix = control.CallsPaused, "chertd resume ends the pause"
	case st.Stopped != nil:
		c.State, c.Since, c.HTTP, c.Code, c.Answer = control.CallsStopped, st.Stopped.Since, st.Stopped.HTTP, st.Stopped.Code, st.Stopped.Message
		c.TraceID = st.Stopped.TraceID
		c.Cause, c.Fix = m.eng.callHealth.explain(st.Stopped)
	case !st.CatchUp.IsZero():
		c.State, c.Since, c.Until = control.CallsCatchUp, st.CatchUp, st.CatchUpEnds
		c.Cause = "events that may have been missed are read from the events log"
	case !st.Pause.Until.IsZero():
		c.State, c.Since, c.Until, c.Answer = control.CallsWait, st.Pause.Asked, st.Pause.Until, st.Pause.Why
	case !st.Outage.IsZero():
		c.State, c.Since, c.Answer = control.CallsFail, st.Outage, st.LastCall
	}
	return c
}

// noCalls returns, in words for people, all reasons why calls are not made; none: they
// are made.
func (m *manager) noCalls(st *Status) (why []string) {
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	if st.Draining {
		why = append(why, fmt.Sprintf("no more calls are made: chertd is stopping and finishes %s in flight", count(int64(st.InFlight), "call")))
	}
	if st.Failing != "" {
		why = append(why, "no calls are made while the store fails: they could not be recorded")
	}
	if st.Paused {
		why = append(why, "calls are paused: chertd resume ends the pause")
	}
	if !st.CatchUp.IsZero() {
		why = append(why, fmt.Sprintf("calls wait until missed events are caught up from the events log, until %s at most", stamp(st.CatchUpEnds)))
	}
	if !st.Pause.Until.IsZero() {
		why = append(why, fmt.Sprintf("calls wait until %s because of a rate limit (429): %s", stamp(st.Pause.Until), st.Pause.Why))
	}
	switch s := st.Stopped; {
	case s != nil:
		cause, fix := m.eng.callHealth.explain(s)
		answer := fmt.Sprint(s.HTTP)
		if s.Code != 0 {
			answer += fmt.Sprintf(", code %d", s.Code)
		}
		answer += ": " + strings.TrimSuffix(s.Message, ".")
		if s.TraceID != "" {
			answer += ", trace " + s.TraceID
		}
		why = append(why, fmt.Sprintf("calls have stopped since %s: %s (%s). To fix it: %s", stamp(s.Since), cause, answer, fix))
	case !st.Outage.IsZero():
		why = append(why, fmt.Sprintf("calls to Chert have failed since %s and are retried: %s", stamp(st.Outage), st.LastCall))
	}
	return why
}

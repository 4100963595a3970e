package dispatch

import (
	"time"

	"chertd/engine/chert"
)

// Stop says why no calls are made at the moment, apart from one probe at a time
// that finds out when it is over.
type Stop struct {
	// Foreign: what answers is not Chert. False: Chert refuses every call of this
	// account, or of this clock.
	Foreign bool
	Code    int // Chert's error code; 0 if Foreign
	HTTP    int // status of the last answer
	Message string
	TraceID string // what Chert's support asks for; "" if there was none
	Since   time.Time
	// Answered is when Chert itself last answered; zero: not since the start.
	Answered time.Time

	next    time.Time     // of the next probe
	wait    time.Duration // before the probe after that
	pause   time.Duration // next was set this far off: it is never further
	probing bool
	probes  int // that were admitted
}

// stopsAll reports whether every other call would fail as well after an error: it
// is about the account, or about the clock. A clock skew is only seen here if the
// clock could not be corrected by the answer.
func stopsAll(code int) bool {
	d, _ := chert.LookUp(code)
	return d.Scope == chert.ScopeAccount || d.Scope == chert.ScopeClock
}

// probeIn sets when the next probe may go out: after the stop's own wait, or
// what the answer asked for if that is longer.
func (s *Stop) probeIn(now time.Time, asked time.Duration) {
	s.pause = max(s.wait, asked)
	s.next = now.Add(s.pause)
	s.wait = min(s.wait*2, probeMax)
}

// foreign notes a foreign answer. It is called with mu held.
func (g *Governor) foreign(now time.Time, chat string, probe bool, err *chert.Error) {
	alone, failed := g.strays.Failed(now, chat)
	switch {
	case alone && !probe:
		return
	case alone && !g.stop.Foreign: // it says nothing about the account
		g.stop.probeIn(now, boundedWait(err.RetryAfter))
		return
	case g.stop == nil && failed < foreignChats:
		return
	}
	g.halt(now, probe, err)
}

// halt begins a stop, or notes what the last answer during it was. Calls that
// were in flight when it began do not delay its next probe. It is
// called with mu held.
func (g *Governor) halt(now time.Time, probe bool, err *chert.Error) {
	begins := g.stop == nil
	if begins {
		g.stop = &Stop{Since: now, wait: probeFirst}
	}
	s := g.stop
	s.Foreign, s.Code, s.HTTP, s.Message, s.TraceID = err.Foreign, err.Code, err.Status, err.Message, err.TraceID
	if begins || probe {
		s.probeIn(now, boundedWait(err.RetryAfter))
	}
}

// ProbeNow lets the next probe of a stop go out without its wait, because what
// may have caused the stop was changed.
func (g *Governor) ProbeNow() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.stop; s != nil {
		s.next, s.wait = time.Time{}, probeFirst
	}
}

// Stopped returns why calls are stopped, or nil.
func (g *Governor) Stopped() *Stop {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stop == nil {
		return nil
	}
	stop := *g.stop
	stop.Answered = g.answered
	return &stop
}

// Strays returns how many chats receive foreign answers while Chert answers
// others, and one of them.
func (g *Governor) Strays(now time.Time) (n int, one string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.strays.Alone(now)
}

// Stray reports whether a chat's last answer was foreign, and Chert has answered
// others since its first.
func (g *Governor) Stray(chat string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.strays.alone[chat] != nil
}

// probeFor says which chat the next probe is for. The probe of a foreign stop
// goes to a chat that has received no foreign answer yet, if there is one: its
// answer tells most. Of those the one that came last and the one that is due
// first are probed in turns, so that neither a backlog nor what keeps coming
// hides a chat that Chert would answer. Otherwise untried is nil.
func (g *Governor) probeFor() (untried func(chat string) bool, last bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stop == nil || !g.stop.Foreign {
		return nil, false
	}
	untried = func(chat string) bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return !g.strays.known(chat)
	}
	return untried, g.stop.probes%2 == 0
}

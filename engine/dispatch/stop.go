package dispatch

import (
	"cmp"
	"time"

	"chertd/engine/chert"
)

// Stop is why no calls go out, apart from one probe at a time. A probe that is
// answered ends the stop.
type Stop struct {
	// Foreign is set if what answers is not Chert. Otherwise Chert refuses all calls,
	// because of the account or the clock.
	Foreign bool
	Code    int // Chert's error code; 0 if Foreign
	HTTP    int // HTTP status of the last answer
	Message string
	TraceID string // for Chert's support; "": there was none
	Since   time.Time
	// Answered is when Chert itself last answered; zero: not since the start.
	Answered time.Time

	next    probeTimes
	probing bool // a probe is in flight
	probes  int  // probes admitted so far
}

// probeTimes is when the next probe of a stop may go out: after probeFirst, and then after
// intervals that double up to probeMax.
type probeTimes struct {
	at   time.Time
	wait time.Duration // between that probe and the one after it; 0: probeFirst

	failed time.Time     // when the last one failed, or the stop began; zero: neither in this process
	pause  time.Duration // how far off at was when it was set
}

// stopsAll reports whether every other call would fail as well after an error: it
// is about the account, or about the clock. A clock skew is only seen here if the
// clock could not be corrected by the answer.
func stopsAll(code int) bool {
	d, _ := chert.LookUp(code)
	return d.Scope == chert.ScopeAccount || d.Scope == chert.ScopeClock
}

// after sets when the next probe may go out after one that failed: after the usual wait,
// or after the answer's retry_after if that is longer.
func (p *probeTimes) after(now time.Time, retryAfter time.Duration) {
	wait := cmp.Or(p.wait, probeFirst)
	p.pause = max(wait, retryAfter)
	p.at = now.Add(p.pause)
	p.failed = now
	p.wait = min(wait*2, probeMax)
}

// left returns how long it is until the next probe may go out; 0: it may now.
func (p *probeTimes) left(now time.Time) time.Duration {
	left := p.at.Sub(now)
	if left > p.pause { // the clock was set back
		p.at, left = now.Add(p.pause), p.pause
	}
	return max(left, 0)
}

// foreign notes a foreign answer. It is called with mu held.
func (g *Governor) foreign(now time.Time, chat string, probe bool, err *chert.Error) {
	alone, failed := g.strays.Failed(now, chat)
	switch {
	case alone && !probe:
		return
	case alone && !g.stop.Foreign: // it is not about the account
		g.stop.next.after(now, boundedWait(err.RetryAfter))
		return
	case g.stop == nil && failed < foreignChats:
		return
	}
	g.halt(now, probe, err)
}

// halt begins a stop, or notes the last answer during it. Calls that were in flight
// when it began do not delay its next probe. It is called with mu held.
func (g *Governor) halt(now time.Time, probe bool, err *chert.Error) {
	begins := g.stop == nil
	if begins {
		g.stop = &Stop{Since: now}
	}
	s := g.stop
	s.Foreign, s.Code, s.HTTP, s.Message, s.TraceID = err.Foreign, err.Code, err.Status, err.Message, err.TraceID
	if begins || probe {
		s.next.after(now, boundedWait(err.RetryAfter))
	}
}

// ProbeNow lets the next probe of a stop go out without its wait, because the setting
// that may have caused the stop was changed.
func (g *Governor) ProbeNow() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.stop; s != nil {
		s.next = probeTimes{failed: s.next.failed}
	}
}

// Stopped returns why calls have stopped, or nil.
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

// probeFor returns which chats the next probe is for. During a foreign stop these are
// the chats without a foreign answer so far, as an answer to one of them proves most.
// Among them the one due last and the one due first are probed in turns, so that
// neither a backlog nor new calls hide a chat that Chert would answer. Otherwise
// untried is nil.
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

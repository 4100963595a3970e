package dispatch

import (
	"math"
	"sync"
	"time"

	"chertd/engine/chert"
)

// Governor paces the calls of one credential. It decides when the next call may go
// out: by the configured ceiling, by a retry_after of Chert's (Pause), and by errors
// after which every call would fail (Stop). It reads no clock. Its methods may be
// called from many goroutines.
type Governor struct {
	mu       sync.Mutex
	bucket   bucket // the ceiling
	adaptive bool   // calls keep below the learned limit as well
	learner  learner
	pause    Pause     // the last one
	moments  int       // 429s since the last success; those of one moment count once
	stop     *Stop     // nil: calls go out
	lull     lull      // of the last stop that has ended
	strays   Culprits  // chats that received a foreign answer
	answered time.Time // when Chert last answered, with success or an error
	spent    time.Time // when Spend last took a place
}

// Permit is the permission for one call. It ends with Return or with Answered.
type Permit struct {
	probe *Stop     // the stop whose probe this call is
	n     int64     // its number; 0: it is not a request of this governor
	at    time.Time // when it was admitted
	pace  float64   // the learned pace at that time; 0: none
}

// NewGovernor returns a governor with a ceiling of limit calls per second, in bursts
// of at most burst calls. With a limit of 0 there is no ceiling.
func NewGovernor(limit float64, burst int) *Governor {
	b := float64(max(burst, 1))
	return &Governor{bucket: bucket{rate: limit, burst: b, tokens: b}}
}

// SetCeiling changes the ceiling.
func (g *Governor) SetCeiling(limit float64, burst int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bucket.rate, g.bucket.burst = limit, float64(max(burst, 1))
	g.bucket.tokens = min(g.bucket.tokens, g.bucket.burst)
}

// Ceiling returns how many requests the ceiling permits per second; 0: there is none.
func (g *Governor) Ceiling() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.bucket.rate
}

// lastLull returns the lull of the stop, or of the last one.
func (g *Governor) lastLull() lull {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stop != nil {
		return lull{from: g.stop.next.failed}
	}
	return g.lull
}

// Admit returns a permit for one call, or how long to wait before the next try.
func (g *Governor) Admit(now time.Time) (permit Permit, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait := g.wait(now); wait > 0 {
		return Permit{}, wait
	}
	permit = Permit{probe: g.stop, at: now}
	permit.n, permit.pace = g.take(now)
	if g.stop != nil {
		g.stop.probing = true
		g.stop.probes++
	}
	return permit, 0
}

// Wait returns how long it is until Admit returns a permit; 0: it would now.
func (g *Governor) Wait(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.wait(now)
}

// wait is Wait, with mu held.
func (g *Governor) wait(now time.Time) time.Duration {
	if wait := g.paused(now); wait > 0 {
		return wait
	}
	if s := g.stop; s != nil {
		if s.probing {
			return probeFirst
		}
		if wait := s.next.left(now); wait > 0 {
			return wait
		}
	}
	return g.paced(now)
}

// paced returns how long the rate lets a request wait. It is called with mu held.
func (g *Governor) paced(now time.Time) time.Duration {
	wait := g.bucket.wait(now)
	if g.adaptive {
		wait = max(wait, g.learner.wait(now))
	}
	return wait
}

// take takes a place under the rate. It is called with mu held.
func (g *Governor) take(now time.Time) (n int64, pace float64) {
	g.bucket.take()
	if !g.adaptive {
		return 0, 0
	}
	return g.learner.send(now)
}

// Spend takes a place under the rate for a request that is not a call of a chat, and
// returns how long the request must wait for it. It waits for a pause, and for no stop: a
// stop is about calls. With retry it has taken none, and is to be called again after that
// time. Calls that are due can't delay it for longer than one of them takes. With half, such
// requests take at most half of the rate, so that they delay no call for long.
func (g *Governor) Spend(now time.Time, half bool) (wait time.Duration, retry bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait := g.paused(now); wait > 0 {
		return wait, true
	}
	if rate := g.bucket.rate; half && rate > 0 {
		rest := time.Duration(2 / rate * float64(time.Second))
		if wait := rest - now.Sub(g.spent); wait > 0 && wait <= rest {
			return wait, true
		}
	}
	g.spent = now
	wait = g.paced(now)
	g.take(now)
	return wait, false
}

// Holds reports whether a call may still go out with its permit: all calls may have
// been paused or stopped since Admit.
func (g *Governor) Holds(permit Permit, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paused(now) == 0 && (g.stop == nil || permit.probe == g.stop)
}

// Return gives back the permit of a call that was not made.
func (g *Governor) Return(permit Permit) {
	g.mu.Lock()
	defer g.mu.Unlock()
	permit.end()
	g.bucket.tokens = min(g.bucket.tokens+1, g.bucket.burst)
	g.learner.takeBack(permit.n)
}

// Answered notes the answer to the call of a chat; err is nil for success.
func (g *Governor) Answered(now time.Time, permit Permit, chat string, err *chert.Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	permit.end()
	// A call that is not the probe went out before the stop began, and does not end it.
	probe := g.stop != nil && permit.probe == g.stop
	answered := err == nil || err.Status != 0 && !err.Foreign
	switch {
	case err != nil && err.Foreign:
		g.foreign(now, chat, probe, err)
	case err != nil && stopsAll(err.Code):
		g.halt(now, probe, err)
	case answered && g.stop != nil && (probe || g.stop.Foreign):
		// Chert's own answer disproves a foreign stop, whenever the call went out.
		g.lull, g.stop = lull{g.stop.next.failed, now}, nil
	case probe:
		g.stop.next.after(now, 0) // no answer: nothing is known
	}
	if answered && !limited(err) && permit.n > 0 {
		g.learner.accept(permit.n, permit.at)
	}
	if answered {
		g.strays.Answered(now, chat)
		g.answered = now
	}
	switch {
	case limited(err):
		if g.adaptive && permit.n > 0 {
			g.learner.refuse(permit.n, permit.at, permit.pace, g.bucket.rate)
		}
		g.hold(now, err)
	case answered:
		g.moments = 0
	}
}

// end ends the probe that the permit is for. The permit of another call must not, as
// there would be two probes.
func (l Permit) end() {
	if l.probe != nil {
		l.probe.probing = false
	}
}

// bucket is a token bucket. With a rate of 0 it is never empty.
type bucket struct {
	rate   float64 // tokens per second
	burst  float64
	tokens float64 // at the time last
	last   time.Time
}

// take takes a token that is there.
func (b *bucket) take() {
	if b.rate > 0 {
		b.tokens--
	}
}

// wait returns how long it is until there is a token; 0: there is one.
func (b *bucket) wait(now time.Time) time.Duration {
	if b.rate <= 0 {
		return 0
	}
	if !b.last.IsZero() && now.After(b.last) {
		b.tokens = min(b.tokens+now.Sub(b.last).Seconds()*b.rate, b.burst)
	}
	b.last = now // also when the clock was set back, or no token would come in until it has caught up
	// A token that lacks less than the rounding error counts as whole.
	if missing := 1 - b.tokens; missing > 1e-9 {
		return max(time.Duration(math.Ceil(missing/b.rate*1e9)), time.Microsecond)
	}
	return 0
}

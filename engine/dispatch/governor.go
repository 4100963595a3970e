package dispatch

import (
	"math"
	"sync"
	"time"

	"chertd/engine/chert"
)

// Governor paces the calls of one credential. It decides when the next call
// may go out from the configured ceiling, from what Chert asked to wait, and
// from errors that concern the whole account. It reads no clock.
type Governor struct {
	mu      sync.Mutex
	bucket  bucket
	resume  time.Time     // no call before it: Chert's retry_after
	pause   time.Duration // that retry_after: resume is never further off
	account *AccountStop
}

// AccountStop says why no call can succeed at the moment. One probe at a time
// finds out when it is over.
type AccountStop struct {
	Code    int // Chert's error code
	Message string
	Since   time.Time
	next    time.Time     // of the next probe
	wait    time.Duration // until the probe after that
	probing bool
}

// Probes of a stopped account begin after accountProbe and double up to
// accountProbeMax: an operator who mends the credentials sees calls again
// within half a minute, and Chert a call a half-minute.
const (
	accountProbe    = time.Second
	accountProbeMax = 30 * time.Second
)

// accountCodes are the errors by which every other call would fail too:
// chert-api.md, "What an error says about its cause".
var accountCodes = map[int]bool{2001: true, 2004: true, 2005: true, 2007: true, 2008: true, 2012: true}

// rateLimited is Chert's code for the credential's rate, the one retry_after
// that concerns every call.
const rateLimited = 1007

// NewGovernor makes a governor of a ceiling: limit calls per second, burst at
// once. A limit of 0 is no ceiling.
func NewGovernor(limit float64, burst int) *Governor {
	b := float64(max(burst, 1))
	return &Governor{bucket: bucket{rate: limit, burst: b, tokens: b}}
}

// SetCeiling changes the ceiling from now on.
func (g *Governor) SetCeiling(limit float64, burst int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bucket.rate, g.bucket.burst = limit, float64(max(burst, 1))
	g.bucket.tokens = min(g.bucket.tokens, g.bucket.burst)
}

// Admit takes leave for one call. If it can't be given yet it returns how long
// to wait before asking again.
func (g *Governor) Admit(now time.Time) (wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Before(g.resume) {
		// Further off than was asked: the clock was set back.
		g.resume = sooner(g.resume, now.Add(g.pause))
		return g.resume.Sub(now)
	}
	if a := g.account; a != nil {
		if a.probing {
			return accountProbe
		}
		if now.Before(a.next) {
			a.next = sooner(a.next, now.Add(accountProbeMax))
			return a.next.Sub(now)
		}
	}
	if wait := g.bucket.take(now); wait > 0 {
		return wait
	}
	if g.account != nil {
		g.account.probing = true
	}
	return 0
}

// Return gives leave back that no call was made with.
func (g *Governor) Return() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.account != nil {
		g.account.probing = false
	}
	g.bucket.tokens = min(g.bucket.tokens+1, g.bucket.burst)
}

// Answered learns from a call's answer; err is nil for success.
func (g *Governor) Answered(now time.Time, err *chert.Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case err != nil && accountCodes[err.Code]:
		a := g.account
		if a == nil {
			a = &AccountStop{Since: now, wait: accountProbe}
			g.account = a
		}
		a.Code, a.Message, a.probing = err.Code, err.Message, false
		a.next = now.Add(a.wait)
		a.wait = min(a.wait*2, accountProbeMax)
	case err == nil || err.Status != 0:
		// Chert answered, and not about the account: it takes calls again.
		g.account = nil
	case g.account != nil:
		g.account.probing = false
		g.account.next = now.Add(accountProbe)
	}
	if err != nil && err.Code == rateLimited && err.RetryAfter > 0 {
		if until := now.Add(err.RetryAfter); until.After(g.resume) {
			g.resume, g.pause = until, err.RetryAfter
		}
	}
}

// Stopped returns why calls are stopped for the whole account, or nil.
func (g *Governor) Stopped() *AccountStop {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.account == nil {
		return nil
	}
	stop := *g.account
	return &stop
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// bucket is a token bucket; a rate of 0 never runs dry.
type bucket struct {
	rate   float64 // tokens per second
	burst  float64
	tokens float64 // at the time last
	last   time.Time
}

// take takes a token, or returns how long until there is one.
func (b *bucket) take(now time.Time) time.Duration {
	if b.rate <= 0 {
		return 0
	}
	if !b.last.IsZero() && now.After(b.last) {
		b.tokens = min(b.tokens+now.Sub(b.last).Seconds()*b.rate, b.burst)
	}
	b.last = now // also when the clock was set back: else nothing would come in until it is there again
	// A token short of whole by less than the float's error counts as whole.
	if missing := 1 - b.tokens; missing > 1e-9 {
		return max(time.Duration(math.Ceil(missing/b.rate*1e9)), time.Microsecond)
	}
	b.tokens--
	return 0
}

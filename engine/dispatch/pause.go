package dispatch

import (
	"time"

	"chertd/engine/chert"
	"chertd/engine/store"
	"chertd/rules/chat"
)

// Pause is a time during which no call goes out, because Chert answered 429. It is
// kept across restarts.
type Pause = store.CallPause

// limited reports whether an answer limits the rate of the credential: it has Chert's
// code for that, or is the 429 of something on the way.
func limited(err *chert.Error) bool {
	return err != nil && (err.Code == chert.CodeRateLimited || err.Foreign && err.Status == 429)
}

// hold begins or extends the pause after a 429. Without a retry_after its length is
// the backoff's, by the number of 429s in a row. The 429s of calls that were in
// flight together count once. It is called with mu held.
func (g *Governor) hold(now time.Time, err *chert.Error) {
	wait := boundedWait(err.RetryAfter)
	if !now.Before(g.pause.Until) {
		g.moments++
	}
	if wait == 0 {
		wait = max(chat.Backoff(g.moments, 1), minPause)
		if full := g.learner.full(now); g.adaptive && full > 0 {
			wait = max(full, minPause)
		}
	}
	if until := now.Add(wait); until.After(g.pause.Until) {
		g.pause = Pause{Asked: now, Until: until, Why: err.Message}
		g.learner.rest(now, until, err.RetryAfter > 0)
	}
}

// Limited notes a 429 of a request that is not a call of a chat, and reports whether the
// error is one.
func (g *Governor) Limited(now time.Time, err *chert.Error) bool {
	if !limited(err) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.adaptive {
		g.learner.refuse(g.learner.sent, now, g.learner.pace.rate, g.bucket.rate)
	}
	g.hold(now, err)
	return true
}

// paused returns how long the pause still lasts. If that is longer than its whole
// length, the clock was set back. It is called with mu held.
func (g *Governor) paused(now time.Time) time.Duration {
	left := g.pause.Until.Sub(now)
	if left <= 0 {
		return 0
	}
	if most := g.pause.Until.Sub(g.pause.Asked); left > most {
		g.pause.Asked, g.pause.Until = now, now.Add(most)
		return most
	}
	return left
}

// PauseLeft returns how long the pause still lasts; 0: there is none.
func (g *Governor) PauseLeft(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paused(now)
}

// Pause returns the last pause; it may be over.
func (g *Governor) Pause() Pause {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pause
}

// Restore continues a pause that an earlier process has kept.
func (g *Governor) Restore(p Pause) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if most := p.Asked.Add(maxPause); p.Until.After(most) {
		p.Until = most
	}
	if p.Until.After(p.Asked) {
		g.pause = p
	}
}

package dispatch

import (
	"math"
	"time"

	"chertd/engine/store"
)

// LearnedRate is the rate at which Chert accepts calls, learned from its 429s. It is kept
// across restarts.
type LearnedRate = store.LearnedRate

// SetAdaptive sets whether requests keep below the rate that is learned from Chert's 429s,
// where that is lower than the ceiling.
func (g *Governor) SetAdaptive(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.adaptive != on {
		g.adaptive = on
		g.learner.restore(g.learner.learned()) // what went out meanwhile was not counted
	}
}

// Learned returns what is learned, to be restored by another process.
func (g *Governor) Learned() LearnedRate {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.learner.learned()
}

// RestoreLearned continues with what an earlier process has learned. It must be called
// before the first request.
func (g *Governor) RestoreLearned(r LearnedRate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.learner.restore(r)
}

// Rate returns how many requests may go out per second at most, now: the ceiling, or the
// learned rate if it is lower. 0: there is no limit.
func (g *Governor) Rate() (perSecond float64, learned bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rate, ceiling := g.learner.pace.rate, g.bucket.rate
	if g.adaptive && rate > 0 && (ceiling <= 0 || rate < ceiling) {
		return rate, true
	}
	return ceiling, false
}

// learned returns what is worth keeping.
func (l *learner) learned() LearnedRate {
	if l.limit <= 0 || l.guessed {
		return LearnedRate{}
	}
	return LearnedRate{Rate: l.limit, Unsure: l.unsure, At: l.at.Truncate(time.Microsecond)}
}

// restore continues with what was learned. What was measured begins again with the next
// 429: nothing is known about what was accepted meanwhile.
func (l *learner) restore(r LearnedRate) {
	*l = learner{sent: l.sent, known: l.sent}
	if !(r.Rate > 0) || math.IsInf(r.Rate, 0) {
		return
	}
	l.limit, l.unsure, l.margin, l.at = r.Rate, between(r.Unsure, leastUnsure, mostUnsure), startMargin, r.At
	l.pace.tokens = 1
	l.setPace()
}

package chertsim

import (
	"math"
	"time"
)

// bucket is the hidden rate limit: a token bucket that clients only notice by a 429. A
// rate of 0 means no limit.
type bucket struct {
	rate, burst, tokens float64
	at                  time.Time
}

// SetLimit changes the hidden limit, as Chert may at any time, to calls per second and the
// largest burst (at least 1). The bucket starts full. A rate of 0 removes the limit.
func (s *Sim) SetLimit(rate float64, burst int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit.set(rate, burst, s.now())
}

func (b *bucket) set(rate float64, burst int, now time.Time) {
	*b = bucket{rate: rate, burst: math.Max(1, float64(burst)), at: now}
	b.tokens = b.burst
}

// take takes a token, or returns a 429 with the time until there is one.
func (b *bucket) take(now time.Time) *apiError {
	if b.rate <= 0 {
		return nil
	}
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens = math.Min(b.burst, b.tokens+passed*b.rate)
	}
	b.at = now
	if b.tokens >= 1 {
		b.tokens--
		return nil
	}
	refused := problem(1007, "too many requests")
	refused.RetryAfter = int(math.Max(1, math.Ceil((1-b.tokens)/b.rate)))
	return refused
}

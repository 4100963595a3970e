package chat

import (
	"math"
	"time"
)

// backoffMax keeps a chat within five minutes of an outage's end.
const backoffMax = 5 * time.Minute

// Backoff is how long to wait after a failed attempt (1 for the first), if
// Chert named no time: 1 s, 2 s, 4 s … up to backoffMax, spread by jitter in
// [0, 1) over its upper half, so that calls that failed together part.
func Backoff(attempt int, jitter float64) time.Duration {
	full := min(math.Ldexp(1, max(attempt-1, 0)), backoffMax.Seconds())
	d := time.Duration(full * (0.5 + jitter/2) * float64(time.Second))
	return d.Round(time.Millisecond)
}

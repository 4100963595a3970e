package chat

import (
	"math"
	"time"
)

// backoffMax bounds how long a chat waits after an outage has ended.
const backoffMax = 5 * time.Minute

// Backoff returns how long to wait after a failed attempt (1 for the first) if
// Chert's answer has no retry_after: 1 s, 2 s, 4 s … up to backoffMax. A jitter in
// [0, 1) spreads it over the upper half, so that calls that failed together are not
// repeated together.
func Backoff(attempt int, jitter float64) time.Duration {
	full := min(math.Ldexp(1, max(attempt-1, 0)), backoffMax.Seconds())
	d := time.Duration(full * (0.5 + jitter/2) * float64(time.Second))
	return d.Round(time.Millisecond)
}

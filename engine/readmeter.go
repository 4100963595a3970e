package engine

import (
	"fmt"
	"sync"
	"time"

	"chertd/rules"
)

// readMeter counts the reads a pack asks for in a sliding span of time.
type readMeter struct {
	mu    sync.Mutex
	limit rules.Rate
	times []time.Time // of the last reads, at most limit.N: once full, a ring
	next  int         // the oldest, once full
}

// set changes the limit; what was counted under another does not count.
func (r *readMeter) set(limit rules.Rate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limit != limit {
		r.limit, r.times, r.next = limit, nil, 0
	}
}

// count notes a read, and says why the pack must not go on if it is beyond the
// limit: if the limit.N reads before it were all less than limit.Per ago.
func (r *readMeter) count(now time.Time) (why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.times) < r.limit.N {
		r.times = append(r.times, now)
		return ""
	}
	oldest := r.times[r.next]
	r.times[r.next] = now
	r.next = (r.next + 1) % len(r.times)
	if now.Sub(oldest) >= r.limit.Per {
		return ""
	}
	return fmt.Sprintf("more than %d reads in %s", r.limit.N, plainSpan(r.limit.Per))
}

// plainSpan is a duration as rules are written: 10m, not 10m0s.
func plainSpan(d time.Duration) string {
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= u.of && d%u.of == 0 {
			return fmt.Sprintf("%d%s", d/u.of, u.name)
		}
	}
	return d.String()
}

package sqlite

import (
	"testing"
	"time"
)

// A rush is many requests in little time of which few share a transaction. Few requests, and
// those of senders who take their time, are none: they must not wait.
func TestRushIsManyRequestsInLittleTime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		requests int
		every    time.Duration
		want     bool
	}{
		"a sender that waits for each answer": {1, 300 * time.Microsecond, false},
		"a sender on a fast disk":             {1, 20 * time.Microsecond, false},
		"two senders on a fast disk":          {2, 20 * time.Microsecond, false},
		"1,000 events a second":               {3, time.Millisecond, false},
		"200 events a second":                 {3, 5 * time.Millisecond, false},
		"32 senders on a disk":                {18, time.Millisecond, false},
		"32 senders without a disk":           {9, 500 * time.Microsecond, true},
		"128 senders":                         {60, 7 * time.Millisecond, false},
		"virtual time":                        {3, 0, false},
	} {
		var r rush
		now := someTime
		for range 3 {
			r.count(tc.requests, now)
			now = now.Add(tc.every)
		}
		if got := r.lasts(now); got != tc.want {
			t.Errorf("%s: a rush: %t, want %t", name, got, tc.want)
		}
		if r.lasts(now.Add(time.Second)) {
			t.Errorf("%s: a request waits a second after the rush", name)
		}
	}
}

package source

import (
	"testing"
	"time"
)

// The lag is that of the last event, and the median and the maximum of those of the last five
// minutes, by Chert's clock.
func TestLagOfTheLastEvents(t *testing.T) {
	t.Parallel()
	now := testNow
	l := NewLags(func() time.Time { return now })
	if got := l.Stats(); got != (Lag{}) {
		t.Errorf("without an event: %+v", got)
	}
	l.note(now.Add(-time.Hour))
	l.note(time.Time{})
	if got := l.Stats(); got != (Lag{now, time.Hour, time.Hour, time.Hour}) {
		t.Errorf("after one event: %+v", got)
	}
	now = now.Add(4 * time.Minute)
	for _, s := range []int{3, 1, 2, 9, -5} {
		l.note(now.Add(-time.Duration(s) * time.Second))
	}
	if got := l.Stats(); got != (Lag{now, 0, 3 * time.Second, time.Hour}) {
		t.Errorf("after six events: %+v", got)
	}
	at := now
	now = now.Add(2 * time.Minute)
	if got := l.Stats(); got != (Lag{at, 0, 2 * time.Second, 9 * time.Second}) {
		t.Errorf("the first one counts no longer: %+v", got)
	}
	now = now.Add(time.Hour)
	if got := l.Stats(); got != (Lag{At: at}) {
		t.Errorf("an hour later: %+v", got)
	}
	for i := range 2*lagEvents + 7 {
		l.note(now.Add(-time.Duration(i) * time.Second))
	}
	if got := l.Stats(); got.Last != (2*lagEvents+6)*time.Second || got.Max != got.Last || len(l.list) != lagEvents || got.Median != (2*lagEvents+7-lagEvents/2)*time.Second {
		t.Errorf("after many events: %+v", got)
	}
}

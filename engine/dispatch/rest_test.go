package dispatch

import (
	"testing"
	"time"
)

func TestLookThatFindsTheSameDoesNotMoveTheEndOfTheWait(t *testing.T) {
	began := time.Date(2026, 1, 5, 12, 0, 0, 500_000, time.UTC)
	at := func(after time.Duration) time.Time { return began.Add(after) }
	clock := func(after time.Duration) time.Time { return at(after).Truncate(time.Millisecond) }
	var e restEnd
	for _, look := range []struct {
		why   string
		now   time.Time
		d     time.Duration
		began time.Time
		end   time.Time
	}{
		{"the first look", clock(0), time.Second, at(0), at(time.Second)},
		{"a second look in the same millisecond", clock(0), time.Second, at(100 * time.Microsecond), at(time.Second)},
		{"one after the next has begun", clock(600 * time.Microsecond), 999 * time.Millisecond, at(600 * time.Microsecond), at(999*time.Millisecond + 600*time.Microsecond)},
		{"one half way", clock(500 * time.Millisecond), 500 * time.Millisecond, at(500*time.Millisecond + 100*time.Microsecond), at(999*time.Millisecond + 600*time.Microsecond)},
		{"the clock was set forward by 200ms", clock(700 * time.Millisecond), 300 * time.Millisecond, at(500 * time.Millisecond), at(800 * time.Millisecond)},
		{"the clock was set back, and the end has passed", clock(0), time.Second, at(900 * time.Millisecond), at(1900 * time.Millisecond)},
		{"something else is due", clock(time.Second), 2 * time.Second, at(time.Second), at(3 * time.Second)},
	} {
		if end := look.began.Add(e.rest(look.now, look.d, look.began)); !end.Equal(look.end) {
			t.Errorf("%s: the wait ends after %v, want %v", look.why, end.Sub(began), look.end.Sub(began))
		}
	}
}

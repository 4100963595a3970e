package dispatch

import (
	"testing"
	"time"
)

// A line whose calls fail leaves half of the places to the others, also after
// all of them have ended; one that works leaves a quarter.
func TestFailingLineIsRemembered(t *testing.T) {
	t.Parallel()
	for failed, want := range map[bool]int{true: 4, false: 6} {
		p := newPlaces(8)
		now := epoch
		p.take("other", now)
		p.leave("other", now, true, false)
		p.take("line", now)
		p.leave("line", now, true, failed)
		n := 0
		for p.take("line", now.Add(time.Millisecond)) {
			n++
		}
		if n != want {
			t.Errorf("a line whose last call failed (%t) takes %d of 8 places, want %d", failed, n, want)
		}
	}
}

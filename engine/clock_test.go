package engine

import (
	"sync"
	"testing"
	"time"
)

// Answers that arrive together correct the clock once, not once each.
func TestClockLearnsOnceFromManyAnswers(t *testing.T) {
	t.Parallel()
	local := time.Unix(1_800_000_000, 0)
	for range 2000 {
		c := NewClock(func() time.Time { return local })
		start := make(chan struct{})
		var learnt sync.WaitGroup
		for range 8 {
			learnt.Go(func() {
				<-start
				c.Learn(local.Add(10 * time.Minute))
			})
		}
		close(start)
		learnt.Wait()
		if got := c.Offset(); got != 10*time.Minute {
			t.Fatalf("offset is %v, want 10m", got)
		}
	}
}

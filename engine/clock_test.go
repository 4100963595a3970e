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
	server := local.Add(10 * time.Minute)
	var asked, learnt sync.WaitGroup
	asked.Add(8)
	var all sync.Map
	c := NewClock(func() time.Time {
		// All have read the clock before the first corrects it.
		if n, _ := all.LoadOrStore("calls", new(onceEach)); n.(*onceEach).first() {
			asked.Done()
			asked.Wait()
		}
		return local
	})
	for range 8 {
		learnt.Go(func() { c.Learn(server) })
	}
	learnt.Wait()
	if got := c.Offset(); got != 10*time.Minute {
		t.Errorf("offset is %v, want 10m", got)
	}
}

// onceEach lets the first eight calls through.
type onceEach struct {
	mu sync.Mutex
	n  int
}

func (o *onceEach) first() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.n++
	return o.n <= 8
}

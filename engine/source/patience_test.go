package source

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Deliveries share a context, and each waits for at least 19 twentieths of the limit.
func TestPatienceIsSharedAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := patience{limit: 2 * time.Second}
		first := p.context()
		time.Sleep(99 * time.Millisecond)
		if p.context() != first {
			t.Error("a delivery 99 ms later has a context of its own")
		}
		time.Sleep(time.Millisecond)
		last := p.context()
		if last == first {
			t.Error("a delivery 100 ms later shares the context")
		}
		time.Sleep(1900*time.Millisecond - time.Nanosecond)
		if first.Err() != nil {
			t.Error("the context ended too early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if context.Cause(first) != errSlowStore {
			t.Errorf("the context ended because of %v", context.Cause(first))
		}
		if last.Err() != nil {
			t.Error("the second context ended with the first")
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if context.Cause(last) != errSlowStore {
			t.Errorf("the second context ended because of %v", context.Cause(last))
		}
	})
}

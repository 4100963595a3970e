package live

import (
	"context"
	"sync"
	"time"
)

// tasks are goroutines that outlive the call that began them.
type tasks struct {
	mu      sync.Mutex
	stopped bool
	next    int
	cancel  map[int]context.CancelFunc
	running sync.WaitGroup
}

// start runs f in a goroutine of its own, until it returns. The end of its ctx
// can be had by what start returns, which is nil once all were stopped.
func (t *tasks) start(f func(ctx context.Context)) context.CancelFunc {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return nil
	}
	if t.cancel == nil {
		t.cancel = map[int]context.CancelFunc{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	id := t.next
	t.next++
	t.cancel[id] = cancel
	t.running.Go(func() {
		defer func() {
			cancel()
			t.mu.Lock()
			defer t.mu.Unlock()
			delete(t.cancel, id)
		}()
		f(ctx)
	})
	return cancel
}

// stop ends all and waits for them.
func (t *tasks) stop() {
	t.mu.Lock()
	t.stopped = true
	for _, cancel := range t.cancel {
		cancel()
	}
	t.mu.Unlock()
	t.running.Wait()
}

// pause waits; false once ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

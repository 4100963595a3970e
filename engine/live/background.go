package live

import (
	"context"
	"sync"
	"time"

	"chertd/engine/wait"
)

// tasks are goroutines that outlive the call that began them.
type tasks struct {
	ctx     context.Context // ends when all are stopped
	cancel  context.CancelFunc
	mu      sync.Mutex // held to start one, and to stop all
	running sync.WaitGroup
}

// start runs f in a goroutine of its own. Once all were stopped it calls f, of which
// the context has ended.
func (t *tasks) start(f func(ctx context.Context)) {
	t.mu.Lock()
	stopped := t.ctx.Err() != nil
	if !stopped {
		t.running.Go(func() { f(t.ctx) })
	}
	t.mu.Unlock()
	if stopped {
		f(t.ctx)
	}
}

// stop ends all and waits for them.
func (t *tasks) stop() {
	t.mu.Lock()
	t.cancel()
	t.mu.Unlock()
	t.running.Wait()
}

// readLater reads the folder again after a while, unless a reading is due sooner.
func (m *Manager) readLater(after time.Duration) {
	due := time.Now().Add(after)
	for {
		sooner := m.again.Load()
		if sooner != nil && !due.Before(*sooner) {
			return
		}
		if m.again.CompareAndSwap(sooner, &due) {
			break
		}
	}
	m.tasks.start(func(ctx context.Context) {
		if wait.For(ctx, max(0, after)) && m.again.CompareAndSwap(&due, nil) {
			m.noticeOrLog(ctx, Seen{Reason: "the folder was read again"})
		}
	})
}

// until waits until the time of the manager's clock, and reports whether ctx is live.
func (m *Manager) until(ctx context.Context, due time.Time) bool {
	return wait.For(ctx, max(0, due.Sub(m.c.Now())))
}

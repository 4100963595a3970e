package control

import (
	"context"
	"sync"
	"time"
)

// Commands counts the requests under way that change something, so that the daemon can
// wait for them when it stops. The zero value is ready.
type Commands struct {
	mu      sync.Mutex
	stopped bool
	n       int
	last    chan struct{} // closed when the last one has ended, once Stop waits
	ctx     context.Context
	cancel  context.CancelFunc
}

// begin notes that a command begins. Its context ends when the daemon no longer waits
// for it. ok is false once the daemon stops.
func (c *Commands) begin() (ctx context.Context, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil, false
	}
	if c.ctx == nil {
		c.ctx, c.cancel = context.WithCancel(context.Background())
	}
	c.n++
	return c.ctx, true
}

// end notes that a command has ended.
func (c *Commands) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 && c.last != nil {
		close(c.last)
		c.last = nil
	}
}

// Stop refuses further commands, and returns when those under way have ended. After a
// timeout it ends their contexts instead of waiting. Call it once.
func (c *Commands) Stop(timeout time.Duration) {
	c.mu.Lock()
	c.stopped = true
	cancel, last := c.cancel, make(chan struct{})
	if c.n == 0 {
		close(last)
	} else {
		c.last = last
	}
	c.mu.Unlock()
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case <-last:
	case <-t.C:
	}
	if cancel != nil {
		cancel()
	}
}

package engine

import (
	"context"
	"net/http"
	"sync"
	"time"

	"chertd/engine/control"
	"chertd/rules/chat"
)

// drains is how far the daemon has drained.
type drains struct {
	stop  func()        // ends the context of Daemon.Run
	ended chan struct{} // closed when the result is known

	mu     sync.Mutex
	since  time.Time     // when it began; zero: it has not
	result control.Drain // once ended is closed
	// fetched is closed once a client has the result; nil: no command drains the daemon.
	fetched chan struct{}
}

// fetchTime is how long the control socket stays for the command that drains the daemon to
// fetch the result: it may be between two requests.
const fetchTime = 2 * time.Second

// command notes that a command drains the daemon.
func (d *drains) command() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fetched == nil {
		d.fetched = make(chan struct{})
	}
}

// take returns the result, and notes that a client has it.
func (d *drains) take() control.Drain {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fetched != nil {
		select {
		case <-d.fetched:
		default:
			close(d.fetched)
		}
	}
	return d.result
}

// awaitFetch waits until the command that drains the daemon, if there is one, has the result.
func (d *drains) awaitFetch() {
	d.mu.Lock()
	fetched := d.fetched
	d.mu.Unlock()
	if fetched == nil {
		return
	}
	t := time.NewTimer(fetchTime)
	defer t.Stop()
	select {
	case <-fetched:
	case <-t.C:
	}
}

// begin notes that the daemon drains. It reports whether it did already.
func (d *drains) begin(now time.Time) (already bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.since.IsZero() {
		return true
	}
	d.since = now
	return false
}

// end publishes what is left. Call it once, after begin.
func (d *drains) end(left control.Drain) {
	d.mu.Lock()
	defer d.mu.Unlock()
	left.Since, left.Stopped, left.Already = d.since, true, true
	d.result = left
	close(d.ended)
}

// Drain implements control.Daemon.
func (m *manager) Drain(ctx context.Context) (control.Drain, error) {
	m.drains.command()
	already := m.drains.begin(m.eng.c.Now())
	if !already {
		m.log.Info("shutdown started by command")
		m.drains.stop()
	}
	d, err := m.Drained(ctx, 0)
	d.Already = already
	return d, err
}

// Drained implements control.Daemon.
func (m *manager) Drained(ctx context.Context, wait time.Duration) (control.Drain, error) {
	m.drains.mu.Lock()
	since := m.drains.since
	m.drains.mu.Unlock()
	if since.IsZero() {
		return control.Drain{}, &control.UserError{Status: http.StatusConflict, Message: "chertd is not draining", Hint: "chertd drain drains and stops it"}
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-m.drains.ended:
	case <-t.C:
		select {
		case <-m.drains.ended:
		default:
			return control.Drain{Since: since, Already: true, InFlight: m.eng.inFlight()}, nil
		}
	case <-ctx.Done():
		return control.Drain{}, ctx.Err()
	}
	return m.drains.take(), nil
}

// left counts what is left in the store when the daemon stops.
func (m *manager) left() (d control.Drain) {
	ctx, cancel := withStoreTimeout(context.Background())
	defer cancel()
	stats, err := m.store.Stats(ctx)
	if err != nil {
		d.Unknown = m.storeUnanswered(err)
		return d
	}
	d.Pending = stats.Pending
	d.Waiting = stats.Actions[chat.Waiting]
	d.Blocked = stats.Actions[chat.Blocked]
	return d
}

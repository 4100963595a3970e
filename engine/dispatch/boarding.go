package dispatch

import (
	"sync"
	"time"
)

// boarding has the calls that chats have handed out through their batches and that wait
// for a place on the wire, in their order. They go before calls of the queue.
type boarding struct {
	mu      sync.Mutex
	flights []*flight
	closed  bool // no more calls go out
}

// wait adds a call that waits for a place.
func (b *boarding) wait(f *flight) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flights = append(b.flights, f)
}

// waits reports whether a call waits.
func (b *boarding) waits() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.flights) > 0
}

// close makes all calls leave that wait, now or later.
func (b *boarding) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// embark returns the first call that waits and that has got a place, or that waits no
// longer; nil if there is none.
func (d *Dispatcher) embark(now time.Time) *flight {
	b := &d.boarding
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, f := range b.flights {
		if !b.closed && !f.paced {
			permit, wait := d.c.Governor.Admit(now)
			f.permit, f.paced = permit, wait <= 0
		}
		if !b.closed && d.mayGo(f, now) && !d.board(f, now) && !d.wire.givesUp(f.pick.Line, now) {
			continue
		}
		b.flights = append(b.flights[:i], b.flights[i+1:]...)
		d.inFlight.asked(f.group)
		return f
	}
	return nil
}

// board takes a place on the wire for a call, and reports whether there was one.
func (d *Dispatcher) board(f *flight, now time.Time) bool {
	if !d.wire.take(f.pick.Line, now, f.claims) {
		return false
	}
	f.began, f.claims = now, false
	return true
}

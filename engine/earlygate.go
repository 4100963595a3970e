package engine

import (
	"context"
	"sync"

	"chertd/engine/wait"
)

// earlyGate lets deliveries be kept for later during a gap, many at a time. It is shut while the
// last of them are journaled, so that what is delivered then comes after them. Whoever waits for
// it does so within a context: the transactions that it waits for may take as long as a disk
// hangs. The zero value is ready: nothing is kept for later.
type earlyGate struct {
	mu     sync.Mutex    // never held while waiting
	gap    *gap          // for which deliveries are kept for later; nil: they are journaled directly
	inside int           // deliveries that are being kept
	opens  chan struct{} // closed when the gate opens; nil: it is open
	empty  chan struct{} // closed when nobody is inside any more; nil: nobody waits for that
}

// begin has deliveries kept for later from now on.
func (a *earlyGate) begin(g *gap) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gap = g
}

// keeps reports whether deliveries are kept for a gap; with nil, whether they are for none.
func (a *earlyGate) keeps(g *gap) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.gap == g
}

// enter reports whether a delivery is to be kept for later, and waits while the gate is shut.
// If so, leave must be called once it is kept. The error is the cause of the end of ctx.
func (a *earlyGate) enter(ctx context.Context) (keep bool, err error) {
	for {
		a.mu.Lock()
		opens := a.opens
		if opens == nil {
			keep = a.gap != nil
			if keep {
				a.inside++
			}
			a.mu.Unlock()
			return keep, nil
		}
		a.mu.Unlock()
		if !wait.For(ctx, -1, opens) {
			return false, context.Cause(ctx)
		}
	}
}

// leave notes that a delivery is kept, or that this failed.
func (a *earlyGate) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inside--
	if a.inside == 0 && a.empty != nil {
		close(a.empty)
		a.empty = nil
	}
}

// shut lets no delivery enter, and waits until none is inside. Only one goroutine at a time may
// have the gate shut; it calls open in the end. If ctx ends first, the gate is open.
func (a *earlyGate) shut(ctx context.Context) error {
	a.mu.Lock()
	a.opens = make(chan struct{})
	var empty chan struct{}
	if a.inside > 0 {
		empty = make(chan struct{})
		a.empty = empty
	}
	a.mu.Unlock()
	if empty != nil && !wait.For(ctx, -1, empty) {
		a.mu.Lock()
		a.empty = nil
		a.mu.Unlock()
		a.open()
		return context.Cause(ctx)
	}
	return nil
}

// open lets deliveries enter again.
func (a *earlyGate) open() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.opens)
	a.opens = nil
}

// end has deliveries journaled directly, unless another gap has begun.
func (a *earlyGate) end(g *gap) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gap == g {
		a.gap = nil
	}
}

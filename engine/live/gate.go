package live

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// gateSlots is how many packs' specs run at a time: one that is slow does not
	// hold up the others, and the events still have a core.
	gateSlots = 2
	// gateRound is how long edits that have passed wait for others of the same
	// reading, to go live as one.
	gateRound = 20 * time.Millisecond
	// gatePatience is how long a watch waits for specs before it may tell of the
	// next change.
	gatePatience = 150 * time.Millisecond
)

// trying is an edit whose specs are running.
type trying struct {
	*verdict
	name   string
	cancel context.CancelFunc
	done   chan struct{} // closed once the specs have run

	found GateResult // by then
	cut   bool       // they were not run to the end
}

// gate begins to run an edit's specs.
func (g *Generations) gate(name string, v *verdict) *trying {
	t, gate := &trying{verdict: v, name: name, done: make(chan struct{})}, g.c.Gate
	t.cancel = g.tasks.start(func(ctx context.Context) {
		defer close(t.done)
		select {
		case g.slots <- struct{}{}:
			defer func() { <-g.slots }()
			t.found = gate(ctx, v.pack)
		case <-ctx.Done():
		}
		t.cut = ctx.Err() != nil
	})
	if t.cancel == nil {
		t.cut = true
		t.cancel = func() {}
		close(t.done)
	}
	return t
}

// giveUp ends the trying of an edit, if one is on its way.
func (s *standing) giveUp() {
	if s.trying != nil {
		s.trying.cancel()
		s.trying = nil
	}
}

// collect waits until edits have been tried and settles them, those that are
// quick before those that are slow. apply is called in turn after some were.
func (g *Generations) collect(ctx context.Context, pending []*trying, apply func()) error {
	var errs []error
	for len(pending) > 0 {
		var ready, slow []*trying
		round := time.NewTimer(gateRound)
		for _, t := range pending {
			select {
			case <-t.done:
			case <-round.C:
				round.Reset(0) // for the others it is over, too
			case <-ctx.Done():
				round.Stop()
				return errors.Join(append(errs, ctx.Err())...)
			}
			select {
			case <-t.done:
				ready = append(ready, t)
			default:
				slow = append(slow, t)
			}
		}
		round.Stop()
		pending = slow
		if len(ready) == 0 {
			continue
		}
		if err := g.begin(ctx); err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, t := range ready {
			errs = append(errs, g.settle(ctx, t))
		}
		apply()
		g.end()
	}
	return errors.Join(errs...)
}

// collectApart is collect in a goroutine of its own, which is waited for until
// patience or ctx is over. What goes wrong after that is logged.
func (g *Generations) collectApart(ctx context.Context, pending []*trying, reason string, patience <-chan time.Time) error {
	if len(pending) == 0 {
		return nil
	}
	var taken atomic.Bool // by the one who tells how it ended
	ended := make(chan error, 1)
	started := g.tasks.start(func(ctx context.Context) {
		err := g.collect(ctx, pending, func() { g.renew(reason) })
		if err != nil && ctx.Err() == nil {
			g.readLater(againAfter)
		}
		alone := !taken.CompareAndSwap(false, true)
		ended <- err
		if alone && err != nil && ctx.Err() == nil {
			g.c.Log.Error("an edit that may go live could not be kept", "err", err)
		}
	})
	if started == nil {
		return nil
	}
	select {
	case err := <-ended:
		return err
	case <-patience:
	case <-ctx.Done():
	}
	if !taken.CompareAndSwap(false, true) {
		return <-ended // it ended just now
	}
	return ctx.Err()
}

// settle decides about an edit that was tried, if it is still the pack's.
func (g *Generations) settle(ctx context.Context, t *trying) error {
	s := g.packs[t.name]
	if s == nil || s.trying != t {
		return nil
	}
	s.trying = nil
	if t.cut {
		s.notLive = "its specs were not run to the end"
		return nil
	}
	v := *t.verdict
	v.diags = append(v.diags, t.found.Diagnostics...)
	if t.found.Refused != "" {
		v.pack, v.why, v.diags = nil, t.found.Refused, t.found.Diagnostics
		return g.refuse(ctx, s, &v)
	}
	if s.live != nil && s.live.Built() == v.pack.Built() {
		g.takeSpecs(s, &v)
		return nil
	}
	return g.promote(ctx, s, &v)
}

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

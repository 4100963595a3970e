package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// stuckEarly is a store on a disk that hangs: the second Early waits for released.
type stuckEarly struct {
	store.Store
	reads           atomic.Int64
	stuck, released chan struct{}
}

func (s *stuckEarly) Early(ctx context.Context, after int64, limit int) ([]store.Early, error) {
	if s.reads.Add(1) == 2 {
		close(s.stuck)
		<-s.released
	}
	return s.Store.Early(ctx, after, limit)
}

// While the last early events are journaled, a delivery waits for that, but no longer than its
// sender does: a disk that hangs must not keep it from its 503.
func TestDeliveryWaitsForEarlyEventsWithinItsContext(t *testing.T) {
	t.Parallel()
	s := &stuckEarly{stuck: make(chan struct{}), released: make(chan struct{})}
	r := &rig{t: t, dir: t.TempDir(), now: time.Now, wrap: func(st store.Store) store.Store { s.Store = st; return s }}
	r.changed.L = &r.mu
	r.write("p.lua", words)
	r.start()
	r.eng.BeginGap(time.Hour)
	ended := make(chan struct{})
	go func() { r.eng.EndGap(ctx); close(ended) }()
	<-s.stuck // the first read is of all early events, the second one of the last

	slow := errors.New("the disk hangs")
	impatient, giveUp := context.WithCancelCause(context.Background())
	given := make(chan error, 1)
	go func() {
		_, err := r.eng.Deliver(impatient, []turn.Arrival{{Event: message("c1", "late", "nothing"), Received: time.Now()}})
		given <- err
	}()
	giveUp(slow)
	select {
	case err := <-given:
		if !errors.Is(err, slow) {
			t.Errorf("the delivery ends with %v, want %v", err, slow)
		}
	case <-time.After(20 * time.Second):
		t.Error("the delivery waits longer than its context")
	}
	close(s.released)
	<-ended
	r.deliver("c1", "late", "nothing") // as Chert sends it again
	r.handledAll("late")
}

// The gate shuts once nobody is inside. What comes then waits until it opens, and is kept for
// later only if there is a gap still.
func TestEarlyGateShutsOnceNobodyIsInside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var a earlyGate
		g := &gap{}
		a.begin(g)
		if keep, err := a.enter(ctx); !keep || err != nil {
			t.Fatalf("enter during a gap: %t, %v", keep, err)
		}
		soon, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := a.shut(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("shut while a delivery is inside: %v", err)
		}
		if keep, err := a.enter(ctx); !keep || err != nil {
			t.Fatalf("enter after it could not be shut: %t, %v", keep, err)
		}
		a.leave()
		var shut, entered, kept atomic.Bool
		go func() {
			if err := a.shut(ctx); err != nil {
				t.Error(err)
			}
			shut.Store(true)
		}()
		synctest.Wait()
		go func() {
			keep, err := a.enter(ctx)
			if err != nil {
				t.Error(err)
			}
			kept.Store(keep)
			entered.Store(true)
		}()
		synctest.Wait()
		if shut.Load() || entered.Load() {
			t.Errorf("while a delivery is inside, the gate is shut: %t, and another one is inside: %t", shut.Load(), entered.Load())
		}
		a.leave()
		synctest.Wait()
		if !shut.Load() || entered.Load() {
			t.Errorf("once nobody is inside, the gate is shut: %t, and a delivery is inside: %t", shut.Load(), entered.Load())
		}
		a.end(g)
		a.open()
		synctest.Wait()
		if !entered.Load() || kept.Load() {
			t.Errorf("once the gate is open and the gap has ended, the delivery is inside: %t, kept for later: %t", entered.Load(), kept.Load())
		}
	})
}

// The end of one gap does not end the next one, which may have begun before it was noticed.
func TestEarlyGateKeepsForTheNextGap(t *testing.T) {
	t.Parallel()
	var a earlyGate
	first, second := &gap{}, &gap{}
	a.begin(first)
	a.begin(second)
	a.end(first)
	if a.keeps(nil) || !a.keeps(second) {
		t.Error("the end of the first gap ends the second one")
	}
	a.end(second)
	if !a.keeps(nil) {
		t.Error("after both gaps, deliveries are still kept for later")
	}
}

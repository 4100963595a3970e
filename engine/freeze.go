package engine

import (
	"context"
	"sync/atomic"
	"time"

	"chertd/engine/wait"
)

const (
	// beatEvery is how often the engine notes that it runs.
	beatEvery = time.Second
	// frozenAfter is the shortest time without that in which deliveries may have been missed:
	// Chert gives up on one within seconds. On a busy machine it is some milliseconds.
	frozenAfter = 5 * time.Second
)

// freezes finds times in which the process did not run, such as while its machine was
// suspended or the process was stopped. Calls and timers that came due meanwhile must not go
// out before missed events are handled, so each looks first (awake).
type freezes struct {
	beat atomic.Int64 // when it ran last, in Unix milliseconds; 0: not yet
	gap  func()       // called when events may have been missed; nil: nobody watches
}

// watchFreezes notes that the engine runs, until ctx ends.
func (e *Engine) watchFreezes(ctx context.Context) {
	if e.freezes.gap == nil {
		return
	}
	for {
		e.awake()
		e.freezes.beat.Store(e.c.Now().UnixMilli())
		if !wait.For(ctx, beatEvery) {
			return
		}
	}
}

// awake reports whether the process has run all the time. Otherwise a gap has begun.
func (e *Engine) awake() bool {
	if e.freezes.gap == nil {
		return true
	}
	beat := e.freezes.beat.Load()
	now := e.c.Now()
	if beat == 0 || now.Sub(time.UnixMilli(beat)) < frozenAfter {
		return true
	}
	e.freezes.gap() // first, so that whoever sees the new beat sees the gap
	e.freezes.beat.CompareAndSwap(beat, now.UnixMilli())
	return false
}

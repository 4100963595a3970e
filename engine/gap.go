package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/event"
	"chertd/engine/source"
	"chertd/engine/store"
	"chertd/engine/wait"
	"chertd/luabind/diag"
	"chertd/rules/turn"
)

// gap is a time in which events may have been missed, such as before the start, until they
// have been read from the events log and are handled. One of them may be a veto, so no call
// and no timer goes out meanwhile. What is delivered meanwhile is newer than what the log
// will bring, so it is acknowledged and waits in the store: the events of a chat are handled
// in their order.
type gap struct {
	since time.Time
	until time.Time     // then it ends, whatever the log has brought
	ended chan struct{} // closed by end
}

// gaps is the state of gaps.
type gaps struct {
	mu      sync.Mutex
	current *gap // nil: there is none

	early    earlyGate
	flushing sync.Mutex
	began    chan struct{} // signalled when a gap begins

	watching sync.Mutex                   // held by the one who waits with watch
	watch    atomic.Pointer[handledWatch] // nil: nobody waits for events to be handled
}

// earlyBatch is how many early events are journaled together.
const earlyBatch = 256

// BeginGap notes that events may have been missed. The gap ends with EndGap, or after a
// time at the latest; with 0 there is none. If there is one already, it continues.
func (e *Engine) BeginGap(longest time.Duration) {
	e.gaps.mu.Lock()
	defer e.gaps.mu.Unlock()
	if longest <= 0 || e.gaps.current != nil || e.draining.Load() {
		return
	}
	now := e.c.Now()
	g := &gap{since: now, until: now.Add(longest), ended: make(chan struct{})}
	e.gaps.current = g
	e.gaps.early.begin(g)
	e.calls.HoldBack(true)
	select {
	case e.gaps.began <- struct{}{}:
	default:
	}
}

// runGaps ends gaps whose time is up, until ctx ends.
func (e *Engine) runGaps(ctx context.Context) {
	for {
		g := e.gaps.now()
		if g == nil {
			if !wait.For(ctx, -1, e.gaps.began) {
				return
			}
			continue
		}
		if !wait.Until(ctx, e.c.Now, g.until, g.ended) {
			return
		}
		if e.gaps.now() != g {
			continue
		}
		e.c.Log.Warn("missed events are not caught up in time; calls wait for them no longer",
			"waited", g.until.Sub(g.since).String(), "hint", "chertd status shows what fails; sources.catchup.wait is how long calls wait")
		e.endGap(ctx, g, false)
	}
}

// EndGap ends the gap, if there is one, once all events that are in the journal now and
// those that were delivered meanwhile are handled, and what they have caused, so that their
// vetoes count.
func (e *Engine) EndGap(ctx context.Context) {
	if g := e.gaps.now(); g != nil {
		e.endGap(ctx, g, true)
	}
}

func (e *Engine) endGap(ctx context.Context, g *gap, handled bool) {
	if err := e.flushEarly(ctx, g); err != nil {
		return
	}
	if handled && !e.awaitHandled(ctx, g.ended) {
		return
	}
	e.gaps.mu.Lock()
	defer e.gaps.mu.Unlock()
	if e.gaps.current != g {
		return
	}
	e.gaps.current = nil
	close(g.ended)
	e.calls.HoldBack(false)
}

// now returns the current gap; nil: there is none.
func (g *gaps) now() *gap {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.current
}

// Gap returns since when calls wait for missed events, and until when at most; zero: they
// don't.
func (e *Engine) Gap() (since, until time.Time) {
	if g := e.gaps.now(); g != nil {
		return g.since, g.until
	}
	return time.Time{}, time.Time{}
}

// waitGap waits for the end of the gap, if there is one. It returns false if ctx ends first.
func (e *Engine) waitGap(ctx context.Context) bool {
	g := e.gaps.now()
	return g == nil || wait.For(ctx, -1, g.ended)
}

// Deliver takes in events that have just been delivered. During a gap they are kept for
// later. It is Ingest otherwise.
func (e *Engine) Deliver(ctx context.Context, arrivals []turn.Arrival) ([]store.Receipt, error) {
	keep, err := e.gaps.early.enter(ctx)
	if err != nil {
		return nil, err
	}
	if !keep {
		return e.Ingest(ctx, arrivals)
	}
	defer e.gaps.early.leave()
	if e.draining.Load() {
		return nil, source.ErrDraining
	}
	if err := e.admission.refused(); err != nil {
		return nil, err
	}
	return e.c.Store.AppendEarly(ctx, arrivals)
}

// flushEarly journals what was kept for later during a gap, while the store fails again and
// again. Then deliveries are journaled directly. Without a gap (nil), it journals what an
// earlier process has kept.
func (e *Engine) flushEarly(ctx context.Context, g *gap) error {
	e.gaps.flushing.Lock()
	defer e.gaps.flushing.Unlock()
	for logged := false; ; logged = true {
		err := e.journalEarly(ctx, g)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if !logged {
			e.c.Log.Error("could not journal events that were delivered while others were caught up; retrying", keyError, err, "hint", diag.StoreHint)
		}
		if !wait.For(ctx, storeRetryMax) {
			return ctx.Err()
		}
	}
}

func (e *Engine) journalEarly(ctx context.Context, g *gap) error {
	for e.gaps.early.keeps(g) {
		n, err := e.journalSomeEarly(ctx)
		if err != nil {
			return err
		}
		if n < earlyBatch {
			break
		}
	}
	// What is delivered now waits until the rest is journaled.
	if err := e.gaps.early.shut(ctx); err != nil {
		return err
	}
	defer e.gaps.early.open()
	for e.gaps.early.keeps(g) {
		n, err := e.journalSomeEarly(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			e.gaps.early.end(g)
			return nil
		}
	}
	return nil
}

// journalSomeEarly journals the first early events, and returns how many. A crash in the
// middle has them journaled again, as duplicates.
func (e *Engine) journalSomeEarly(ctx context.Context) (int, error) {
	list, err := e.c.Store.Early(ctx, 0, earlyBatch)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	arrivals := make([]turn.Arrival, 0, len(list))
	for i := range list {
		r := &list[i]
		ev, err := event.Again(r.Body, event.Hints{ID: r.ID, Type: r.Type}, r.Source)
		if err != nil { // an older chertd could decode it
			q := store.Quarantined{Received: r.Received, Source: r.Source, Reason: err.Error(), Body: r.Body, Event: event.IdentityOf(r.Body, event.Hints{ID: r.ID})}
			if err := e.c.Store.Quarantine(ctx, q); err != nil && !errors.Is(err, store.ErrInQuarantine) {
				return 0, err
			}
			continue
		}
		arrivals = append(arrivals, turn.Arrival{Event: ev, Received: r.Received})
	}
	if len(arrivals) > 0 {
		if _, err := e.c.Store.Append(ctx, arrivals); err != nil {
			return 0, fmt.Errorf("journal early events: %w", err)
		}
	}
	return len(list), e.c.Store.DropEarly(ctx, list[len(list)-1].N)
}

package engine

import (
	"context"
	"time"

	"chertd/engine/store"
	"chertd/engine/wait"
	"chertd/luabind/diag"
)

// Retention is how long the store keeps what nothing needs any more.
type Retention struct {
	Events time.Duration // events, with their decisions and actions; 0: always
	Texts  time.Duration // what people wrote, at most as long as Events; 0: until the event is handled
}

const (
	// pruneEvery is how often chertd looks for what has become old.
	pruneEvery = time.Minute
	// pruneAllEvery is how often it looks at all that it has passed before: an event
	// may have stayed because an action of it was waiting. Ids are in no order of time,
	// so that all are looked at each time.
	pruneAllEvery = 24 * time.Hour
	// pruneRows is how many rows a step looks at. It takes 1.5 ms (BenchmarkPrune of the
	// store, with 1,000,000 events), which is how long it may delay an acknowledgement.
	pruneRows = 64
	// pruneRest is how long to wait after a step, as a multiple of its duration. A step
	// takes longer while the store is busy, so that the rest of the load comes first. It
	// still removes several thousand events a second.
	pruneRest = 4
	// seenFor is how long ids are kept at least. Chert delivers again within minutes, and
	// its events log is read from a cursor: only a person brings what is older, who
	// replays a delivery or reads a file of events again. An id takes about 70 bytes.
	seenFor = 180 * 24 * time.Hour
	// changesFor is how long the changes of lists are kept at least: people ask later who has
	// added a member than what became of a message.
	changesFor = 180 * 24 * time.Hour
)

// pruner removes what is older than it has to be kept. Its goroutine is Engine.prune.
type pruner struct {
	e       *Engine
	sweeps  [3]sweep
	all     time.Time // when it began to look at everything
	removed [3]int64  // since it was logged
	failing bool      // the last step failed, and that was logged
}

// sweep is one kind of removal.
type sweep struct {
	step  func(ctx context.Context, before time.Time, after store.Cursor, limit int) (store.Pruned, error)
	after store.Cursor
	done  bool // it does not look again before all is looked at
}

// setRetention sets how long the store keeps what nothing needs any more.
func (e *Engine) setRetention(r Retention) { e.retention.Store(&r) }

// newPruner returns a pruner that has not looked at anything.
func newPruner(e *Engine) *pruner {
	st := e.c.Store
	return &pruner{e: e, sweeps: [...]sweep{{step: st.PruneEvents}, {step: st.PruneTexts}, {step: st.PruneSeen}}}
}

// prune removes what is old until ctx ends.
func (e *Engine) prune(ctx context.Context) {
	p := newPruner(e)
	for wait.For(ctx, pruneEvery) {
		if r := *e.retention.Load(); r.Events > 0 {
			p.pass(ctx, r)
		}
	}
}

// pass removes all that is old now.
func (p *pruner) pass(ctx context.Context, r Retention) {
	now := p.now()
	all := now.Sub(p.all) >= pruneAllEvery || now.Before(p.all)
	if all {
		if err := p.e.c.Store.MarkDay(ctx, now); err != nil {
			p.failed(ctx, err)
			return
		}
		p.all = now
		for i := range p.sweeps {
			p.sweeps[i].after, p.sweeps[i].done = "", false
		}
	}
	for i, age := range [...]time.Duration{r.Events, min(r.Texts, r.Events), max(seenFor, 2*r.Events)} {
		s := &p.sweeps[i]
		for more := !s.done; more; {
			began := time.Now()
			step, err := s.step(ctx, now.Add(-age), s.after, pruneRows)
			if err != nil {
				p.failed(ctx, err)
				return
			}
			p.removed[i] += int64(step.Removed)
			s.after, more = step.Next, step.More
			if more && !wait.For(ctx, pruneRest*time.Since(began)) {
				return
			}
		}
	}
	p.sweeps[2].done = true
	if err := p.pruneLists(ctx, now, r); err != nil {
		p.failed(ctx, err)
		return
	}
	p.failing = false
	if all {
		p.log()
	}
}

// pruneLists removes members of lists whose time is over, and changes of lists that are old.
func (p *pruner) pruneLists(ctx context.Context, now time.Time, r Retention) error {
	if err := p.e.lists.expire(ctx, now); err != nil {
		return err
	}
	for {
		began := time.Now()
		n, err := p.e.c.Store.PruneListHistory(ctx, now.Add(-max(r.Events, changesFor)), pruneRows)
		if n == 0 || err != nil {
			return err
		}
		if !wait.For(ctx, pruneRest*time.Since(began)) {
			return nil
		}
	}
}

// now returns the earlier of the local and Chert's time: by a clock that is ahead, chertd
// would remove what must stay.
func (p *pruner) now() time.Time {
	now := p.e.c.Now()
	if p.e.c.chertNow != nil && p.e.c.chertNow().Before(now) {
		return p.e.c.chertNow()
	}
	return now
}

// failed logs that a step failed, unless that is known. The next pass repeats it.
func (p *pruner) failed(ctx context.Context, err error) {
	if ctx.Err() == nil && !p.failing {
		p.failing = true
		p.e.c.Log.Error("could not remove old events from the store; retrying every minute", keyError, err, "hint", diag.StoreHint)
	}
}

// log logs, once a day, what was removed.
func (p *pruner) log() {
	if p.removed == [3]int64{} {
		return
	}
	p.e.c.Log.Info("removed from the store what is older than store.retention and store.raw", "events", p.removed[0], "texts", p.removed[1], "ids", p.removed[2])
	p.removed = [3]int64{}
}

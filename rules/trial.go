package rules

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// A new version is on trial for its first trialEvents events: if it fails on
// more than one in trialShare of them where its predecessor did not, it is
// rolled back by itself.
const (
	trialEvents = 50
	trialShare  = 5
)

// trials are the versions on trial. Counting is on the way of every event, and
// costs one atomic load for packs that are on none.
type trials struct {
	mu     sync.Mutex
	byPack atomic.Pointer[map[string]*trial]
}

type trial struct {
	version  string
	before   string // the version to go back to
	events   atomic.Int64
	failures atomic.Int64
	verdict  atomic.Bool // it was found failing
}

// begin puts a version on trial, if there is one to go back to that did better.
func (g *Generations) begin(ctx context.Context, before, now *Pack) {
	g.trials.end(now.Name)
	if before == nil || before.Version == now.Version {
		return
	}
	kept, ok, err := g.c.Keeper.Version(ctx, now.Name, before.Version)
	if err != nil || !ok || kept.Failures*trialShare > kept.Events {
		return
	}
	g.trials.set(now.Name, &trial{version: now.Version, before: before.Version})
}

// Handled counts an event that a version took part in. It reports whether the
// version is to be rolled back: then RollBackFailing is to be called, from a
// goroutine that may wait.
func (g *Generations) Handled(pack, version string, failed bool) bool {
	all := g.trials.byPack.Load()
	if all == nil {
		return false
	}
	t := (*all)[pack]
	if t == nil || t.version != version || t.verdict.Load() {
		return false
	}
	n := t.events.Add(1)
	if failed && n <= trialEvents && t.failures.Add(1)*trialShare > trialEvents {
		return t.verdict.CompareAndSwap(false, true)
	}
	if n == trialEvents && t.failures.Load()*trialShare <= trialEvents {
		g.trials.end(pack)
	}
	return false
}

// RollBackFailing rolls a version back that Handled has found failing.
func (g *Generations) RollBackFailing(ctx context.Context, pack string) error {
	all := g.trials.byPack.Load()
	if all == nil || (*all)[pack] == nil {
		return nil
	}
	t := (*all)[pack]
	why := fmt.Sprintf("it failed on %d of its first %d events, and the version before did not", t.failures.Load(), t.events.Load())
	_, err := g.rollBack(ctx, pack, t.before, rollback{only: t.version, why: why})
	return err
}

func (t *trials) set(pack string, on *trial) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := map[string]*trial{}
	if all := t.byPack.Load(); all != nil {
		for name, other := range *all {
			next[name] = other
		}
	}
	if on != nil {
		next[pack] = on
	} else {
		delete(next, pack)
	}
	t.byPack.Store(&next)
}

func (t *trials) end(pack string) { t.set(pack, nil) }

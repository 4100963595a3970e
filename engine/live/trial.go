package live

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"chertd/rules"
)

// A new version is on trial for its first trialEvents events: if it fails on
// more than one in trialShare of them where its predecessor did not, it is
// rolled back automatically. It is also if it fails on each of the first
// trialAll: few events come in an hour where little is going on.
const (
	trialEvents = 50
	trialShare  = 5
	trialAll    = 5
)

// trials are the versions on trial. Counting is on the way of every event, and
// costs one atomic load for packs that are on none.
type trials struct {
	mu     sync.Mutex // of those who change byPack
	byPack atomic.Pointer[map[string]*trial]
}

type trial struct {
	version string
	before  string // the version to go back to

	mu       sync.Mutex
	events   int64
	failures int64
	over     bool
}

// trialOf is the trial a version is to be put on: nil if there is none to go
// back to that did better.
func (g *Generations) trialOf(ctx context.Context, before, now *rules.Pack) (*trial, error) {
	if before == nil || before.Version == now.Version {
		return nil, nil
	}
	kept, ok, err := g.c.Keeper.Version(ctx, now.Name, before.Version)
	if err != nil {
		return nil, fmt.Errorf("look up how version %s of pack %q did: %w", before.ShortVersion(), now.Name, err)
	}
	if !ok || kept.failing() {
		return nil, nil
	}
	return &trial{version: now.Version, before: before.Version}, nil
}

// resume goes on with the trial that a version was on when the process ended.
func (g *Generations) resume(ctx context.Context, now KeptVersion) error {
	if now.Events >= trialEvents {
		return nil
	}
	if t := (trial{events: now.Events, failures: now.Failures}); t.fails() && now.Last.After(now.Since) {
		return nil // it was made live again although it had failed: somebody wants it
	}
	versions, err := g.c.Keeper.Versions(ctx, now.Pack, KeptVersions)
	if err != nil {
		return err
	}
	for i := range versions {
		before := &versions[i]
		if before.Version == now.Version || !before.RolledBack.IsZero() {
			continue
		}
		if !before.failing() {
			g.trials.set(now.Pack, &trial{version: now.Version, before: before.Version, events: now.Events, failures: now.Failures})
		}
		break
	}
	return nil
}

// failing reports whether a version failed on more events than a new one may.
func (v *KeptVersion) failing() bool { return v.Failures*trialShare > v.Events }

// Handled counts an event that a version took part in while it was live. It
// reports whether the version is to be rolled back: then RollBackFailing is to
// be called, from a goroutine that may wait.
func (g *Generations) Handled(pack, version string, failed bool) bool {
	all := g.trials.byPack.Load()
	if all == nil {
		return false
	}
	t := (*all)[pack]
	if t == nil || t.version != version {
		return false
	}
	fails, passed := t.count(failed)
	if passed {
		g.trials.drop(pack, t)
	}
	return fails
}

func (t *trial) count(failed bool) (fails, passed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false, false
	}
	t.events++
	if failed {
		t.failures++
	}
	fails = t.fails()
	passed = !fails && t.events >= trialEvents
	t.over = fails || passed
	return fails, passed
}

// fails reports whether so many failures are too many.
func (t *trial) fails() bool {
	return t.failures*trialShare > trialEvents || t.failures >= trialAll && t.failures == t.events
}

// RollBackFailing rolls a version back that Handled has found failing. It does
// not wait for the dropping of what the version has waiting.
func (g *Generations) RollBackFailing(ctx context.Context, pack string) error {
	s, err := g.command(ctx, pack)
	if err != nil {
		return err
	}
	defer g.end()
	all := g.trials.byPack.Load()
	if all == nil || (*all)[pack] == nil {
		return nil
	}
	t := (*all)[pack]
	if s.live == nil || s.live.Version != t.version || s.state.Pinned != "" {
		return nil // another is live by now, or somebody wants this one
	}
	t.mu.Lock()
	over, events, failures := t.over, t.events, t.failures
	t.mu.Unlock()
	if !over {
		return nil
	}
	_, err = g.rollBack(ctx, s, t.before, rollback{
		why: fmt.Sprintf("it failed on %d of its first %d events, and the version before did not", failures, events),
	})
	return err
}

// set puts a pack's version on trial, or with nil ends the one there is.
func (t *trials) set(pack string, on *trial) {
	t.change(func(all map[string]*trial) {
		delete(all, pack)
		if on != nil {
			all[pack] = on
		}
	})
}

// drop ends a trial unless another has taken its place.
func (t *trials) drop(pack string, on *trial) {
	t.change(func(all map[string]*trial) {
		if all[pack] == on {
			delete(all, pack)
		}
	})
}

func (t *trials) change(how func(map[string]*trial)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := map[string]*trial{}
	if all := t.byPack.Load(); all != nil {
		for name, on := range *all {
			next[name] = on
		}
	}
	how(next)
	t.byPack.Store(&next)
}

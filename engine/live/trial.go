package live

import (
	"context"
	"sync"
	"sync/atomic"
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
	mu     sync.Mutex // held to change byPack
	byPack atomic.Pointer[map[string]*trial]
	begun  map[string]*Trial // those that follow began last, by pack; of the holder of Manager.lock
}

// trial counts the events of a version on trial.
type trial struct {
	*Trial

	mu       sync.Mutex
	events   int64
	failures int64
	over     bool
}

// resumed is the trial that a version was on when the process ended; nil: none.
func (m *Manager) resumed(ctx context.Context, now *KeptVersion) (*Trial, error) {
	if now.Events >= trialEvents {
		return nil, nil
	}
	if tooMany(now.Events, now.Failures) && now.Last.After(now.Since) {
		return nil, nil // it was made live again although it had failed: somebody wants it
	}
	versions, err := m.c.Keeper.Versions(ctx, now.Pack, KeptVersions)
	if err != nil {
		return nil, err
	}
	for i := range versions {
		before := &versions[i]
		if before.Version == now.Version || !before.RolledBack.IsZero() {
			continue
		}
		if before.failing() {
			break
		}
		return &Trial{Version: now.Version, Before: before.Version, Events: now.Events, Failures: now.Failures}, nil
	}
	return nil, nil
}

// Handled counts an event that a version took part in while it was live. It
// reports whether the version is to be rolled back: then RollBackFailing is to
// be called, from a goroutine that may wait.
func (m *Manager) Handled(pack, version string, failed bool) bool {
	t := m.trials.of(pack)
	if t == nil || t.Version != version {
		return false
	}
	fails, passed := t.count(failed)
	if passed {
		m.trials.drop(pack, t)
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
	fails = tooMany(t.events, t.failures)
	passed = !fails && t.events >= trialEvents
	t.over = fails || passed
	return fails, passed
}

// tooMany reports whether so many failures in the first events are too many.
func tooMany(events, failures int64) bool {
	return failures*trialShare > trialEvents || failures >= trialAll && failures == events
}

// RollBackFailing rolls a version back that Handled has found failing. It does
// not wait for the dropping of what the version has waiting.
func (m *Manager) RollBackFailing(ctx context.Context, pack string) error {
	s, err := m.command(ctx, pack)
	if err != nil {
		return err
	}
	defer m.release()
	t := m.trials.of(pack)
	if t == nil {
		return nil
	}
	in, over := t.result()
	if !over {
		return nil
	}
	_, out := Step(*s, in, m.c.Now())
	if out.RollBack == "" {
		return nil
	}
	_, err = m.rollBack(ctx, s, out.RollBack, Rollback{Cause: Cause{Kind: TrialFailed, Failures: in.Failures, Events: in.Events}})
	return err
}

// result returns how the version did, and whether its trial is over.
func (t *trial) result() (in Failing, over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Failing{Version: t.Version, Events: t.events, Failures: t.failures}, t.over
}

// of returns the trial of a pack's version, nil if it is on none.
func (t *trials) of(pack string) *trial {
	all := t.byPack.Load()
	if all == nil {
		return nil
	}
	return (*all)[pack]
}

// follow begins the trial that a pack's version is on by its standing, and with nil ends
// the one there is. It leaves one alone that it began before, and one that has passed.
func (t *trials) follow(pack string, on *Trial) {
	if t.begun[pack] == on {
		return
	}
	if t.begun == nil {
		t.begun = map[string]*Trial{}
	}
	t.begun[pack] = on
	t.change(func(all map[string]*trial) {
		delete(all, pack)
		if on != nil {
			all[pack] = &trial{Trial: on, events: on.Events, failures: on.Failures}
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

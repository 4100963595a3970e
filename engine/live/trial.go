package live

import (
	"context"
	"sync"
	"sync/atomic"
)

// A new version is on trial for its first trialEvents events: if it fails on
// more than one in trialShare of them where its predecessor did not, it is
// rolled back automatically. So is one that fails on each of the first trialAll, because a quiet account gets few events in an hour.
const (
	trialEvents = 50
	trialShare  = 5
	trialAll    = 5
)

// trials keeps the versions on trial. Every event is counted, which costs one atomic
// load while there are none.
type trials struct {
	any    atomic.Bool // some trial is not over
	mu     sync.Mutex
	byPack map[string]*trial
}

// trial counts the events of a version on trial.
type trial struct {
	*Trial
	did  Record
	over bool
}

// failed reports whether the version is to be rolled back.
func (t *trial) failed() bool { return t.over && tooMany(t.did.Events, t.did.Failures) }

// resumed returns the trial that a version was on when the process ended; nil: none.
func (m *Manager) resumed(ctx context.Context, now *KeptVersion) (*Trial, error) {
	if now.Events >= trialEvents {
		return nil, nil
	}
	if tooMany(now.Events, now.Failures) && now.Last.After(now.Since) {
		return nil, nil // somebody made it live again although it had failed
	}
	versions, err := m.c.Keeper.Versions(ctx, now.Pack, KeptVersions)
	if err != nil {
		return nil, err
	}
	for i := range versions {
		before := &versions[i]
		if before.Version == now.Version || before.Candidate || !before.RolledBack.IsZero() {
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
// reports whether the version has to be rolled back: then the caller calls
// RollBackFailing, from a goroutine that may wait.
func (m *Manager) Handled(pack, version string, failed bool) bool {
	t := &m.trials
	if !t.any.Load() {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	on := t.byPack[pack]
	if on == nil || on.over || on.Version != version {
		return false
	}
	on.did.Events++
	if failed {
		on.did.Failures++
	}
	fails := tooMany(on.did.Events, on.did.Failures)
	on.over = fails || on.did.Events >= trialEvents
	t.note()
	return fails
}

// tooMany reports whether a number of failures in the first events is too high.
func tooMany(events, failures int64) bool {
	return failures*trialShare > trialEvents || failures >= trialAll && failures == events
}

// RollBackFailing rolls back a version that Handled has found failing. It does not wait
// until the pending work of the version is dropped.
func (m *Manager) RollBackFailing(ctx context.Context, pack string) error {
	s, err := m.command(ctx, pack)
	if err != nil {
		return err
	}
	defer m.release()
	t := m.trials.of(pack)
	if !t.failed() {
		return nil
	}
	to := s.failedTrial(t.Version)
	if to == "" {
		return nil
	}
	_, err = m.rollBack(ctx, s, to, Rollback{Cause: Cause{Kind: TrialFailed, Failures: t.did.Failures, Events: t.did.Events}})
	return err
}

// of returns the state of the trial of a pack's version; zero: it is on none.
func (t *trials) of(pack string) (on trial) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.byPack[pack]; now != nil {
		on = *now
	}
	return on
}

// follow starts the trial of a pack's standing, unless it runs already; with nil it ends
// the pack's trial.
func (t *trials) follow(pack string, now *Trial) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if on := t.byPack[pack]; now == nil {
		delete(t.byPack, pack)
	} else if on == nil || on.Trial != now {
		if t.byPack == nil {
			t.byPack = map[string]*trial{}
		}
		t.byPack[pack] = &trial{Trial: now, did: Record{Version: now.Version, Events: now.Events, Failures: now.Failures}}
	}
	t.note()
}

// note updates any.
func (t *trials) note() {
	any := false
	for _, on := range t.byPack {
		any = any || !on.over
	}
	t.any.Store(any)
}

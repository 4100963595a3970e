package live

import (
	"context"
	"errors"
	"slices"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

const (
	// gateSlots is how many packs' specs run at a time: a slow one does not hold up
	// the others, and a core remains for the events.
	gateSlots = 2
	// gateRound is how long edits that have passed wait for others of the same
	// reading, to go live as one.
	gateRound = 20 * time.Millisecond
	// gatePatience is how long a watch waits for specs before it may report the
	// next change.
	gatePatience = 150 * time.Millisecond
)

// Gate runs specs and checks on a version of a pack.
type Gate func(context.Context, *rules.Pack) GateResult

// GateResult is the result of a gate on a version.
type GateResult struct {
	Refused     Kind      // SpecsFail or ChecksFail; FilesLive: the version may go live
	Diagnostics diag.List // shown with it
}

// run is a run of the gate on the edit that a pack tries.
type run struct {
	pack   string
	cancel context.CancelFunc
	done   chan struct{} // closed at its end

	found Gated // complete once done is closed
}

// runGate starts the gate on the edit that a pack tries.
func (m *Manager) runGate(s *Standing) {
	ctx, cancel := context.WithCancel(m.tasks.ctx)
	r, gate, version := &run{pack: s.Pack, cancel: cancel, done: make(chan struct{})}, m.c.Gate, s.Trying.Version.Pack
	m.runs[s.Pack] = r
	m.tasks.start(func(context.Context) {
		defer close(r.done)
		defer cancel()
		select {
		case m.slots <- struct{}{}:
			defer func() { <-m.slots }()
			r.found.GateResult = gate(ctx, version)
		case <-ctx.Done():
		}
		r.found.Cut = ctx.Err() != nil
	})
}

// stopGate ends the run of the gate on a pack's edit, if there is one.
func (m *Manager) stopGate(pack string) {
	if r := m.runs[pack]; r != nil {
		r.cancel()
		delete(m.runs, pack)
	}
}

// collect waits until edits have been tried and settles them, those that are
// quick before those that are slow. apply is called with the lock after some were.
func (m *Manager) collect(ctx context.Context, pending []*run, apply func()) error {
	var errs []error
	for len(pending) > 0 {
		var ready []*run
		round, cancel := context.WithTimeout(ctx, gateRound)
		pending = slices.DeleteFunc(pending, func(r *run) bool {
			select {
			case <-r.done:
			case <-round.Done(): // the round of the others has ended, too
			}
			select {
			case <-r.done:
				ready = append(ready, r)
				return true
			default:
				return false
			}
		})
		cancel()
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
		if len(ready) == 0 {
			continue
		}
		if err := m.acquire(ctx); err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, t := range ready {
			errs = append(errs, m.settle(ctx, t))
		}
		apply()
		m.release()
	}
	return errors.Join(errs...)
}

// collectApart runs collect in a goroutine of its own. It waits for it until ctx ends
// and, unless all is set, for gatePatience at most. Later errors are logged.
func (m *Manager) collectApart(ctx context.Context, pending []*run, reason string, all bool) error {
	if len(pending) == 0 {
		return nil
	}
	ended := make(chan error)
	left, leave := context.WithCancel(ctx)
	defer leave()
	m.tasks.start(func(ctx context.Context) {
		err := m.collect(ctx, pending, func() { m.swap(reason) })
		if err != nil && ctx.Err() == nil {
			m.readLater(againAfter)
		}
		select {
		case ended <- err:
		case <-ctx.Done():
		case <-left.Done():
			if err != nil && ctx.Err() == nil {
				m.c.Log.Error("could not store an edit that passed the gate", "err", err, "hint", diag.StoreHint+"; then run: chertd reload")
			}
		}
	})
	var patience <-chan time.Time
	if !all {
		patience = time.After(gatePatience)
	}
	select {
	case err := <-ended:
		return err
	case <-patience:
	case <-m.tasks.ctx.Done():
	case <-ctx.Done():
	}
	return ctx.Err()
}

// settle decides about an edit on which the gate has run, if it is still the pack's.
func (m *Manager) settle(ctx context.Context, r *run) error {
	s := m.packs[r.pack]
	if s == nil || m.runs[r.pack] != r {
		return nil
	}
	delete(m.runs, r.pack)
	in := r.found
	if in.Cut || in.Refused != FilesLive {
		return m.give(ctx, s, in, nil)
	}
	var err error
	if in.Peers, err = m.peers(ctx, s, s.Trying.Version.Pack); err != nil {
		return errors.Join(err, m.give(ctx, s, NotKept{in}, nil))
	}
	return m.give(ctx, s, in, nil)
}

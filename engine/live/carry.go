package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chertd/rules"
)

// give moves a pack by an input and carries out the commands that follow, until none
// needs a result. b is the pack as it was read, nil if it was not. An error is the
// keeper's.
func (m *Manager) give(ctx context.Context, s *Standing, in Input, b *rules.Candidate) error {
	var errs []error
	for in != nil {
		now := m.c.Now()
		next, out := Step(*s, in, now)
		if err := m.keep(ctx, s.Pack, &out.Keep, now); err != nil {
			errs = append(errs, err)
			next, out = Step(*s, NotKept{in}, now)
		}
		*s = next
		m.carryOut(s, &out, now)
		var err error
		switch {
		case out.Compile != nil:
			in, err = m.compile(ctx, s, b, out.Compile)
		case out.Recall != nil:
			in, err = m.recall(ctx, s, out.Recall)
		default:
			in = nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// carryOut carries out the commands that need no result.
func (m *Manager) carryOut(s *Standing, out *Commands, now time.Time) {
	for _, d := range out.Drop {
		m.noteDrop(s.Pack, d)
		if d.Forget {
			delete(m.changes, s.Pack)
		}
	}
	for i := range out.Log {
		out.Log[i].write(m.c.Log)
	}
	if !out.LookAgain.IsZero() {
		m.readLater(out.LookAgain.Sub(now))
	}
	if out.StopGate {
		m.stopGate(s.Pack)
	}
	if out.RunGate {
		m.runGate(s)
	}
	m.trials.follow(s.Pack, s.Trial)
	if out.Forget {
		delete(m.packs, s.Pack)
	}
}

// keep has the store keep what a step returned.
func (m *Manager) keep(ctx context.Context, pack string, k *Keep, now time.Time) error {
	if v := k.Version; v != nil {
		kept := KeptVersion{Pack: pack, Version: v.Hash, Since: now, Last: now}
		if v.Pack != nil {
			kept.Path, kept.Files = v.Pack.Path, v.Pack.Files
		}
		if err := m.c.Keeper.SaveVersion(ctx, kept); err != nil {
			return fmt.Errorf("keep version %s of pack %q: %w", rules.ShortOf(v.Hash), pack, err)
		}
	}
	for version, live := range k.Marks {
		v, ok, err := m.c.Keeper.Version(ctx, pack, version)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if live {
			v.Last, v.RolledBack = now, time.Time{}
		} else {
			v.RolledBack = now
		}
		if err := m.c.Keeper.SaveVersion(ctx, v); err != nil {
			return err
		}
	}
	for version, kept := range k.Pending {
		if err := m.c.Keeper.SetPendingKept(ctx, pack, version, kept); err != nil {
			return err
		}
	}
	if k.RulesGone {
		if err := m.c.Keeper.SetRulesDeleted(context.WithoutCancel(ctx), pack, true); err != nil {
			m.c.Log.Warn("should the process end now, reads of rules that were deleted go out all the same", "pack", pack, "err", err)
		}
	}
	if k.State == nil {
		return nil
	}
	if err := m.c.Keeper.SetPackState(ctx, *k.State); err != nil {
		return fmt.Errorf("keep which version of pack %q is live: %w", pack, err)
	}
	return nil
}

package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// give moves a pack by an input and carries out the commands that follow, until none
// needs a result. b is the pack as it was read; nil if it was not read. An error comes
// from the keeper.
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
		m.noteDrop(d)
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
	m.wakes.at(s.Pack, out.Wake)
	if out.Forget {
		delete(m.packs, s.Pack)
		m.wakes.at(s.Pack, time.Time{})
	}
}

// keep stores what a step returned.
func (m *Manager) keep(ctx context.Context, pack string, k *Keep, now time.Time) error {
	if v := k.Version; v != nil {
		kept := KeptVersion{Pack: pack, Version: v.Hash, Since: now, Last: now}
		if v.Pack != nil {
			kept.Path, kept.Files, kept.Rules = v.Pack.Path, v.Pack.Files, v.Pack.RuleNames()
		}
		if err := m.c.Keeper.SaveVersion(ctx, kept); err != nil {
			return fmt.Errorf("keep version %s of pack %q: %w", rules.ShortOf(v.Hash), pack, err)
		}
	}
	if v := k.Candidate; v != nil {
		kept := KeptVersion{Pack: pack, Version: v.Hash, Since: now, Last: now, Candidate: true}
		if v.Pack != nil {
			kept.Path, kept.Files, kept.Rules = v.Pack.Path, v.Pack.Files, v.Pack.RuleNames()
		}
		if err := m.c.Keeper.SaveVersion(ctx, kept); err != nil {
			return fmt.Errorf("keep the candidate %s of pack %q: %w", rules.ShortOf(v.Hash), pack, err)
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
			v.Last, v.RolledBack, v.Candidate = now, time.Time{}, false
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
			m.c.Log.Warn("could not store that rules were deleted; after a crash their pending reads may go out", "pack", pack, "err", err)
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

// LiveMessage is logged once when the first rules go live, and then each time another
// version of a pack goes live, with the changes.
const LiveMessage = "rules are live"

// swap makes a set of the live versions and swaps it in, if it differs. Then it drops
// the pending work of packs that are no longer live, in the background.
func (m *Manager) swap(reason string) (dropped []*dropEnd) {
	parts := rules.SetParts{Modes: map[string]rules.Mode{}, Withdrawn: map[rules.PackVersion]bool{}, Rollouts: map[string]rules.Rollout{}, RuleModes: map[string]map[string]rules.RuleMode{}, Commands: map[string]string{}, Content: m.folder.content, Unread: m.folder.diags.Errors()}
	for _, s := range m.sorted() {
		m.loadCandidate(s)
		m.tend(s)
		if s.inSet() {
			addTo(&parts, s)
		}
	}
	m.complain(len(parts.Packs))
	if len(parts.Packs) > 0 || m.set != nil {
		if set := rules.NewSet(parts, m.options); m.set == nil || !m.set.SameAs(set) {
			before := m.set
			m.set = set
			m.publish() // before the set handles an event
			m.c.Swap(set)
			m.logLive(before, set, reason)
		}
	}
	for _, d := range m.drops {
		dropped = append(dropped, m.drop(d))
	}
	m.drops = nil
	return dropped
}

// addTo adds a pack to the parts of a set.
func addTo(parts *rules.SetParts, s *Standing) {
	mode, _ := s.modeNow()
	parts.Modes[s.Pack] = mode
	for version := range s.Back {
		parts.Withdrawn[rules.PackVersion{Pack: s.Pack, Version: version}] = true
	}
	if mode != rules.Live && !s.PendingKept {
		parts.Withdrawn[rules.PackVersion{Pack: s.Pack}] = true
	}
	rollout := rules.Rollout{Share: s.shareNow(), KeepsPending: s.PendingKept}
	if c := s.beside(); c != nil {
		rollout.Candidate = c.Hash
		parts.Candidates = append(parts.Candidates, c.Pack)
	}
	if rollout.Candidate != "" || rollout.Share != 0 {
		parts.Rollouts[s.Pack] = rollout
	}
	if s.Mode != "" && s.Why == "" && (mode != rules.Live || s.shareNow() != 0) {
		parts.Commands[s.Pack] = s.commandWords()
	}
	if s.RuleModes != "" {
		parts.RuleModes[s.Pack] = s.RuleModes.forRules()
	}
	if s.Version.Runs() {
		parts.Packs = append(parts.Packs, s.Version.Pack)
	} else if s.unloaded() {
		parts.Unloaded = append(parts.Unloaded, rules.Unloaded{Pack: s.Pack, Version: s.Files.Version, Path: s.Path, Why: s.whyNone(), CanVeto: s.mayVeto()})
	}
}

// tend brings a pack's standing up to date before the set is swapped.
func (m *Manager) tend(s *Standing) {
	on := m.trials.of(s.Pack)
	in := Swap{Passed: on.over && !on.failed()}
	if m.set != nil && m.set.Has(s.Pack) {
		in.Mode = m.set.Mode(s.Pack)
	}
	now := m.c.Now()
	next, out := Step(*s, in, now)
	if err := m.keep(context.Background(), s.Pack, &out.Keep, now); err != nil {
		if next.Mode != s.Mode {
			m.c.Log.Error("a pack stays in shadow although its limit was raised: its mode can't be kept", "pack", s.Pack, "err", err, "hint", diag.StoreHint)
		} else {
			m.c.Log.Warn("could not store the settings of a pack; if those in chertd.yaml do not fit it at the next start, it does not go live", "pack", s.Pack, "err", err)
		}
		next, out = Step(*s, NotKept{in}, now)
	}
	*s = next
	m.carryOut(s, &out, now)
}

// logLive logs how a set differs from the one before it.
func (m *Manager) logLive(before, now *rules.Set, reason string) {
	if before == nil {
		m.c.Log.Info(LiveMessage, "because", reason, "packs", len(now.Packs()))
		return
	}
	var reconfigured, settings []string // settings: PACK.NAME whose values differ
	for _, p := range now.Packs() {
		was := before.Pack(p.Name)
		if was != nil && was.Built() == p.Built() {
			continue
		}
		if was != nil && was.Version == p.Version {
			reconfigured = append(reconfigured, p.Name)
			for _, name := range rules.SettingsChanged(was, p) {
				settings = append(settings, p.Name+"."+name)
			}
			continue
		}
		from := "none"
		if was != nil {
			from = was.ShortVersion()
		}
		c := rules.ChangeOf(was, p)
		m.changes[p.Name] = &c
		m.c.Log.Info(LiveMessage, append([]any{"pack", p.Name, "version", p.ShortVersion(), "from", from, "because", because(p.Path, reason)}, changeAttrs(&c)...)...)
	}
	if len(reconfigured) > 0 {
		m.c.Log.Info("packs run under a changed configuration", "packs", reconfigured, "settings", settings, "because", reason)
	}
	for _, name := range slices.Sorted(now.Known()) {
		was, r, old := before.Mode(name), now.Rollout(name), before.Rollout(name)
		moved := r.Share != old.Share && r.Candidate == old.Candidate // that a candidate begins or ends is logged there
		if was == "" || now.Pack(name) == nil || was == now.Mode(name) && !moved {
			continue
		}
		_, by := m.packs[name].modeNow()
		attrs := []any{"pack", name, "mode", now.Mode(name), "from", was, "by", by}
		switch {
		case moved && r.Candidate != "":
			attrs = append(attrs, "candidate", rules.ShortOf(r.Candidate), "share", shareOf(r.Share), "share_from", shareOf(old.Share))
		case moved:
			attrs = append(attrs, "share", r.Share, "share_from", old.Share)
		}
		m.c.Log.Info("the mode of a pack changed", attrs...)
	}
}

// because returns the part of a reason that is about the pack at a path, if the reason
// lists changed files of several packs.
func because(path, reason string) string {
	own := slices.DeleteFunc(strings.Split(reason, ", "), func(what string) bool {
		rest, ok := strings.CutPrefix(what, strings.TrimSuffix(path, ".lua"))
		return !ok || !strings.HasPrefix(rest, ".lua ") && !strings.HasPrefix(rest, "_spec.lua ") && !strings.HasPrefix(rest, "/")
	})
	if len(own) == 0 || strings.HasSuffix(reason, " more") {
		return reason
	}
	return strings.Join(own, ", ")
}

package live

import (
	"context"
	"slices"
	"strings"

	"chertd/rules"
)

// LiveMessage is logged once when the first rules are live, and then each time
// another version of a pack is, with what that changes.
const LiveMessage = "rules are live"

// swap makes a set of the live versions and swaps it in, if it differs. From then on
// the pending work of packs that are no longer live is dropped in the background.
func (m *Manager) swap(reason string) (dropped []*dropEnd) {
	parts := rules.SetParts{Modes: map[string]rules.Mode{}, Withdrawn: map[rules.PackVersion]bool{}, Content: m.folder.content, Unread: m.folder.diags.Errors()}
	for _, s := range m.sorted() {
		m.tend(s)
		if s.InSet() {
			addTo(&parts, s)
		}
	}
	m.complain(len(parts.Packs))
	if len(parts.Packs) > 0 || m.set != nil {
		if set := rules.NewSet(parts, m.options); m.set == nil || !m.set.SameAs(set) {
			before := m.set
			m.set = set
			m.publish() // before anyone sees the set at work
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
	mode, _ := s.ModeNow()
	parts.Modes[s.Pack] = mode
	for version := range s.Back {
		parts.Withdrawn[rules.PackVersion{Pack: s.Pack, Version: version}] = true
	}
	if mode != rules.Live && !s.PendingKept {
		parts.Withdrawn[rules.PackVersion{Pack: s.Pack}] = true
	}
	if s.Version.Runs() {
		parts.Packs = append(parts.Packs, s.Version.Pack)
	} else if s.Unloaded() {
		parts.Unloaded = append(parts.Unloaded, rules.Unloaded{Pack: s.Pack, Version: s.Files.Version, Path: s.Path, Why: s.whyNone(), CanVeto: s.CanVeto()})
	}
}

// tend has a pack's standing catch up before the set is swapped.
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
			m.c.Log.Error("a pack stays in shadow although its limit was raised: its mode can't be kept", "pack", s.Pack, "err", err)
		} else {
			m.c.Log.Warn("the settings of a pack can't be kept: should those in chertd.yaml not fit it at the next start, it is not live", "pack", s.Pack, "err", err)
		}
		next, out = Step(*s, NotKept{in}, now)
	}
	*s = next
	m.carryOut(s, &out, now)
}

// logLive logs what a set does that the one before it did not.
func (m *Manager) logLive(before, now *rules.Set, reason string) {
	if before == nil {
		m.c.Log.Info(LiveMessage, "because", reason, "packs", len(now.Packs()))
		return
	}
	var reconfigured []string
	for _, p := range now.Packs() {
		was := before.Pack(p.Name)
		if was != nil && was.Built() == p.Built() {
			continue
		}
		if was != nil && was.Version == p.Version {
			reconfigured = append(reconfigured, p.Name)
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
		m.c.Log.Info("packs run under a changed configuration", "packs", reconfigured, "because", reason)
	}
	for _, name := range slices.Sorted(now.Known()) {
		if was := before.Mode(name); before.Has(name) && was != now.Mode(name) && now.Pack(name) != nil {
			_, by := m.packs[name].ModeNow()
			m.c.Log.Info("the mode of a pack changed", "pack", name, "mode", now.Mode(name), "from", was, "by", by)
		}
	}
}

// because is what of a reason is about the pack at a path, where that lists changed
// files of several.
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

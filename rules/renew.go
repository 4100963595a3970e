package rules

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// renew makes a set of what is live and swaps it in, if it is another. What
// packs that are not live any more have waiting is dropped, from then on and
// apart.
func (g *Generations) renew(reason string) (dropped []*dropEnd) {
	var packs []*Pack
	var unloaded []Unloaded
	modes := map[string]Mode{}
	withdrawn := map[withdrawal]bool{}
	for name, s := range g.packs {
		g.overcome(s)
		g.keepSettings(s)
		mode, _ := g.mode(s)
		if s.live == nil && s.gone && s.state.Live == "" && s.missed.IsZero() {
			continue // only what was said about it is remembered
		}
		modes[name] = mode
		s.kept = s.kept && mode != Live
		for version := range s.back {
			withdrawn[withdrawal{name, version}] = true
		}
		if mode != Live && !s.kept {
			withdrawn[withdrawal{pack: name}] = true
		}
		if s.live != nil {
			packs = append(packs, s.live)
		} else if mode == Live && (s.wanted() || s.canVeto()) {
			unloaded = append(unloaded, Unloaded{Pack: name, Version: s.edit, Path: s.path, Why: s.whyNone(), CanVeto: s.canVeto()})
		}
	}
	g.complain(len(packs))
	if len(packs) > 0 || g.set != nil {
		set := assemble(packs, unloaded, modes, g.content, g.options)
		set.withdrawn, set.unread = withdrawn, g.folder.Errors()
		if g.set == nil || !g.set.sameAs(set) {
			before := g.set
			g.dropOff(before, modes)
			g.set = set
			g.publish() // who sees the set at work is told of it
			g.c.Swap(set)
			g.tellLive(before, set, reason)
		}
	}
	for _, d := range g.drops {
		dropped = append(dropped, g.drop(d))
	}
	g.drops = nil
	return dropped
}

// overcome takes shadow mode back from a pack whose limit, for which it was sent
// there, was raised. If that can't be kept it is tried again at the next turn.
func (g *Generations) overcome(s *standing) {
	if s.live == nil || s.state.Mode != Shadow || !s.live.Manifest.Reads.overcome(s.state.Limit) {
		return
	}
	state := s.state
	state.Mode, state.Why, state.Limit = "", "", Rate{}
	if err := g.c.Keeper.SetPackState(context.Background(), state); err != nil {
		g.c.Log.Error("a pack stays in shadow although its limit was raised: its mode can't be kept", "pack", state.Pack, "err", err)
		return
	}
	why := s.state.Why
	s.state = state
	mode, by := g.mode(s)
	g.c.Log.Info("shadow mode ends: the pack's limit of reads was raised", "pack", state.Pack, "was", why, "mode", mode, "by", by)
}

// tellLive logs what a set does that the one before it did not.
func (g *Generations) tellLive(before, now *Set, reason string) {
	if before == nil {
		g.c.Log.Info(LiveMessage, "because", reason, "packs", len(now.packs))
		return
	}
	var reconfigured []string
	for _, p := range now.packs {
		was := before.Pack(p.Name)
		if was != nil && was.built == p.built {
			continue
		}
		if was != nil && was.Version == p.Version {
			reconfigured = append(reconfigured, p.Name)
			continue
		}
		s, from := g.packs[p.Name], "none"
		if was != nil {
			from = was.ShortVersion()
		}
		c := changeOf(was, p)
		s.change = &c
		g.c.Log.Info(LiveMessage, append([]any{"pack", p.Name, "version", p.ShortVersion(), "from", from, "because", p.because(reason)}, c.attrs()...)...)
	}
	if len(reconfigured) > 0 {
		g.c.Log.Info("packs run under a changed configuration", "packs", reconfigured, "because", reason)
	}
	for _, name := range slices.Sorted(maps.Keys(now.modes)) {
		if was, known := before.modes[name]; known && was != now.modes[name] && now.Pack(name) != nil {
			_, by := g.mode(g.packs[name])
			g.c.Log.Info("the mode of a pack changed", "pack", name, "mode", now.modes[name], "from", was, "by", by)
		}
	}
}

// because is what of a reason is about the pack, where that lists changed files of
// several.
func (p *Pack) because(reason string) string {
	own := slices.DeleteFunc(strings.Split(reason, ", "), func(what string) bool {
		rest, ok := strings.CutPrefix(what, strings.TrimSuffix(p.Path, ".lua"))
		return !ok || !strings.HasPrefix(rest, ".lua ") && !strings.HasPrefix(rest, "_spec.lua ") && !strings.HasPrefix(rest, "/")
	})
	if len(own) == 0 || strings.HasSuffix(reason, " more") {
		return reason
	}
	return strings.Join(own, ", ")
}

package live

import (
	"context"
	"slices"
	"strings"

	"chertd/rules"
)

// renew makes a set of what is live and swaps it in, if it is another. What
// packs that are not live any more have waiting is dropped, from then on and
// apart.
func (g *Generations) renew(reason string) (dropped []*dropEnd) {
	var packs []*rules.Pack
	var unloaded []rules.Unloaded
	modes := map[string]rules.Mode{}
	withdrawn := map[rules.PackVersion]bool{}
	for name, s := range g.packs {
		g.overcome(s)
		g.keepSettings(s)
		mode, _ := g.mode(s)
		if s.live == nil && s.gone && s.state.Live == "" && s.missed.IsZero() {
			continue // only what was said about it is remembered
		}
		modes[name] = mode
		s.kept = s.kept && mode != rules.Live
		for version := range s.back {
			withdrawn[rules.PackVersion{Pack: name, Version: version}] = true
		}
		if mode != rules.Live && !s.kept {
			withdrawn[rules.PackVersion{Pack: name}] = true
		}
		if s.live != nil {
			packs = append(packs, s.live)
		} else if mode == rules.Live && (s.wanted() || s.canVeto()) {
			unloaded = append(unloaded, rules.Unloaded{Pack: name, Version: s.edit, Path: s.path, Why: s.whyNone(), CanVeto: s.canVeto()})
		}
	}
	g.complain(len(packs))
	if len(packs) > 0 || g.set != nil {
		set := rules.NewSet(rules.SetParts{Packs: packs, Unloaded: unloaded, Modes: modes, Withdrawn: withdrawn, Content: g.content, Unread: g.folder.Errors()}, g.options)
		if g.set == nil || !g.set.SameAs(set) {
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
	if s.live == nil || s.state.Mode != rules.Shadow || !overcome(s.live.Manifest.Reads, s.state.Why) {
		return
	}
	state := s.state
	state.Mode, state.Why = "", ""
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
func (g *Generations) tellLive(before, now *rules.Set, reason string) {
	if before == nil {
		g.c.Log.Info(LiveMessage, "because", reason, "packs", len(now.Packs()))
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
		s, from := g.packs[p.Name], "none"
		if was != nil {
			from = was.ShortVersion()
		}
		c := rules.ChangeOf(was, p)
		s.change = &c
		g.c.Log.Info(LiveMessage, append([]any{"pack", p.Name, "version", p.ShortVersion(), "from", from, "because", because(p, reason)}, changeAttrs(&c)...)...)
	}
	if len(reconfigured) > 0 {
		g.c.Log.Info("packs run under a changed configuration", "packs", reconfigured, "because", reason)
	}
	for _, name := range slices.Sorted(now.Known()) {
		if was := before.Mode(name); before.Has(name) && was != now.Mode(name) && now.Pack(name) != nil {
			_, by := g.mode(g.packs[name])
			g.c.Log.Info("the mode of a pack changed", "pack", name, "mode", now.Mode(name), "from", was, "by", by)
		}
	}
}

// because is what of a reason is about the pack, where that lists changed files of
// several.
func because(p *rules.Pack, reason string) string {
	own := slices.DeleteFunc(strings.Split(reason, ", "), func(what string) bool {
		rest, ok := strings.CutPrefix(what, strings.TrimSuffix(p.Path, ".lua"))
		return !ok || !strings.HasPrefix(rest, ".lua ") && !strings.HasPrefix(rest, "_spec.lua ") && !strings.HasPrefix(rest, "/")
	})
	if len(own) == 0 || strings.HasSuffix(reason, " more") {
		return reason
	}
	return strings.Join(own, ", ")
}

// overcome reports whether what a pack was sent to shadow for, a limit that it had
// reached, holds no longer: its limit is a higher one, or there is none.
func overcome(limit rules.Rate, why string) bool {
	was, ok := rules.LimitOf(why)
	return ok && (limit.N == 0 || limit.Raised(was))
}

package rules

import (
	"context"
	"errors"
	"slices"
	"time"

	"chertd/luabind"
)

// recall makes a kept version live, if it is not: by its files as they were,
// under the operator's word as it is now. If that is not possible a version that
// is live stays as it is, but not with grants that the operator has taken back.
func (g *Generations) recall(ctx context.Context, s *standing, version string) error {
	if s.live != nil && (s.live.Version == version || s.insteadOf == version) && s.word == g.word {
		return nil
	}
	b, since, err := g.source(ctx, s, version)
	if err == nil {
		if s.live != nil && s.live.built == b.pack.built && !b.diags.Errors() {
			s.word, s.lost, s.earlier = g.word, "", nil
			return nil
		}
		b.compile()
		if !b.diags.Errors() {
			notLive, said := s.notLive, s.said // of the files, which this is not about
			g.take(s, &verdict{pack: b.pack, diags: s.diags})
			s.notLive, s.said = notLive, said
			s.since, s.warnings = since, nil
			return nil
		}
		if earlier := g.withEarlier(s, b); earlier != nil {
			g.takeEarlier(s, earlier, since, b.diags)
			return nil
		}
		err = &LoadError{Version: b.pack.Version, Diagnostics: errorsOf(b.diags)}
	}
	var unknown *UnknownVersionError
	var unloadable *LoadError
	switch {
	case errors.As(err, &unknown):
		s.lastVeto = true // nobody can know
	case b == nil:
		return err
	default:
		s.lastVeto = b.mayVeto()
	}
	if b != nil && (s.live == nil || s.live.leftOut) {
		if left := g.withoutUnfit(s, b); left != nil {
			notLive, said := s.notLive, s.said
			g.take(s, &verdict{pack: left.pack, diags: s.diags})
			s.since, s.warnings, s.notLive, s.said = since, nil, notLive, said
			return nil
		}
	}
	if b != nil && len(b.lacks) > 0 {
		if done, err := g.needLess(ctx, s, b, version); done || err != nil {
			return err
		}
	}
	news := s.lost != err.Error()
	s.lost, s.lostWhy = err.Error(), nil
	hint := []any{}
	if errors.As(err, &unloadable) {
		s.lostWhy = unloadable.Diagnostics
		if fix := unloadable.Hint(); fix != "" {
			hint = []any{"hint", fix}
		}
	}
	if s.live != nil && (s.live.Version != version || !g.granted(s.live)) {
		g.drops = append(g.drops, drop{pack: s.state.Pack, version: s.live.Version, why: "off"})
		s.live = nil
	} else if s.live == nil && news && b != nil && !g.granted(b.pack) {
		g.drops = append(g.drops, drop{pack: s.state.Pack, version: version, why: "off"})
	}
	if news {
		instead := "none: its events are recorded as failed, to be run later"
		if s.live != nil {
			instead = "it stays live under the configuration as it was"
		}
		g.c.Log.Error("a version that was live can't be loaded again", append([]any{"pack", s.state.Pack, "version", shorten(version), "instead", instead, "err", err}, hint...)...)
	}
	return nil
}

// source is a version as it was read, built anew: the live one from memory,
// others as they are kept. The builder is nil if the error is the keeper's.
func (g *Generations) source(ctx context.Context, s *standing, version string) (b *builder, since time.Time, err error) {
	if s.live != nil && s.live.Version == version {
		return build(sourceOf(s.live.Name, s.live.Path, s.live.Files), g.options), s.since, nil
	}
	kept, ok, err := g.c.Keeper.Version(ctx, s.state.Pack, version)
	if err != nil {
		return nil, since, err
	}
	if !ok {
		return nil, since, &UnknownVersionError{Pack: s.state.Pack, Version: version}
	}
	return build(sourceOf(s.state.Pack, kept.Path, kept.Files), g.options), kept.Last, nil
}

// withoutUnfit is a version that was compiled, built again without the settings that
// it does not take; nil if it loads with them, or does not without.
func (g *Generations) withoutUnfit(s *standing, b *builder) *builder {
	if !slices.ContainsFunc(b.diags, func(d luabind.Diagnostic) bool { return d.Severity == luabind.SeverityError && d.Code == CodeNoSetting }) {
		return nil
	}
	o := g.options
	o.leaveUnfit = true
	left := build(b.src, o)
	if left.compile(); left.diags.Errors() {
		return nil
	}
	g.warnLeftOut(s, left)
	return left
}

// warnLeftOut logs once which settings of chertd.yaml a kept version runs without.
func (g *Generations) warnLeftOut(s *standing, b *builder) {
	left := slices.DeleteFunc(slices.Clone(b.diags), func(d luabind.Diagnostic) bool { return d.Code != CodeNoSetting }).Error()
	if left == s.leftOut {
		return
	}
	if s.leftOut = left; left != "" {
		g.c.Log.Warn("an earlier version of a pack does not take settings of chertd.yaml: its defaults count", "pack", s.state.Pack, "version", b.pack.ShortVersion(), "err", left)
	}
}

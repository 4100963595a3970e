package live

import (
	"context"
	"errors"
	"time"

	"chertd/rules"
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
		if s.live != nil && s.live.Built() == b.Pack().Built() && !b.Diagnostics().Errors() {
			s.word, s.lost, s.earlier, s.defaults = g.word, "", nil, false
			return nil
		}
		b.Compile()
		f := g.fit(s, b)
		if !f.Diagnostics().Errors() && (!f.defaults || s.live == nil || s.defaults) {
			g.takeFitted(s, f, since)
			return nil
		}
		err = &LoadError{Version: b.Pack().Version, Diagnostics: errorsOf(b.Diagnostics())}
	}
	var unknown *UnknownVersionError
	var unloadable *LoadError
	switch {
	case errors.As(err, &unknown):
		s.lastVeto = true // nobody can know
	case b == nil:
		return err
	default:
		s.lastVeto = b.MayVeto()
	}
	if b != nil && len(b.Lacks()) > 0 {
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
	if s.live != nil && (s.live.Version != version || !g.options.Granted(s.live)) {
		g.drops = append(g.drops, drop{pack: s.state.Pack, version: s.live.Version, why: "off"})
		s.live = nil
	} else if s.live == nil && news && b != nil && !g.options.Granted(b.Pack()) {
		g.drops = append(g.drops, drop{pack: s.state.Pack, version: version, why: "off"})
	}
	if news {
		instead := "none: its events are recorded as failed, to be run later"
		if s.live != nil {
			instead = "it stays live under the configuration as it was"
		}
		g.c.Log.Error("a version that was live can't be loaded again", append([]any{"pack", s.state.Pack, "version", rules.ShortOf(version), "instead", instead, "err", err}, hint...)...)
	}
	return nil
}

// source is a version as it was read, built anew: the live one from memory,
// others as they are kept. The builder is nil if the error is the keeper's.
func (g *Generations) source(ctx context.Context, s *standing, version string) (b *rules.Candidate, since time.Time, err error) {
	if s.live != nil && s.live.Version == version {
		return rules.KeptCandidate(s.live.Name, s.live.Path, s.live.Files, g.options), s.since, nil
	}
	kept, ok, err := g.c.Keeper.Version(ctx, s.state.Pack, version)
	if err != nil {
		return nil, since, err
	}
	if !ok {
		return nil, since, &UnknownVersionError{Pack: s.state.Pack, Version: version}
	}
	return rules.KeptCandidate(s.state.Pack, kept.Path, kept.Files, g.options), kept.Last, nil
}

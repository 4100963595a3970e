package live

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// A setting in chertd.yaml that does not fit a version that is live, or that a rollback
// makes live, must not end it, nor make it run with its defaults: the settings count that
// the pack had, also across a restart. They are kept with what is remembered of the pack.

// fitted is a version that was compiled, with settings that fit it if there are any.
type fitted struct {
	*rules.Candidate
	unfit    diag.List // what does not fit it in those of chertd.yaml; nil: it has these
	defaults bool      // what the pack had is not known: its defaults are in their place
}

// keptSettings are what is to be kept of the pack's settings once the version is live.
func (s *standing) keptSettings(p *rules.Pack, unfit diag.List) string {
	if len(unfit) > 0 && s.state.Settings != "" {
		return s.state.Settings
	}
	return p.SettingsJSON()
}

// keepSettings keeps those of the live version. If that fails it is tried again at the
// next turn.
func (g *Generations) keepSettings(s *standing) {
	if s.live == nil || s.live.Version != s.state.Live && s.insteadOf == "" {
		return
	}
	state := s.state
	if state.Settings = s.keptSettings(s.live, s.earlier); state == s.state {
		return
	}
	if err := g.c.Keeper.SetPackState(context.Background(), state); err != nil {
		g.c.Log.Warn("the settings of a pack can't be kept: should those in chertd.yaml not fit it at the next start, it is not live", "pack", state.Pack, "err", err)
		return
	}
	s.state = state
}

// fit is a kept version that was compiled: as it is if it loads, or with the settings
// that the pack had, or without what it does not take. A rollback must not need another
// configuration. If nothing helps it is returned with its errors.
func (g *Generations) fit(s *standing, b *rules.Candidate) fitted {
	if !b.Diagnostics().Errors() || len(b.Lacks()) > 0 {
		return fitted{Candidate: b}
	}
	if earlier := withEarlier(s, b); earlier != nil {
		return fitted{Candidate: earlier, unfit: errorsOf(b.Diagnostics())}
	}
	if left := withoutUnfit(b); left != nil {
		return fitted{Candidate: left, unfit: errorsOf(b.Diagnostics()), defaults: true}
	}
	return fitted{Candidate: b}
}

// withEarlier builds a version again that does not load, with the settings that the pack
// had last; nil if these are not known, or if it does not load with them.
func withEarlier(s *standing, b *rules.Candidate) *rules.Candidate {
	settings := map[string]any{}
	if s.state.Settings == "" || json.Unmarshal([]byte(s.state.Settings), &settings) != nil {
		return nil
	}
	return b.Refit(settings)
}

// withoutUnfit builds a version again without the settings that it does not take; nil if
// these are not why it does not load.
func withoutUnfit(b *rules.Candidate) *rules.Candidate {
	if !slices.ContainsFunc(b.Diagnostics(), func(d diag.Diagnostic) bool { return d.Severity == diag.SeverityError && d.Code == rules.CodeNoSetting }) {
		return nil
	}
	return b.Refit(nil)
}

// takeFitted makes a kept version live, or lets it be if it is, as it was fitted.
func (g *Generations) takeFitted(s *standing, f fitted, since time.Time) {
	if s.live != nil && s.live.Built() == f.Pack().Built() {
		s.word, s.lost = g.word, ""
		g.tellUnfit(s, f, s.live.Version, s.earlier)
		return
	}
	was, before := "", s.earlier
	if s.live != nil {
		was = s.live.Version
	}
	said, notLive := s.said, s.notLive // of the files, which this is not about
	g.take(s, &verdict{pack: f.Pack(), diags: s.diags})
	s.since, s.warnings, s.said, s.notLive = since, nil, said, notLive
	g.tellUnfit(s, f, was, before)
}

// tellUnfit notes what does not fit the version that was made live in the settings of
// chertd.yaml, and logs it once. was and before are the version and what did not fit it
// until then.
func (g *Generations) tellUnfit(s *standing, f fitted, was string, before diag.List) {
	s.earlier, s.defaults = f.unfit, f.defaults
	if len(f.unfit) == 0 || was == s.live.Version && before.Error() == f.unfit.Error() {
		return
	}
	g.c.Log.Error("a version "+s.whySettings(), "pack", s.state.Pack, "version", s.live.ShortVersion(), "err", f.unfit)
}

// whySettings says with which settings the live version runs that those in chertd.yaml
// do not fit.
func (s *standing) whySettings() string {
	if s.defaults {
		return "is live without settings in chertd.yaml that do not fit it: its defaults count"
	}
	return "is live with the settings that the pack had: those in chertd.yaml do not fit it"
}

package live

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// consider decides whether a pack's files go live as they are.
func (g *Generations) consider(ctx context.Context, s *standing, b *rules.Candidate, waited bool) error {
	version, key := b.Pack().Version, b.Key()
	g.warnInVain(b)
	if s.edit != version || s.gone || s.unread {
		s.diags, s.notLive = nil, ""
	}
	s.path, s.edit, s.content, s.manifest, s.empty = b.Pack().Path, version, b.Content(), b.Pack().Manifest, false
	s.gone, s.unread = false, false
	if s.trying != nil && s.trying.key != key {
		s.giveUp()
	}
	if s.state.Live == "" && g.starting && b.Unwritten() {
		s.unwritten = version
	}
	if s.live == nil || s.live.Built() != b.Pack().Built() {
		s.editVeto = s.mayVeto(b)
	}
	if b.Broken() {
		// What is not read is no change: a rollback stays.
		return g.refuse(ctx, s, &verdict{key: key, content: s.content, why: "it can't be read", diags: b.Diagnostics()})
	}
	if version == s.state.PinnedOver || version == s.state.Live && (s.live == nil || rules.SameSpecs(s.live.Files, b.Pack().Files)) {
		s.complete, s.half = b.Pack().Files, half{}
	} else if wait, err := g.givesTime(ctx, s, b, waited); wait || err != nil {
		return errors.Join(err, g.fallBack(ctx, s))
	}
	if s.state.Pinned != "" {
		state := s.state
		switch state.PinnedOver {
		case "", version:
			return g.stayPinned(ctx, s, version)
		case noFilesKept:
			state.PinnedOver = "" // there are files, and they can go again
		case noFiles:
			kept, _, err := g.c.Keeper.Version(ctx, state.Pack, version)
			if err != nil {
				return errors.Join(fmt.Errorf("look pack %q up: %w", state.Pack, err), g.fallBack(ctx, s))
			}
			if kept.RolledBack.IsZero() {
				state.Pinned, state.PinnedOver = "", ""
			} else {
				state.PinnedOver = version // the files that were rolled back are there again
			}
		default:
			state.Pinned, state.PinnedOver = "", "" // an edit, also one that restores what was rolled back earlier
		}
		if err := g.c.Keeper.SetPackState(ctx, state); err != nil {
			return errors.Join(fmt.Errorf("keep to what pack %q is pinned: %w", state.Pack, err), g.fallBack(ctx, s))
		}
		if s.state = state; state.Pinned != "" {
			return g.stayPinned(ctx, s, version)
		}
	}
	if s.live != nil && s.live.Built() == b.Pack().Built() && !b.Diagnostics().Errors() {
		if g.c.Gate != nil && !rules.SameSpecs(s.live.Files, b.Pack().Files) {
			return g.considerSpecs(ctx, s, b)
		}
		g.tellBack(s)
		s.live, s.word, s.notLive, s.lost, s.earlier, s.defaults, s.diags = s.live.WithFiles(b.Pack().Files), g.word, "", "", nil, false, s.warnings
		s.giveUp()
		return nil
	}
	if s.trying != nil {
		return g.fallBack(ctx, s) // its specs are running
	}
	if s.tried != nil && s.tried.key == key {
		s.editVeto, s.empty = s.tried.veto, s.tried.empty
		if s.tried.pack == nil {
			return g.refuse(ctx, s, s.tried)
		}
		return g.promote(ctx, s, s.tried)
	}
	kept, known, err := g.c.Keeper.Version(ctx, s.state.Pack, version)
	if err != nil {
		return errors.Join(fmt.Errorf("look pack %q up: %w", s.state.Pack, err), g.fallBack(ctx, s))
	}
	b.Compile()
	s.editVeto, s.empty = s.mayVeto(b), b.Empty()
	v := &verdict{key: key, content: s.content, diags: b.Diagnostics(), veto: s.editVeto, empty: s.empty}
	if b.Diagnostics().Errors() {
		v.why = whyRefused(b)
		return g.refuse(ctx, s, v)
	}
	v.pack, v.restores = b.Pack(), kept.RolledBack
	switch {
	case known && s.state.Live == version:
		// It was live already: the process is new, or the operator's word about it.
		if s.live == nil || s.live.Version != version {
			if err := g.resume(ctx, kept); err != nil {
				return errors.Join(err, g.fallBack(ctx, s))
			}
			s.since = kept.Last
		}
		g.take(s, v)
		if g.c.Gate != nil && !rules.SameSpecs(kept.Files, b.Pack().Files) {
			// They were changed since that version went live first, and may fail.
			s.live = s.live.WithFiles(kept.filesOver(b.Pack().Files))
			return g.considerSpecs(ctx, s, b)
		}
		return nil
	case g.c.Gate != nil:
		// Also one that was live before: only a rollback is exempt.
		s.tried = nil
		s.notLive, s.diags = "its specs are running", b.Diagnostics()
		s.trying = g.gate(s.state.Pack, v)
		return g.fallBack(ctx, s)
	}
	return g.promote(ctx, s, v)
}

// considerSpecs decides about an edit of a pack that changes its specs alone: it
// passes the gate as any, and the rules stay live whatever that finds.
func (g *Generations) considerSpecs(ctx context.Context, s *standing, b *rules.Candidate) error {
	key := b.Key()
	switch {
	case s.trying != nil: // they are running
	case s.tried != nil && s.tried.key == key:
		return g.refuse(ctx, s, s.tried)
	default:
		s.tried = nil
		s.notLive, s.diags = "its specs are running", nil
		s.trying = g.gate(s.state.Pack, &verdict{key: key, content: s.content, pack: s.live.WithFiles(b.Pack().Files), diags: s.warnings, veto: s.editVeto})
	}
	return g.fallBack(ctx, s)
}

// takeSpecs makes specs that passed those of the live version.
func (g *Generations) takeSpecs(s *standing, v *verdict) {
	s.live, s.tried, s.said, s.notLive, s.diags = s.live.WithFiles(v.pack.Files), nil, "", "", v.diags
	what := "the specs of a pack were deleted"
	if slices.ContainsFunc(s.live.Files, func(f rules.File) bool { return f.Kind == rules.SpecFile }) {
		what = "the specs of a pack changed, and pass"
	}
	g.c.Log.Info(what, "pack", s.state.Pack, "version", s.live.ShortVersion())
}

// stayPinned leaves a pack at the version that a rollback made live.
func (g *Generations) stayPinned(ctx context.Context, s *standing, version string) error {
	s.giveUp()
	if version == s.state.Pinned {
		g.tellBack(s)
		s.notLive, s.diags = "", nil
	} else if said := s.saidPinned(); s.said != said {
		s.said, s.notLive, s.diags = said, s.whyPinned(""), nil
		g.c.Log.Warn("an edit is not live: "+s.notLive, "pack", s.state.Pack, "edit", rules.ShortOf(version),
			"instead", "version "+rules.ShortOf(s.state.Pinned)+" stays live", "hint", diag.PackCommand("rollback", s.state.Pack, "--undo")+" makes its files live")
	} else if s.notLive == "" {
		s.notLive = s.whyPinned("")
	}
	s.tried = nil
	if state := s.state; state.Live != state.Pinned {
		// Kept first: what is live is so after a restart, too.
		state.Live = state.Pinned
		if err := g.c.Keeper.SetPackState(ctx, state); err != nil {
			s.lastVeto = s.lastVeto || s.live == nil // nobody can know
			return errors.Join(fmt.Errorf("keep which version of pack %q is live: %w", state.Pack, err), g.fallBack(ctx, s))
		}
		s.state = state
	}
	return g.recall(ctx, s, s.state.Pinned)
}

// tellBack logs that files which were not live are again as what is live.
func (g *Generations) tellBack(s *standing) {
	if s.said != "" && s.live != nil {
		g.c.Log.Info("the files are again as the version that is live", "pack", s.state.Pack, "version", s.live.ShortVersion())
	}
	s.said = ""
}

// refuse leaves the last good version live and says why, once.
func (g *Generations) refuse(ctx context.Context, s *standing, v *verdict) error {
	// The configuration is not part of it: whatever it says, the edit is the same.
	said := v.content + v.why + v.diags.Error()
	news := s.said != said
	s.giveUp()
	s.said, s.tried, s.notLive, s.diags = said, v, v.why, v.diags
	lost, instead := s.lost, s.insteadOf
	err := g.fallBack(ctx, s)
	if s.edit == s.state.Live && (s.lost != lost || s.insteadOf != instead) {
		news = false // the configuration is to blame, and the log says what it has done
	}
	if news {
		said := []any{"pack", s.state.Pack}
		if s.live == nil || s.live.Version != s.edit {
			said = append(said, "edit", rules.ShortOf(s.edit))
		}
		goesOn := "none: its events are recorded as failed, to be run later"
		if s.live != nil {
			goesOn = "version " + s.live.ShortVersion() + " stays live"
		}
		g.c.Log.Error("an edit is not live: "+v.why, append(said, "instead", goesOn, "err", v.diags.Error())...)
	}
	return err
}

// clash decides about a name that several packs have: the one that was live
// goes on, and neither takes its place unasked.
func (g *Generations) clash(ctx context.Context, s *standing, all []*rules.Candidate) error {
	s.editVeto = slices.ContainsFunc(all, func(b *rules.Candidate) bool { return b.MayVeto() })
	path := s.path
	if s.live != nil {
		path = s.live.Path
	} else if s.state.Live != "" {
		kept, _, err := g.c.Keeper.Version(ctx, s.state.Pack, s.state.Live)
		if err != nil {
			return fmt.Errorf("look pack %q up: %w", s.state.Pack, err)
		}
		path = kept.Path
	}
	var diags diag.List
	var own *rules.Candidate
	content := ""
	for i, b := range all {
		content += b.Content()
		other := all[0]
		if i == 0 {
			other = all[1]
		}
		diags = append(diags, b.NameTaken(other))
		if b.Pack().Path == path {
			own = b
		}
	}
	if own == nil {
		own = all[0]
		s.path = own.Pack().Path
	}
	s.edit, s.manifest, s.empty, s.half = own.Pack().Version, own.Pack().Manifest, false, half{}
	s.gone, s.unread = false, false
	return g.refuse(ctx, s, &verdict{key: fmt.Sprint(diags), content: content, why: "two packs have this name", diags: diags})
}

// fallBack makes sure that the version that is live, or was last, is live under
// the operator's word as it is now.
func (g *Generations) fallBack(ctx context.Context, s *standing) error {
	switch {
	case s.insteadOf != "" && s.live != nil:
		return g.recall(ctx, s, s.insteadOf)
	case s.live != nil:
		return g.recall(ctx, s, s.live.Version)
	case s.state.Live != "":
		return g.recall(ctx, s, s.state.Live)
	}
	return nil
}

// take makes a verdict's pack the live one, without keeping that.
func (s *standing) take(v *verdict, word int) {
	s.live, s.word, s.lost, s.earlier, s.defaults, s.insteadOf, s.diags, s.warnings = v.pack, word, "", nil, false, "", v.diags, v.diags
	s.lastVeto = v.pack.CanVeto
	delete(s.back, v.pack.Version)
	if s.edit == v.pack.Version {
		s.notLive, s.said = "", ""
	}
}

// promote makes a version live that was not, and keeps it first: what is live
// can always be had back.
func (g *Generations) promote(ctx context.Context, s *standing, v *verdict) error {
	now, p := g.c.Now(), v.pack
	s.tried = v // its specs need not run again if the keeper fails
	trial, err := g.trialOf(ctx, s.live, p)
	if err != nil {
		s.notLive = "it could not be kept"
		return errors.Join(err, g.fallBack(ctx, s))
	}
	if err := g.c.Keeper.SaveVersion(ctx, KeptVersion{Pack: p.Name, Version: p.Version, Path: p.Path, Files: p.Files, Since: now, Last: now}); err != nil {
		s.notLive = "it could not be kept"
		return errors.Join(fmt.Errorf("keep version %s of pack %q: %w", p.ShortVersion(), p.Name, err), g.fallBack(ctx, s))
	}
	state := s.state
	fresh := state.Live == ""
	state.Live, state.Settings = p.Version, p.SettingsJSON()
	g.dropRules(s, p)
	if err := g.c.Keeper.SetPackState(ctx, state); err != nil {
		s.notLive = "it could not be kept"
		return errors.Join(fmt.Errorf("keep that version %s of pack %q is live: %w", p.ShortVersion(), p.Name, err), g.fallBack(ctx, s))
	}
	s.state, s.since, s.tried = state, now, nil
	if !v.restores.IsZero() {
		g.c.Log.Warn("an edit restores a version that was rolled back", "pack", p.Name, "version", p.ShortVersion(), "rolled_back", v.restores.UTC().Format(time.RFC3339),
			"hint", diag.PackCommand("rollback", p.Name, "--pin")+" keeps an earlier one live whatever is edited")
	}
	if fresh {
		v.diags = append(v.diags, g.warnAlike(p)...)
	}
	g.take(s, v)
	g.trials.set(p.Name, trial)
	return nil
}

// withoutRules leaves a pack as it was whose folder was emptied, or whose file
// became a folder: that is an edit that leaves it without a rule. A mount that
// failed and a copy under way look like this; a pack that is to go takes its
// folder along.
func (g *Generations) withoutRules(ctx context.Context, s *standing) error {
	s.edit, s.half, s.missed = "", half{}, time.Time{}
	s.gone, s.unread = false, false
	at := filepath.Join(g.c.Dir, filepath.Base(s.path))
	return g.refuse(ctx, s, &verdict{key: "without rules", why: "it has no rules", diags: diag.List{{File: at, Severity: diag.SeverityError,
		Message: "it is there, and holds no rules",
		Hint:    fmt.Sprintf("write its rules again; if the pack is to go, delete %s, too; to switch it off: %s", at, diag.PackCommand("mode", s.state.Pack, "off"))}}})
}

// filesGone is said of a pack of which nothing is left.
const filesGone = "its files are gone"

// mayVeto reports whether an edit of the pack may veto.
func (s *standing) mayVeto(b *rules.Candidate) bool {
	return b.MayVeto() || s.unwritten == b.Pack().Version && b.Pack().Manifest.FailurePolicy != rules.FailOpen
}

// whyRefused is why an edit that does not load is not live.
func whyRefused(b *rules.Candidate) string {
	switch {
	case b.Empty():
		return "it has no rules"
	case len(b.Lacks()) > 0:
		return "it needs a permission that it does not have: " + strings.Join(b.Lacks(), ", ")
	case !slices.ContainsFunc(b.Diagnostics(), func(d diag.Diagnostic) bool {
		return d.Severity == diag.SeverityError && d.Code != rules.CodeNoSetting
	}):
		return "it does not take what chertd.yaml sets"
	}
	return "it does not load"
}

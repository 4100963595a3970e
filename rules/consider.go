package rules

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// consider decides whether a pack's files go live as they are.
func (g *Generations) consider(ctx context.Context, s *standing, b *builder, waited bool) error {
	version, key := b.pack.Version, b.key()
	g.warnInVain(b)
	if s.edit != version || s.gone || s.unread {
		s.diags, s.notLive = nil, ""
	}
	s.path, s.edit, s.content, s.manifest, s.empty = b.src.path, version, b.content(), b.pack.Manifest, false
	s.gone, s.unread = false, false
	if s.trying != nil && s.trying.key != key {
		s.giveUp()
	}
	if s.state.Live == "" && g.starting && b.unwritten() {
		s.unwritten = version
	}
	if s.live == nil || s.live.built != b.pack.built {
		s.editVeto = s.mayVeto(b)
	}
	if b.src.broken.Errors() {
		// What is not read is no change: a rollback stays.
		return g.refuse(ctx, s, &verdict{key: key, content: s.content, why: "it can't be read", diags: b.diags})
	}
	if version == s.state.PinnedOver || version == s.state.Live && (s.live == nil || sameSpecs(s.live.Files, b.src.files)) {
		s.complete, s.half = b.src.files, half{}
	} else if wait, err := g.givesTime(ctx, s, b, waited); wait || err != nil {
		return errors.Join(err, g.fallBack(ctx, s))
	}
	if s.state.Pinned != "" {
		state := s.state
		switch {
		case state.PinStays && !state.PinnedWithoutFiles, state.PinnedOver == version:
			return g.stayPinned(ctx, s, version)
		case state.PinStays:
			state.PinnedWithoutFiles = false // there are files, and they can go again
		case state.PinnedWithoutFiles:
			kept, _, err := g.c.Keeper.Version(ctx, state.Pack, version)
			if err != nil {
				return errors.Join(fmt.Errorf("look pack %q up: %w", state.Pack, err), g.fallBack(ctx, s))
			}
			if kept.RolledBack.IsZero() {
				state.unpin()
			} else {
				state.PinnedOver, state.PinnedWithoutFiles = version, false // the files that were rolled back are there again
			}
		default:
			state.unpin() // an edit, also one that restores what was rolled back earlier
		}
		if err := g.c.Keeper.SetPackState(ctx, state); err != nil {
			return errors.Join(fmt.Errorf("keep to what pack %q is pinned: %w", state.Pack, err), g.fallBack(ctx, s))
		}
		if s.state = state; state.Pinned != "" {
			return g.stayPinned(ctx, s, version)
		}
	}
	if s.live != nil && s.live.built == b.pack.built && !b.diags.Errors() {
		if g.c.Gate != nil && !sameSpecs(s.live.Files, b.pack.Files) {
			return g.considerSpecs(ctx, s, b)
		}
		g.tellBack(s)
		s.live, s.word, s.notLive, s.lost, s.earlier, s.defaults, s.diags = s.live.withFiles(b.pack.Files), g.word, "", "", nil, false, s.warnings
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
	b.compile()
	s.editVeto, s.empty = s.mayVeto(b), b.empty
	v := &verdict{key: key, content: s.content, diags: b.diags, veto: s.editVeto, empty: s.empty}
	if b.diags.Errors() {
		v.why = b.whyRefused()
		return g.refuse(ctx, s, v)
	}
	v.pack, v.restores = b.pack, kept.RolledBack
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
		if g.c.Gate != nil && !sameSpecs(kept.Files, b.pack.Files) {
			// They were changed since that version went live first, and may fail.
			s.live = s.live.withFiles(kept.filesOver(b.pack.Files))
			return g.considerSpecs(ctx, s, b)
		}
		return nil
	case g.c.Gate != nil:
		// Also one that was live before: only a rollback is exempt.
		s.tried = nil
		s.notLive, s.diags = "its specs are running", b.diags
		s.trying = g.gate(s.state.Pack, v)
		return g.fallBack(ctx, s)
	}
	return g.promote(ctx, s, v)
}

// considerSpecs decides about an edit of a pack that changes its specs alone: it
// passes the gate as any, and the rules stay live whatever that finds.
func (g *Generations) considerSpecs(ctx context.Context, s *standing, b *builder) error {
	key := b.key()
	switch {
	case s.trying != nil: // they are running
	case s.tried != nil && s.tried.key == key:
		return g.refuse(ctx, s, s.tried)
	default:
		s.tried = nil
		s.notLive, s.diags = "its specs are running", nil
		s.trying = g.gate(s.state.Pack, &verdict{key: key, content: s.content, pack: s.live.withFiles(b.pack.Files), diags: s.warnings, veto: s.editVeto})
	}
	return g.fallBack(ctx, s)
}

// takeSpecs makes specs that passed those of the live version.
func (g *Generations) takeSpecs(s *standing, v *verdict) {
	s.live, s.tried, s.said, s.notLive, s.diags = s.live.withFiles(v.pack.Files), nil, "", "", v.diags
	what := "the specs of a pack were deleted"
	if slices.ContainsFunc(s.live.Files, func(f File) bool { return f.Kind == SpecFile }) {
		what = "the specs of a pack changed, and pass"
	}
	g.c.Log.Info(what, "pack", s.state.Pack, "version", s.live.ShortVersion())
}

// sameSpecs reports whether files have the same specs among them.
func sameSpecs(a, b []File) bool {
	specs := func(files []File) (list []File) {
		for _, f := range files {
			if f.Kind == SpecFile {
				list = append(list, f)
			}
		}
		return list
	}
	return contentOf([]source{{files: specs(a)}}, nil) == contentOf([]source{{files: specs(b)}}, nil)
}

// stayPinned leaves a pack at the version that a rollback made live.
func (g *Generations) stayPinned(ctx context.Context, s *standing, version string) error {
	s.giveUp()
	if version == s.state.Pinned {
		g.tellBack(s)
		s.notLive, s.diags = "", nil
	} else if said := s.saidPinned(); s.said != said {
		s.said, s.notLive, s.diags = said, s.whyPinned(""), nil
		g.c.Log.Warn("an edit is not live: "+s.notLive, "pack", s.state.Pack, "edit", shorten(version),
			"instead", "version "+shorten(s.state.Pinned)+" stays live", "hint", diag.PackCommand("rollback", s.state.Pack, "--undo")+" makes its files live")
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
			said = append(said, "edit", shorten(s.edit))
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
func (g *Generations) clash(ctx context.Context, s *standing, all []*builder) error {
	s.editVeto = slices.ContainsFunc(all, func(b *builder) bool { return b.mayVeto() })
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
	var own *builder
	content := ""
	for i, b := range all {
		content += b.content()
		other := all[0]
		if i == 0 {
			other = all[1]
		}
		b.nameTaken(other)
		diags = append(diags, b.diags[len(b.diags)-1])
		if b.src.path == path {
			own = b
		}
	}
	if own == nil {
		own = all[0]
		s.path = own.src.path
	}
	s.edit, s.manifest, s.empty, s.half = own.pack.Version, own.pack.Manifest, false, half{}
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

// granted reports whether the operator still grants what a pack was given and
// what it needs.
func (g *Generations) granted(p *Pack) bool {
	can := g.options.Packs[p.Name].Grant
	has := func(c string) bool { return slices.Contains(can, c) }
	for _, c := range slices.Concat(p.Grants, p.Manifest.Permissions) {
		if !has(c) {
			return false
		}
	}
	return true
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

// sourceOf is a pack as it was found on disk, of files as they are kept.
func sourceOf(name, path string, files []File) source {
	single := slices.ContainsFunc(files, func(f File) bool {
		return f.Kind == RuleFile && f.Name == filepath.Base(path) && strings.HasSuffix(path, ".lua")
	})
	src := source{name: name, path: path, folder: !single}
	dir := path
	if single {
		dir = filepath.Dir(path)
	}
	for _, f := range files {
		f.Path = filepath.Join(dir, filepath.FromSlash(f.Name))
		src.files = append(src.files, f)
	}
	return src
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
	state.Live, state.Settings = p.Version, p.settingsJSON()
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

// key tells two readings of an edit apart, specs and the operator's word included.
func (b *builder) key() string {
	return b.pack.built + contentOf([]source{b.src}, b.diags)
}

// content tells edits apart, by the files alone.
func (b *builder) content() string { return contentOf([]source{b.src}, nil) }

// mayVeto reports whether files that may not even compile use a veto: the reads
// of events such a pack can't look at are blocked. What can't be read might hold
// anything.
func (b *builder) mayVeto() bool {
	switch b.pack.Manifest.FailurePolicy {
	case FailClosed:
		return true
	case FailOpen:
		return false
	}
	return b.src.broken.Errors() || b.manifestBroken || b.pack.CanVeto ||
		slices.ContainsFunc(b.pack.Files, func(f File) bool {
			return (f.Kind == RuleFile || f.Kind == LibFile) && (luabind.MayVeto(f.Bytes) || b.cutShort(f))
		})
}

// cutShort reports whether a source ends before it is complete, so that the rest
// might hold a veto: within a block, or in the last line of a pack that has no
// rules yet.
func (b *builder) cutShort(f File) bool {
	return luabind.EndsEarly(f.Bytes) || b.empty && !endsLine(f.Bytes) && luabind.HasCode(f.Bytes)
}

// unwritten reports whether a pack's rule files have yet to be written: there are
// none, or none has more in it than blanks and the beginning of a comment.
func (b *builder) unwritten() bool {
	begun := false
	for _, f := range b.pack.Files {
		if f.Kind == RuleFile && (luabind.HasCode(f.Bytes) || len(bytes.TrimSpace(f.Bytes)) > 0 && endsLine(f.Bytes)) {
			return false
		}
		begun = begun || f.Kind != SpecFile
	}
	return begun
}

// mayVeto reports whether an edit of the pack may veto.
func (s *standing) mayVeto(b *builder) bool {
	return b.mayVeto() || s.unwritten == b.pack.Version && b.pack.Manifest.FailurePolicy != FailOpen
}

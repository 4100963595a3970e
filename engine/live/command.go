package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// ErrNoPack is returned for a pack that is not there.
var ErrNoPack = errors.New("there is no such pack")

// ErrNoEarlier is returned if there is no version to roll back to.
var ErrNoEarlier = errors.New("no earlier version is kept")

// ErrNotRolledBack is returned if there is no rollback to undo.
var ErrNotRolledBack = errors.New("it was not rolled back: its files are live")

// ErrNoFiles is returned if a rollback is to be undone and the pack has no files.
var ErrNoFiles = errors.New("its files are gone")

// AmbiguousVersionError is returned for a beginning that several versions have.
type AmbiguousVersionError struct {
	Pack, Version string
	Candidates    []KeptVersion // the one that was live last first
}

func (e *AmbiguousVersionError) Error() string {
	words := make([]string, len(e.Candidates))
	for i, v := range e.Candidates {
		digits := max(shortDigits, len(e.Version))
		for slices.ContainsFunc(e.Candidates, func(o KeptVersion) bool { return o.Version != v.Version && o.Version[:digits] == v.Version[:digits] }) {
			digits++
		}
		words[i] = fmt.Sprintf("%s (live until %s)", v.Version[:digits], v.Last.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("pack %q has %d versions that begin with %s: %s", e.Pack, len(words), e.Version, strings.Join(words, ", "))
}

// LoadError says why a version that is kept can't be loaded.
type LoadError struct {
	Version     string
	Diagnostics diag.List // the errors
}

// Error is one line, with the first of them.
func (e *LoadError) Error() string {
	first := e.Diagnostics[0]
	first.Hint = ""
	more := ""
	if n := len(e.Diagnostics) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("load version %s: %s%s", rules.ShortOf(e.Version), first, more)
}

// Hint is what fixes the first of them; it may be "".
func (e *LoadError) Hint() string { return e.Diagnostics[0].Hint }

// ErrPresent is returned when a pack is to be removed whose files are there.
var ErrPresent = errors.New("its files are in the rules folder")

// FolderUnreadError is returned when a pack is to be removed and nobody knows
// whether its files are gone: the rules folder can't be read.
type FolderUnreadError struct {
	Pack   string
	Folder diag.Diagnostic // what is wrong with the folder
}

func (e *FolderUnreadError) Error() string {
	return fmt.Sprintf("remove pack %q: nobody knows whether its files are gone: %s: %s", e.Pack, e.Folder.File, e.Folder.Message)
}

// noFiles stands in PackState.PinnedOver if the pack had no files when it was
// pinned: any that come end it.
const noFiles = "none"

// noFilesKept stands there if they do not end it.
const noFilesKept = "none, kept"

// SetMode sets how a pack runs, by command or because of why. "" takes it back.
// Unless keepPending, what the pack has waiting is dropped if it is live no
// more; SetMode returns when that is done.
func (g *Generations) SetMode(ctx context.Context, pack string, mode rules.Mode, why string, keepPending bool) (PackStanding, error) {
	s, err := g.command(ctx, pack)
	if err != nil {
		return PackStanding{}, err
	}
	dropped, err := g.setMode(ctx, s, mode, why, keepPending)
	standing := g.standing(s)
	g.end()
	return standing.with(ctx, dropped, err)
}

// ToShadow sends a pack that is live to shadow because of why. It does not wait
// for the dropping of what the pack has waiting.
func (g *Generations) ToShadow(ctx context.Context, pack, why string) (changed bool, err error) {
	s, err := g.command(ctx, pack)
	if err != nil {
		return false, err
	}
	defer g.end()
	if mode, _ := g.mode(s); mode != rules.Live || s.live != nil && overcome(s.live.Manifest.Reads, why) {
		return false, nil // or its limit was raised meanwhile
	}
	_, err = g.setMode(ctx, s, rules.Shadow, why, false)
	return err == nil, err
}

func (g *Generations) setMode(ctx context.Context, s *standing, mode rules.Mode, why string, keepPending bool) (dropped []*dropEnd, err error) {
	pack, was := s.state.Pack, s.state
	s.state.Mode, s.state.Why = mode, why
	after, by := g.mode(s)
	kept := after != rules.Live && keepPending
	if err = g.c.Keeper.SetFlag(ctx, keptFlag(pack, ""), kept); err == nil {
		err = g.c.Keeper.SetPackState(ctx, s.state)
	}
	if err != nil {
		s.state = was
		return nil, fmt.Errorf("keep the mode of pack %q: %w", pack, err)
	}
	s.kept = kept
	if after != rules.Live && !kept {
		g.drops = append(g.drops, drop{pack: pack, why: string(after)})
	}
	return g.renew(fmt.Sprintf("pack %s is %s (%s)", pack, after, by)), nil
}

// Remove forgets a pack whose files are gone, and returns when what it has
// waiting is dropped. It reads the folder first: the files may be gone since a
// moment ago.
func (g *Generations) Remove(ctx context.Context, pack string, keepPending bool) (Dropped, error) {
	s, err := g.command(ctx, pack)
	if err == nil && !s.gone && !s.unread {
		g.end()
		if err := g.readNow(ctx, "pack "+pack+" is to be removed"); err != nil {
			return Dropped{}, err
		}
		s, err = g.command(ctx, pack)
	}
	if err != nil {
		return Dropped{}, err
	}
	if i := slices.IndexFunc(g.folder, func(d diag.Diagnostic) bool { return d.Severity == diag.SeverityError }); i >= 0 && s.unread {
		defer g.end()
		return Dropped{}, &FolderUnreadError{Pack: pack, Folder: g.folder[i]}
	}
	if !s.gone {
		defer g.end()
		return Dropped{}, fmt.Errorf("remove pack %q: %w: %s", pack, ErrPresent, s.path)
	}
	if mode, _ := g.mode(s); mode == rules.Live && s.live != nil && s.live.CanVeto {
		g.c.Log.Warn("pack removed by command, and it could veto reads; what it kept unread may be read now", "pack", pack, "hint", diag.PackCommand("rollback", pack)+" restores it from the store")
	} else {
		g.c.Log.Info("pack removed by command", "pack", pack)
	}
	// By hand, what an operator said of it before is forgotten, too.
	s.state = PackState{Pack: pack}
	g.remove(s, keepPending)
	ends := g.renew("pack " + pack + " was removed")
	g.end()
	return wait(ctx, ends)
}

// with is the standing with what was dropped, once that is done.
func (p PackStanding) with(ctx context.Context, ends []*dropEnd, err error) (PackStanding, error) {
	dropped, waitErr := wait(ctx, ends)
	p.Dropped = dropped
	return p, errors.Join(err, waitErr)
}

// Rollback makes a kept version live: the one that was live before if version
// is "". It stays until the pack's files change, or also then if pin is set.
// Unless keepPending, what the version that was live has waiting is dropped. A
// pack that was removed is restored: "" is its version that was live last.
func (g *Generations) Rollback(ctx context.Context, pack, version string, pin, keepPending bool) (PackStanding, error) {
	s, err := g.command(ctx, pack)
	if errors.Is(err, ErrNoPack) {
		if removed, lookErr := g.removed(ctx, pack); lookErr != nil {
			return PackStanding{}, lookErr
		} else if removed != nil {
			s, err = removed, nil
		}
	}
	if err != nil {
		return PackStanding{}, err
	}
	dropped, err := g.rollBack(ctx, s, version, rollback{pin: pin, keepPending: keepPending, why: "by command"})
	if err != nil && s.state == (PackState{Pack: pack}) && s.gone {
		delete(g.packs, pack) // it stays removed
	}
	standing := g.standing(s)
	g.end()
	return standing.with(ctx, dropped, err)
}

// Undo ends a rollback: the pack's files are live again. A version of them that
// was live before is live without specs and checks, as after any rollback; files
// that never were are an edit like any other.
func (g *Generations) Undo(ctx context.Context, pack string, keepPending bool) (PackStanding, error) {
	if err := g.readNow(ctx, "the rollback of pack "+pack+" is to be undone"); err != nil {
		return PackStanding{}, err
	}
	s, err := g.command(ctx, pack)
	if err != nil {
		return PackStanding{}, err
	}
	before := s.live
	known, undone, err := g.beginUndo(ctx, s)
	if err != nil {
		defer g.end()
		return g.standing(s), fmt.Errorf("undo the rollback of pack %q: %w", pack, err)
	}
	var dropped []*dropEnd
	if known {
		dropped, err = g.rollBack(ctx, s, undone, rollback{undo: true, keepPending: keepPending, why: "undone by command"})
		standing := g.standing(s)
		g.end()
		return standing.with(ctx, dropped, err)
	}
	g.end()
	if err := g.Read(ctx, "the rollback of pack "+pack+" was undone"); err != nil {
		return PackStanding{}, err
	}
	if s, err = g.command(ctx, pack); err != nil {
		return PackStanding{}, err
	}
	if s.live != nil && before != nil && s.live.Version != before.Version && !keepPending {
		g.drops = append(g.drops, drop{pack: pack, version: before.Version, why: "rolled back"})
		dropped = g.renew("the rollback of pack " + pack + " was undone")
	}
	standing := g.standing(s)
	g.end()
	return standing.with(ctx, dropped, nil)
}

// beginUndo ends a pack's pin, if there is one, or returns the version of its files
// if that was live before: then a rollback to it does.
func (g *Generations) beginUndo(ctx context.Context, s *standing) (known bool, version string, err error) {
	switch {
	case s.gone || s.edit == "":
		return false, "", ErrNoFiles
	case s.state.Pinned == "" && s.notLive == "":
		return false, "", ErrNotRolledBack
	}
	if s.state.Pinned == "" && s.live != nil && s.live.Version == s.edit {
		return false, "", nil // the rules are live, and something else of the files is not
	}
	if _, known, err = g.c.Keeper.Version(ctx, s.state.Pack, s.edit); err != nil || known {
		return known, s.edit, err
	}
	if s.state.Pinned == "" {
		return false, "", nil // an edit has ended it, and does not pass
	}
	state := s.state
	state.Pinned, state.PinnedOver = "", ""
	if err := g.c.Keeper.SetPackState(ctx, state); err != nil {
		return false, "", err
	}
	s.state = state
	return false, "", nil
}

// rollback says how to roll back.
type rollback struct {
	pin         bool // also when the pack's files change
	undo        bool // to what the files are: nothing is pinned, and the version before is as good as it was
	keepPending bool
	why         string
}

func (g *Generations) rollBack(ctx context.Context, s *standing, version string, how rollback) (dropped []*dropEnd, err error) {
	pack, from := s.state.Pack, s.live
	if version == "" {
		version, err = g.earlier(ctx, s)
	} else {
		version, err = g.pick(ctx, pack, version)
	}
	if err != nil {
		return nil, err
	}
	f, err := g.remake(ctx, s, version)
	if err != nil {
		return nil, err
	}
	to := f.Pack()
	if from != nil && from.Built() == to.Built() {
		to = from
	}
	kept, _, err := g.c.Keeper.Version(ctx, pack, to.Version)
	if err != nil {
		return nil, fmt.Errorf("look up how version %s of pack %q did: %w", to.ShortVersion(), pack, err)
	}
	if err := g.keepRollback(ctx, s, from, to, s.keptSettings(to, f.unfit), how); err != nil {
		return nil, fmt.Errorf("keep the rollback of pack %q: %w", pack, err)
	}
	s.giveUp()
	s.tried, s.diags = nil, nil
	s.since = g.c.Now()
	s.keptOf = ""
	if from != nil && how.keepPending {
		s.keptOf = from.Version
	}
	g.take(s, &verdict{pack: to})
	g.tellUnfit(s, f, "", nil)
	s.notLive = ""
	if s.edit != to.Version {
		s.notLive = s.whyPinned(how.why)
	}
	if s.edit != "" && s.edit != to.Version {
		s.said = s.saidPinned() // the line below
	}
	g.trials.set(pack, nil)
	delete(s.back, to.Version)
	if from != nil && from.Version != to.Version && !how.keepPending {
		s.back[from.Version] = true
		g.drops = append(g.drops, drop{pack: pack, version: from.Version, why: "rolled back"})
	}
	said := []any{"pack", pack, "version", to.ShortVersion(), "from", s.shortFrom(from), "why", how.why}
	if kept.Failures > 0 {
		said = append(said, "failed_before", fmt.Sprintf("on %d of its %d events", kept.Failures, kept.Events))
	}
	if how.undo {
		g.c.Log.Warn("a rollback was undone", said...)
	} else {
		g.c.Log.Warn("rolled back", said...)
	}
	if how.undo {
		return g.renew("the rollback of pack " + pack + " was undone"), nil
	}
	return g.renew(fmt.Sprintf("pack %s was rolled back to %s", pack, to.ShortVersion())), nil
}

// keepRollback makes a rollback durable. What it can't end because the keeper
// fails in between does no harm: the version stays live that is.
func (g *Generations) keepRollback(ctx context.Context, s *standing, from, to *rules.Pack, settings string, how rollback) error {
	now, pack := g.c.Now(), s.state.Pack
	if err := g.mark(ctx, pack, to.Version, func(v *KeptVersion) { v.Last, v.RolledBack = now, time.Time{} }); err != nil {
		return err
	}
	if from != nil && from.Version != to.Version {
		if err := g.c.Keeper.SetFlag(ctx, keptFlag(pack, from.Version), how.keepPending); err != nil {
			return err
		}
		if !how.undo {
			if err := g.mark(ctx, pack, from.Version, func(v *KeptVersion) { v.RolledBack = now }); err != nil {
				return err
			}
		}
	}
	state := s.state
	state.Live, state.Settings, state.Pinned, state.PinnedOver = to.Version, settings, to.Version, s.edit
	switch {
	case how.undo:
		state.Pinned, state.PinnedOver = "", ""
	case s.edit == "" && how.pin:
		state.PinnedOver = noFilesKept
	case s.edit == "":
		state.PinnedOver = noFiles
	case how.pin:
		state.PinnedOver = ""
	}
	if err := g.c.Keeper.SetPackState(ctx, state); err != nil {
		return err
	}
	s.state = state
	return nil
}

// mark changes what is kept of a version, if it is kept.
func (g *Generations) mark(ctx context.Context, pack, version string, change func(*KeptVersion)) error {
	v, ok, err := g.c.Keeper.Version(ctx, pack, version)
	if err != nil || !ok {
		return err
	}
	change(&v)
	return g.c.Keeper.SaveVersion(ctx, v)
}

// pick is the version that a beginning means.
func (g *Generations) pick(ctx context.Context, pack, beginning string) (string, error) {
	beginning = strings.ToLower(beginning)
	versions, err := g.c.Keeper.Versions(ctx, pack, KeptVersions)
	if err != nil {
		return "", fmt.Errorf("look up the versions of pack %q: %w", pack, err)
	}
	versions = slices.DeleteFunc(versions, func(v KeptVersion) bool { return !strings.HasPrefix(v.Version, beginning) })
	switch len(versions) {
	case 0:
		return beginning, nil // one that is kept beyond the others, or none
	case 1:
		return versions[0].Version, nil
	}
	return "", &AmbiguousVersionError{Pack: pack, Version: beginning, Candidates: versions}
}

// remake builds a kept version, of which version may be the beginning.
func (g *Generations) remake(ctx context.Context, s *standing, version string) (fitted, error) {
	b, _, err := g.source(ctx, s, version)
	if err != nil {
		return fitted{}, err
	}
	if s.live != nil && s.live.Built() == b.Pack().Built() && !b.Diagnostics().Errors() {
		return fitted{Candidate: b}, nil
	}
	b.Compile()
	f := g.fit(s, b)
	if f.Diagnostics().Errors() {
		return fitted{}, &LoadError{Version: b.Pack().Version, Diagnostics: errorsOf(f.Diagnostics())}
	}
	return f, nil
}

func (s *standing) shortFrom(p *rules.Pack) string {
	if p == nil {
		return "none"
	}
	return p.ShortVersion()
}

// earlier is the version that was live before the one that is, and did not fail
// on more events than a new version may, if there is one.
func (g *Generations) earlier(ctx context.Context, s *standing) (string, error) {
	versions, err := g.c.Keeper.Versions(ctx, s.state.Pack, KeptVersions)
	if err != nil {
		return "", err
	}
	versions = slices.DeleteFunc(versions, func(v KeptVersion) bool {
		return v.Version == s.state.Live || s.live != nil && v.Version == s.live.Version || !v.RolledBack.IsZero()
	})
	for i := range versions {
		if !versions[i].failing() {
			return versions[i].Version, nil
		}
	}
	if len(versions) > 0 {
		return versions[0].Version, nil // all failed: the log and the command say so
	}
	return "", fmt.Errorf("roll pack %q back: %w", s.state.Pack, ErrNoEarlier)
}

// command waits for the turn to carry out a command about a pack, and for what
// earlier ones have to drop of it.
func (g *Generations) command(ctx context.Context, pack string) (*standing, error) {
	if err := g.dropping.await(ctx, pack); err != nil {
		return nil, err
	}
	if err := g.begin(ctx); err != nil {
		return nil, err
	}
	if err := g.dropping.await(ctx, pack); err != nil {
		g.end()
		return nil, err
	}
	if s := g.packs[pack]; s != nil {
		return s, nil
	}
	defer g.end()
	return nil, g.noPack(pack)
}

// removed waits for the turn and takes up a pack that was removed, if versions
// of it are kept. It is nil, and the turn is not taken, if there are none.
func (g *Generations) removed(ctx context.Context, pack string) (*standing, error) {
	if err := g.begin(ctx); err != nil {
		return nil, err
	}
	versions, err := g.c.Keeper.Versions(ctx, pack, 1)
	if err != nil || len(versions) == 0 {
		g.end()
		return nil, err
	}
	s := g.packs[pack]
	if s == nil {
		s = &standing{state: PackState{Pack: pack}, path: versions[0].Path, gone: true, notLive: filesGone, back: map[string]bool{}}
		g.packs[pack] = s
	}
	return s, nil
}

func (g *Generations) noPack(name string) error {
	known := slices.Sorted(maps.Keys(g.packs))
	if near := diag.Suggest(name, known); near != "" {
		return fmt.Errorf("pack %q: %w: did you mean %s?", name, ErrNoPack, near)
	}
	return fmt.Errorf("pack %q: %w", name, ErrNoPack)
}

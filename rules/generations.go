package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"chertd/luabind"
)

// Generations decides which version of each pack is live, and makes a set of
// them whenever that changes. Whatever is wrong with a pack's files, the last
// version that was live goes on, also across a restart.
//
// Its methods may be called from many goroutines; readings and commands are
// carried out one after the other.
type Generations struct {
	c GenerationsConfig

	mu      sync.Mutex
	options Options
	packs   map[string]*standing
	set     *Set
	content string              // hash of what was read last
	folder  luabind.Diagnostics // what is wrong with the folder itself
	trials  trials
}

// GenerationsConfig is what Generations is made of.
type GenerationsConfig struct {
	Dir     string
	Options Options
	Keeper  Keeper
	// Gate runs a version's specs before it goes live; its errors keep the edit
	// from it. A version that was live once is not gated again. Nil: no gate.
	Gate func(context.Context, *Pack) luabind.Diagnostics
	Now  func() time.Time
	// Swap makes a set the live one.
	Swap func(*Set)
	// Cancel drops what a pack, or one version of it, still has waiting.
	Cancel func(ctx context.Context, pack, version, why string)
	Log    *slog.Logger
}

// standing is how one pack stands.
type standing struct {
	state PackState
	live  *Pack     // nil: none
	since time.Time // live since, as far as this process knows or was told

	path    string              // of its files
	edit    string              // version of its files as they are now; "": they are gone
	notLive string              // why they are not live, in words; "": they are
	diags   luabind.Diagnostics // what is wrong with them
	veto    bool                // they look as if they could veto
	gone    bool                // the files are gone, and the pack is kept
}

// NewGenerations makes a manager; nothing is live before Start.
func NewGenerations(c GenerationsConfig) *Generations {
	return &Generations{c: c, options: c.Options, packs: map[string]*standing{}}
}

// Start takes up what was live when the process last ran and reads the folder.
// An error is the keeper's.
func (g *Generations) Start(ctx context.Context) error {
	states, err := g.c.Keeper.PackStates(ctx)
	if err != nil {
		return fmt.Errorf("read which packs were live: %w", err)
	}
	g.mu.Lock()
	for _, s := range states {
		g.packs[s.Pack] = &standing{state: s, gone: true}
	}
	g.mu.Unlock()
	return g.Read(ctx, "start")
}

// Reconfigure takes another word of the operator about all packs and reads the
// folder by it.
func (g *Generations) Reconfigure(ctx context.Context, o Options) error {
	g.mu.Lock()
	o.Shards = g.options.Shards
	g.options = o
	g.mu.Unlock()
	return g.Read(ctx, "the configuration was read again")
}

// Read reads the folder and makes live what may be. An error is the keeper's:
// what could not be kept is not live.
func (g *Generations) Read(ctx context.Context, reason string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	sources, diags := readFolder(g.c.Dir)
	g.content, g.folder = contentOf(sources, diags), diags
	present := map[string]bool{}
	var errs []error
	for _, src := range sources {
		b := build(src, g.options)
		name := b.pack.Name
		if present[name] {
			b.fail(b.manifestPath(), "rename one: the name is what a pack's state is kept under", "the name %q is taken by %s", name, g.packs[name].path)
			g.packs[name].diags = append(g.packs[name].diags, b.diags...)
			g.packs[name].notLive = "two packs have this name"
			continue
		}
		present[name] = true
		if g.packs[name] == nil {
			g.packs[name] = &standing{state: PackState{Pack: name}}
		}
		errs = append(errs, g.consider(ctx, g.packs[name], b))
	}
	for _, name := range slices.Sorted(maps.Keys(g.packs)) {
		if !present[name] {
			errs = append(errs, g.missing(ctx, g.packs[name], len(present) > 0))
		}
	}
	if len(g.packs) == 0 && len(diags) == 0 {
		g.folder = luabind.Diagnostics{{File: g.c.Dir, Severity: luabind.SeverityError, Message: "there are no rules in this folder",
			Hint: "a pack is a file NAME.lua, or a folder with *.lua files"}}
	}
	g.renew(reason)
	return errors.Join(errs...)
}

// consider decides whether a pack's files go live as they are.
func (g *Generations) consider(ctx context.Context, s *standing, b *builder) error {
	version := b.pack.Version
	if s.edit != version || s.gone {
		s.diags, s.notLive = nil, ""
	}
	s.path, s.edit, s.gone, s.veto = b.src.path, version, false, looksLikeVeto(b.pack.Files)
	if p := s.state.Pinned; p != "" {
		if s.state.PinnedOver == "" || s.state.PinnedOver == version {
			s.notLive = fmt.Sprintf("pinned to %s by rollback", shorten(p))
			if version == p {
				s.notLive = ""
			}
			return g.recall(ctx, s, p)
		}
		s.state.Pinned, s.state.PinnedOver = "", ""
	}
	if s.live != nil && s.live.built == b.pack.built && !b.diags.Errors() {
		s.live, s.notLive, s.diags = s.live.withFiles(b.pack.Files), "", b.diags
		return nil
	}
	kept, known, err := g.c.Keeper.Version(ctx, s.state.Pack, version)
	if err != nil {
		return fmt.Errorf("look pack %q up: %w", s.state.Pack, err)
	}
	if known && !kept.RolledBack.IsZero() {
		s.notLive = fmt.Sprintf("this version was rolled back at %s", kept.RolledBack.UTC().Format(time.RFC3339))
		s.diags = luabind.Diagnostics{{File: s.path, Severity: luabind.SeverityError, Message: s.notLive,
			Hint: fmt.Sprintf("edit it, or make it live by hand: chertd rollback %s %s", s.state.Pack, shorten(version))}}
		return g.fallBack(ctx, s)
	}
	b.compile()
	if b.diags.Errors() {
		return g.refuse(ctx, s, b.diags, "it does not load")
	}
	if g.c.Gate != nil && !known {
		if diags := g.c.Gate(ctx, b.pack); diags.Errors() {
			return g.refuse(ctx, s, diags, "its specs fail")
		}
	}
	if known && s.state.Live == version {
		// It was live already: the process is new, or the operator's word about it.
		s.live, s.since, s.notLive, s.diags = b.pack, kept.Last, "", b.diags
		return nil
	}
	return g.promote(ctx, s, b.pack, b.diags)
}

// refuse leaves the last good version live and says why.
func (g *Generations) refuse(ctx context.Context, s *standing, diags luabind.Diagnostics, why string) error {
	news := s.notLive != why || !slices.Equal(s.diags, diags)
	s.notLive, s.diags = why, diags
	err := g.fallBack(ctx, s)
	if news {
		goesOn := "none was live before: its events are recorded as failed, to be run later"
		if s.live != nil {
			goesOn = "version " + s.live.ShortVersion() + " goes on"
		}
		g.c.Log.Error("an edit is not live: "+why, "pack", s.state.Pack, "edit", shorten(s.edit), "instead", goesOn, "err", diags.Error())
	}
	return err
}

// fallBack makes sure that the version that was live last is live.
func (g *Generations) fallBack(ctx context.Context, s *standing) error {
	if s.live != nil || s.state.Live == "" {
		return nil
	}
	return g.recall(ctx, s, s.state.Live)
}

// recall makes a kept version live, if it is not: by its files as they were,
// under the operator's word as it is now.
func (g *Generations) recall(ctx context.Context, s *standing, version string) error {
	if s.live != nil && s.live.Version == version {
		return nil
	}
	p, kept, err := g.remake(ctx, s, version)
	if err != nil {
		g.c.Log.Error("the last good version can't be had back", "pack", s.state.Pack, "version", shorten(version), "err", err)
		s.diags = append(s.diags, luabind.Diagnostic{File: s.path, Severity: luabind.SeverityError, Message: err.Error()})
		return nil
	}
	s.live, s.since = p, kept.Last
	return nil
}

// remake builds a kept version.
func (g *Generations) remake(ctx context.Context, s *standing, version string) (*Pack, KeptVersion, error) {
	kept, ok, err := g.c.Keeper.Version(ctx, s.state.Pack, version)
	if err != nil {
		return nil, kept, fmt.Errorf("read version %s: %w", shorten(version), err)
	}
	if !ok {
		return nil, kept, &UnknownVersionError{Pack: s.state.Pack, Version: version}
	}
	src := source{name: s.state.Pack, path: kept.Path, folder: !strings.HasSuffix(kept.Path, ".lua")}
	for _, f := range kept.Files {
		f.Path = kept.Path
		if src.folder {
			f.Path = kept.Path + "/" + f.Name
		}
		src.files = append(src.files, f)
	}
	b := build(src, g.options)
	if !b.diags.Errors() {
		b.compile()
	}
	if b.diags.Errors() {
		return nil, kept, fmt.Errorf("load version %s: %w", shorten(version), b.diags)
	}
	return b.pack, kept, nil
}

// promote makes a version live that was not, and keeps it first: what is live
// can always be had back.
func (g *Generations) promote(ctx context.Context, s *standing, p *Pack, diags luabind.Diagnostics) error {
	now := g.c.Now()
	before := s.live
	if err := g.c.Keeper.SaveVersion(ctx, KeptVersion{Pack: p.Name, Version: p.Version, Path: p.Path, Files: p.Files, Since: now, Last: now}); err != nil {
		s.notLive = "it could not be kept"
		return fmt.Errorf("keep version %s of pack %q: %w", p.ShortVersion(), p.Name, err)
	}
	state := s.state
	state.Live = p.Version
	if err := g.c.Keeper.SetPackState(ctx, state); err != nil {
		s.notLive = "it could not be kept"
		return fmt.Errorf("keep that version %s of pack %q is live: %w", p.ShortVersion(), p.Name, err)
	}
	s.state, s.live, s.since, s.notLive, s.diags = state, p, now, "", diags
	g.begin(ctx, before, p)
	return nil
}

// missing decides what becomes of a pack whose files are gone. It goes if the
// folder was readable and another pack remains; else all are kept.
func (g *Generations) missing(ctx context.Context, s *standing, others bool) error {
	name := s.state.Pack
	if len(g.folder) == 0 && others {
		g.c.Log.Info("pack removed: its files are gone", "pack", name)
		return g.drop(ctx, s, false)
	}
	if !s.gone && s.live != nil {
		g.c.Log.Warn("the files of the last pack are gone; it is kept as it was", "pack", name, "hint", "chertd packs remove "+name)
	}
	s.gone, s.edit, s.notLive = true, "", "its files are gone"
	if s.state.Live == "" && s.live == nil {
		delete(g.packs, name)
		return nil
	}
	return g.fallBack(ctx, s)
}

// drop forgets a pack and what it has waiting.
func (g *Generations) drop(ctx context.Context, s *standing, keepPending bool) error {
	if err := g.c.Keeper.ForgetPack(ctx, s.state.Pack); err != nil {
		return fmt.Errorf("forget pack %q: %w", s.state.Pack, err)
	}
	delete(g.packs, s.state.Pack)
	g.trials.end(s.state.Pack)
	if !keepPending {
		g.c.Cancel(ctx, s.state.Pack, "", "removed")
	}
	return nil
}

// renew makes a set of what is live and swaps it in, if it is another.
func (g *Generations) renew(reason string) {
	var packs []*Pack
	var unloaded []Unloaded
	modes := map[string]Mode{}
	for name, s := range g.packs {
		mode, _ := g.mode(s)
		modes[name] = mode
		if s.live != nil {
			packs = append(packs, s.live)
		} else if mode == Live && len(s.diags) > 0 {
			unloaded = append(unloaded, Unloaded{Pack: name, Version: s.edit, Path: s.path, Why: s.notLive, CanVeto: s.veto})
		}
	}
	if len(packs) == 0 && g.set == nil {
		g.c.Log.Error("no rules are live: events are taken in and wait", "dir", g.c.Dir, "err", g.problems().Error())
		return
	}
	set := assemble(packs, unloaded, modes, g.content, g.options.shards())
	if g.set != nil && g.set.sameAs(set) {
		return
	}
	g.set = set
	g.c.Swap(set)
	g.c.Log.Info(LiveMessage, "because", reason, "packs", len(packs))
}

// LiveMessage is logged each time a set goes live.
const LiveMessage = "rules are live"

// mode is how a pack runs, and by whose word.
func (g *Generations) mode(s *standing) (mode Mode, by string) {
	switch {
	case s.state.Mode != "" && s.state.Why != "":
		return s.state.Mode, s.state.Why
	case s.state.Mode != "":
		return s.state.Mode, "command"
	case g.options.Packs[s.state.Pack].Mode != "":
		return g.options.Packs[s.state.Pack].Mode, "chertd.yaml"
	case s.live != nil && s.live.Manifest.Mode != "":
		return s.live.Manifest.Mode, "pack.yaml"
	}
	return Live, "default"
}

// problems is all that is wrong with the files as they are.
func (g *Generations) problems() luabind.Diagnostics {
	all := slices.Clone(g.folder)
	for _, name := range slices.Sorted(maps.Keys(g.packs)) {
		all = append(all, g.packs[name].diags...)
	}
	return all
}

// looksLikeVeto reports whether files that may not even compile use a veto: the
// reads of events such a pack can't look at are withheld.
func looksLikeVeto(files []File) bool {
	for _, f := range files {
		if f.Kind != RuleFile && f.Kind != LibFile {
			continue
		}
		for _, word := range []string{"keep_unread", "chert.hold", ".hold("} {
			if strings.Contains(string(f.Bytes), word) {
				return true
			}
		}
	}
	return false
}

// shorten is a version as people are shown it.
func shorten(version string) string { return version[:min(len(version), shortVersion)] }

// UnknownVersionError is returned for a version that is not kept.
type UnknownVersionError struct{ Pack, Version string }

func (e *UnknownVersionError) Error() string {
	return fmt.Sprintf("pack %q has no version %s among those kept", e.Pack, shorten(e.Version))
}

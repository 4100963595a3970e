package rules

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"chertd/luabind"
)

// ErrNoPack is returned for a pack that is not there.
var ErrNoPack = errors.New("there is no such pack")

// ErrNoEarlier is returned if there is no version to roll back to.
var ErrNoEarlier = errors.New("no earlier version is kept")

// ErrPresent is returned when a pack is to be removed whose files are there.
var ErrPresent = errors.New("its files are in the rules folder")

// PackStanding is how a pack stands, for people.
type PackStanding struct {
	Name        string
	Path        string
	Version     string // live; "": none
	Since       time.Time
	Mode        Mode
	ModeBy      string // "command", "chertd.yaml", "pack.yaml", "default", or why chertd set it
	Rules       int
	Pinned      bool
	Gone        bool
	NotLive     string // why its files as they are now are not live; "": they are
	Edit        string // version of its files as they are now
	Diagnostics luabind.Diagnostics
}

// Standings tells how every pack stands, by name.
func (g *Generations) Standings() []PackStanding {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []PackStanding
	for _, name := range slices.Sorted(maps.Keys(g.packs)) {
		all = append(all, g.standing(g.packs[name]))
	}
	return all
}

func (g *Generations) standing(s *standing) PackStanding {
	mode, by := g.mode(s)
	p := PackStanding{
		Name: s.state.Pack, Path: s.path, Since: s.since, Mode: mode, ModeBy: by,
		Pinned: s.state.Pinned != "", Gone: s.gone, NotLive: s.notLive, Edit: s.edit, Diagnostics: s.diags,
	}
	if s.live != nil {
		p.Version, p.Rules = s.live.Version, len(s.live.Rules)
	}
	return p
}

// Problems is what is wrong with the folder and with packs that have no version
// live, and whether anything is live at all.
func (g *Generations) Problems() (problems luabind.Diagnostics, live bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.problems(), g.set != nil
}

// Content is the hash of what was read last, for WatchOptions.Since.
func (g *Generations) Content() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.content
}

// SetMode sets how a pack runs, by command or because of why. "" takes it back.
// What the pack has waiting is dropped if it is live no more.
func (g *Generations) SetMode(ctx context.Context, pack string, mode Mode, why string, keepPending bool) (PackStanding, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.packs[pack]
	if s == nil {
		return PackStanding{}, g.noPack(pack)
	}
	before, _ := g.mode(s)
	state := s.state
	state.Mode, state.Why = mode, why
	if err := g.c.Keeper.SetPackState(ctx, state); err != nil {
		return PackStanding{}, fmt.Errorf("keep the mode of pack %q: %w", pack, err)
	}
	s.state = state
	after, by := g.mode(s)
	g.renew(fmt.Sprintf("pack %s is %s (%s)", pack, after, by))
	if before == Live && after != Live && !keepPending {
		g.c.Cancel(ctx, pack, "", string(after))
	}
	return g.standing(s), nil
}

// Remove forgets a pack whose files are gone.
func (g *Generations) Remove(ctx context.Context, pack string, keepPending bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.packs[pack]
	if s == nil {
		return g.noPack(pack)
	}
	if !s.gone {
		return fmt.Errorf("remove pack %q: %w: %s", pack, ErrPresent, s.path)
	}
	if err := g.drop(ctx, s, keepPending); err != nil {
		return err
	}
	g.renew("pack " + pack + " was removed")
	return nil
}

// Rollback makes a kept version live: the one that was live before if version
// is "". It stays until the pack's files change, or for good if keep is set.
// What the version that was live has waiting is dropped.
func (g *Generations) Rollback(ctx context.Context, pack, version string, keep, keepPending bool) (PackStanding, error) {
	return g.rollBack(ctx, pack, version, rollback{keep: keep, keepPending: keepPending, why: "by command"})
}

// rollback says how to roll back.
type rollback struct {
	keep        bool
	keepPending bool
	only        string // the version to roll back; if another is live by now, nothing happens
	why         string
}

func (g *Generations) rollBack(ctx context.Context, pack, version string, how rollback) (PackStanding, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.packs[pack]
	if s == nil {
		return PackStanding{}, g.noPack(pack)
	}
	from := s.live
	if how.only != "" && (from == nil || from.Version != how.only) {
		return g.standing(s), nil
	}
	if version == "" {
		var err error
		if version, err = g.earlier(ctx, s); err != nil {
			return PackStanding{}, err
		}
	}
	to, kept, err := g.remake(ctx, s, version)
	if err != nil {
		return PackStanding{}, err
	}
	now := g.c.Now()
	kept.Last, kept.RolledBack = now, time.Time{}
	if err := g.c.Keeper.SaveVersion(ctx, kept); err != nil {
		return PackStanding{}, fmt.Errorf("keep the rollback of pack %q: %w", pack, err)
	}
	if from != nil && from.Version != to.Version {
		gone, ok, err := g.c.Keeper.Version(ctx, pack, from.Version)
		if ok && err == nil {
			gone.RolledBack = now
			err = g.c.Keeper.SaveVersion(ctx, gone)
		}
		if err != nil {
			return PackStanding{}, fmt.Errorf("keep the rollback of pack %q: %w", pack, err)
		}
	}
	state := s.state
	state.Live, state.Pinned, state.PinnedOver = to.Version, to.Version, s.edit
	if how.keep {
		state.PinnedOver = ""
	}
	if err := g.c.Keeper.SetPackState(ctx, state); err != nil {
		return PackStanding{}, fmt.Errorf("keep the rollback of pack %q: %w", pack, err)
	}
	s.state, s.live, s.since = state, to, now
	s.notLive, s.diags = "", nil
	if s.edit != to.Version {
		s.notLive = fmt.Sprintf("rolled back to %s: %s", to.ShortVersion(), how.why)
	}
	g.trials.end(pack)
	g.c.Log.Warn("rolled back", "pack", pack, "version", to.ShortVersion(), "from", s.shortFrom(from), "why", how.why)
	g.renew(fmt.Sprintf("pack %s was rolled back to %s", pack, to.ShortVersion()))
	if from != nil && from.Version != to.Version && !how.keepPending {
		g.c.Cancel(ctx, pack, from.Version, "rolled back")
	}
	return g.standing(s), nil
}

func (s *standing) shortFrom(p *Pack) string {
	if p == nil {
		return "none"
	}
	return p.ShortVersion()
}

// earlier is the version that was live before the one that is.
func (g *Generations) earlier(ctx context.Context, s *standing) (string, error) {
	versions, err := g.c.Keeper.Versions(ctx, s.state.Pack, KeptVersions)
	if err != nil {
		return "", fmt.Errorf("read the versions of pack %q: %w", s.state.Pack, err)
	}
	for _, v := range versions {
		if v.Version != s.state.Live && v.RolledBack.IsZero() {
			return v.Version, nil
		}
	}
	return "", fmt.Errorf("roll pack %q back: %w", s.state.Pack, ErrNoEarlier)
}

func (g *Generations) noPack(name string) error {
	known := slices.Sorted(maps.Keys(g.packs))
	if near := luabind.Suggest(name, known); near != "" {
		return fmt.Errorf("pack %q: %w: did you mean %s?", name, ErrNoPack, near)
	}
	return fmt.Errorf("pack %q: %w", name, ErrNoPack)
}

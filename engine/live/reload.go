package live

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Reloaded is what became of a reading that somebody asked for.
type Reloaded struct {
	Live    []LiveEdit // versions that are live since, by pack
	Removed []string   // packs that were removed since, because their files are gone
	Folder  diag.List  // errors of the folder as a whole: not all that is in it was read
}

// LiveEdit is a version of a pack that became live.
type LiveEdit struct {
	Pack, Version string
	Was           string // "": none
	Change        rules.Change
}

// Reload is Read that also waits until it is decided about packs whose files are
// gone, and says what became of what it found.
func (g *Generations) Reload(ctx context.Context, reason string) (Reloaded, error) {
	before, err := g.livePacks(ctx)
	if err != nil {
		return Reloaded{}, err
	}
	err = g.Read(ctx, reason)
	for range maxReloads {
		if err != nil {
			break
		}
		var due time.Time
		if due, err = g.goneDue(ctx); err != nil || due.IsZero() {
			break
		}
		if !pause(ctx, due.Sub(g.c.Now())) {
			return Reloaded{}, ctx.Err()
		}
		err = g.Read(ctx, reason)
	}
	if err != nil {
		return Reloaded{}, err
	}
	now, err := g.livePacks(ctx)
	if err != nil {
		return Reloaded{}, err
	}
	var r Reloaded
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if now[name] == nil {
			r.Removed = append(r.Removed, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if p, was := now[name], before[name]; was == nil {
			r.Live = append(r.Live, LiveEdit{Pack: name, Version: p.Version, Change: rules.ChangeOf(nil, p)})
		} else if was.Built() != p.Built() {
			r.Live = append(r.Live, LiveEdit{Pack: name, Version: p.Version, Was: was.Version, Change: rules.ChangeOf(was, p)})
		}
	}
	r.Folder = g.view.Load().folder
	return r, nil
}

// livePacks are the versions that are live, by pack.
func (g *Generations) livePacks(ctx context.Context) (map[string]*rules.Pack, error) {
	if err := g.begin(ctx); err != nil {
		return nil, err
	}
	defer g.end()
	live := map[string]*rules.Pack{}
	for name, s := range g.packs {
		if s.live != nil {
			live[name] = s.live
		}
	}
	return live, nil
}

// goneDue is when it is decided about the last of the packs whose files are gone;
// zero: there is none.
func (g *Generations) goneDue(ctx context.Context) (due time.Time, err error) {
	if err := g.begin(ctx); err != nil {
		return due, err
	}
	defer g.end()
	for _, s := range g.packs {
		if !s.missed.IsZero() && !g.folder.Errors() {
			due = later(due, s.missed.Add(goneFor))
		}
	}
	return due, nil
}

// readAll reads the folder and waits for all specs. due is when files that look
// half written are taken as they are; waited says that they have had their time.
func (g *Generations) readAll(ctx context.Context, reason string, waited bool) (due time.Time, err error) {
	if err := g.begin(ctx); err != nil {
		return due, err
	}
	for _, s := range g.packs {
		s.tried = nil
	}
	pending, err := g.read(ctx, waited, nil)
	due = later(g.halfDue(func(*standing) bool { return true }), g.ignoring.half.due)
	g.renew(reason)
	g.end()
	return due, errors.Join(err, g.collectApart(ctx, pending, reason, nil))
}

package live

import (
	"context"
	"maps"
	"slices"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Reloaded is the result of Manager.Reload.
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

// Reload is Read that also waits until packs whose files are gone are removed or kept,
// and returns what changed.
func (m *Manager) Reload(ctx context.Context, reason string) (Reloaded, error) {
	before, err := m.livePacks(ctx)
	if err != nil {
		return Reloaded{}, err
	}
	err = m.Read(ctx, reason)
	for range maxReloads {
		if err != nil {
			break
		}
		var due time.Time
		if due, err = m.goneDue(ctx); err != nil || due.IsZero() {
			break
		}
		if !m.until(ctx, due) {
			return Reloaded{}, ctx.Err()
		}
		err = m.Read(ctx, reason)
	}
	if err != nil {
		return Reloaded{}, err
	}
	now, err := m.livePacks(ctx)
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
	r.Folder = errorsOf(m.shown().folder.diags)
	return r, nil
}

// livePacks are the versions that are live, by pack.
func (m *Manager) livePacks(ctx context.Context) (map[string]*rules.Pack, error) {
	if err := m.acquire(ctx); err != nil {
		return nil, err
	}
	defer m.release()
	live := map[string]*rules.Pack{}
	for name, s := range m.packs {
		if s.Version.Runs() {
			live[name] = s.Version.Pack
		}
	}
	return live, nil
}

// goneDue is when it is decided about the last of the packs whose files are gone;
// zero: there is none.
func (m *Manager) goneDue(ctx context.Context) (due time.Time, err error) {
	if err := m.acquire(ctx); err != nil {
		return due, err
	}
	defer m.release()
	for _, s := range m.packs {
		if !s.Missed.IsZero() && !m.folder.diags.Errors() {
			due = later(due, s.Missed.Add(goneFor))
		}
	}
	return due, nil
}

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

const (
	// busyLook is how soon a pack that was left because its files were changing is
	// looked at again: the watch reports it only if it has changed since.
	busyLook = 500 * time.Millisecond
	// againAfter is how soon the folder is read again after the keeper failed.
	againAfter = 5 * time.Second
	// maxReloads bounds how often Reload reads the folder until all is decided.
	maxReloads = 5
)

// reading says how the folder is read.
type reading struct {
	all    bool            // all specs are waited for, and run again on what was refused
	waited bool            // files that looked half written have had their time
	busy   map[string]bool // names in the folder of packs that stay as they are
	seen   Seen            // the folder as it was read already, if it was
}

// Read reads the folder and makes live what may be. It returns when all specs
// have run, and files that look half written have had their time. An error is
// the keeper's: what could not be kept is not live.
func (m *Manager) Read(ctx context.Context, reason string) error {
	due, err := m.decide(ctx, reason, reading{all: true})
	if err != nil || due.IsZero() {
		return err
	}
	if !m.until(ctx, due) {
		return ctx.Err()
	}
	_, err = m.decide(ctx, reason, reading{all: true, waited: true})
	return err
}

// Notice is Read for a watch that has seen the folder change and settle, and decides
// about the folder as the watch read it. It returns after a short while though specs
// may be running, or files look half written: what passes later goes live later.
func (m *Manager) Notice(ctx context.Context, seen Seen) error {
	r := reading{seen: seen}
	if names := m.busy.Load(); names != nil {
		r.busy = *names
	}
	_, err := m.decide(ctx, seen.Reason, r)
	return err
}

// Watch watches the folder and gives Notice what it has seen, until ctx ends.
func (m *Manager) Watch(ctx context.Context) {
	Watch(ctx, m.c.Dir, m.watchOptions(), func(seen Seen) { m.noticeOrLog(ctx, seen) })
}

func (m *Manager) noticeOrLog(ctx context.Context, seen Seen) {
	if err := m.Notice(ctx, seen); err != nil && ctx.Err() == nil {
		m.c.Log.Error("could not finish reading the rules; live versions unchanged", "err", err, "hint", diag.StoreHint)
	}
}

// watchOptions tie a watch to what is read here. Notice leaves packs as they were whose
// files are busy.
func (m *Manager) watchOptions() WatchOptions {
	content := func() string { return m.view.Load().folder.content }
	return WatchOptions{
		Since: content(), Loaded: content, Known: func() []string { return m.view.Load().known },
		Busy: func(names map[string]bool) { m.busy.Store(&names) }, Log: m.c.Log,
	}
}

// decide reads the folder, decides about each pack and swaps the set. due is when files
// that look half written are taken as they are.
func (m *Manager) decide(ctx context.Context, reason string, r reading) (due time.Time, err error) {
	if err := m.acquire(ctx); err != nil {
		return due, err
	}
	began := m.c.Now()
	pending, err := m.read(ctx, r)
	due = later(m.halfDue(false), m.ignoring.half.Due)
	m.swap(reason)
	m.release()
	err = errors.Join(err, m.collectApart(ctx, pending, reason, r.all))
	m.noteReading(began, err == nil)
	return due, err
}

// Readings counts the times that the rules directory was read since the start.
type Readings struct {
	Live    int64     // all of it was live
	NotLive int64     // something was not
	Last    time.Time // zero: it was not read yet
	// Took is how long the last one took, with the specs that it ran.
	Took time.Duration
	// Unread is true if the last one could not read all of the directory.
	Unread bool
}

// Readings returns how often the rules directory was read, and with what result.
func (m *Manager) Readings() Readings {
	if r := m.readings.Load(); r != nil {
		return *r
	}
	return Readings{}
}

// noteReading counts a reading; complete is false if it could not be finished.
func (m *Manager) noteReading(began time.Time, complete bool) {
	v := m.view.Load()
	live := complete && !v.folder.diags.Errors()
	for i := range v.standings {
		live = live && v.standings[i].NotLive == ""
	}
	for {
		was := m.readings.Load()
		now := Readings{Last: m.c.Now(), Unread: !complete || v.folder.unread}
		now.Took = max(now.Last.Sub(began), 0)
		if was != nil {
			now.Live, now.NotLive = was.Live, was.NotLive
		}
		if live {
			now.Live++
		} else {
			now.NotLive++
		}
		if m.readings.CompareAndSwap(was, &now) {
			return
		}
	}
}

// halfDue is when the last of the packs that look half written is taken as it is, or of
// those without a live version; zero: there is none.
func (m *Manager) halfDue(withoutLive bool) (due time.Time) {
	for _, s := range m.packs {
		if !s.Half.Began.IsZero() && !(withoutLive && s.Version.Runs()) {
			due = later(due, s.Half.Due)
		}
	}
	return due
}

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
	before := m.view.Load().packs()
	err := m.Read(ctx, reason)
	for range maxReloads {
		due := m.view.Load().goneDue
		if err != nil || due.IsZero() {
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
	now := m.view.Load().packs()
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
	r.Folder = errorsOf(m.view.Load().folder.diags)
	return r, nil
}

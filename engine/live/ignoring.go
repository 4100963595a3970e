package live

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// ignoring is the .chertignore that counts. One that is cut to a beginning makes
// packs of what it ignored, so it gets time as a pack's files do; until that is
// over the one before counts. It is kept under its name, as packs are under
// theirs: no pack can have this name.
type ignoring struct {
	known    bool         // complete is known; else nothing counts, and no pack is looked at, while it looks half written
	complete []rules.File // as it was when it last looked complete; empty: there was none
	kept     string       // version of the one that is kept; "": none is
	half     Half
}

// dueAtStart is until when a start waits for it; zero: it does not.
func (i *ignoring) dueAtStart() time.Time {
	if i.known {
		return time.Time{}
	}
	return i.half.Due
}

// ignoreBy decides by which .chertignore the folder is read.
func (m *Manager) ignoreBy(now []rules.File, waited bool) (use []rules.File, wait diag.List) {
	i := &m.ignoring
	if i.known && rules.VersionOf(now) == rules.VersionOf(i.complete) {
		i.half = Half{}
		return now, nil
	}
	sign := m.halfSign(now, i.complete)
	at := m.c.Now()
	next, giveTime, look := i.half.give(sign, rules.ContentOf(now), m.c.Settle, waited, at)
	if !giveTime {
		i.known, i.complete, i.half = true, now, Half{}
		return now, nil
	}
	if i.half.Began.IsZero() {
		m.logHalf(&sign)
	}
	i.half = next
	m.readLater(look)
	if i.known {
		return i.complete, nil
	}
	why := Verdict{Kind: HalfWritten, Time: m.c.Settle}
	return nil, diag.List{{File: sign.File, Severity: diag.SeverityError, Message: sign.Why + ": " + why.String()}}
}

// keepIgnoring keeps the .chertignore that counts, for the next start.
func (m *Manager) keepIgnoring(ctx context.Context) error {
	i := &m.ignoring
	version := ""
	if len(i.complete) > 0 {
		version = rules.VersionOf(i.complete)
	}
	if !i.known || version == i.kept {
		return nil
	}
	err := error(nil)
	if version == "" {
		err = m.c.Keeper.ForgetPack(ctx, rules.IgnoreName)
	} else {
		now := m.c.Now()
		err = m.c.Keeper.SaveVersion(ctx, KeptVersion{Pack: rules.IgnoreName, Version: version, Path: i.complete[0].Path, Files: i.complete, Since: now, Last: now})
		if err == nil {
			err = m.c.Keeper.SetPackState(ctx, PackState{Pack: rules.IgnoreName, Live: version})
		}
	}
	if err != nil {
		return fmt.Errorf("keep %s: %w", rules.IgnoreName, err)
	}
	i.kept = version
	return nil
}

// rememberIgnoring takes up the .chertignore that counted when the process last
// ran.
func (m *Manager) rememberIgnoring(ctx context.Context, state PackState) error {
	kept, ok, err := m.c.Keeper.Version(ctx, rules.IgnoreName, state.Live)
	if err != nil {
		return fmt.Errorf("read the %s of before: %w", rules.IgnoreName, err)
	}
	if !ok {
		return nil
	}
	for n := range kept.Files {
		kept.Files[n].Path = filepath.Join(m.c.Dir, rules.IgnoreName)
	}
	m.ignoring = ignoring{known: true, complete: kept.Files, kept: kept.Version}
	return nil
}

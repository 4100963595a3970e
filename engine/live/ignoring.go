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
// over the one before counts.
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
		line := halfLine(sign, m.c.Settle)
		line.write(m.c.Log)
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
	var content []byte
	if version != "" {
		content = append([]byte{}, i.complete[0].Bytes...)
	}
	err := m.c.Keeper.SetIgnoreFile(ctx, content)
	if err != nil {
		return fmt.Errorf("keep %s: %w", rules.IgnoreName, err)
	}
	i.kept = version
	return nil
}

// rememberIgnoring restores the .chertignore that counted when the process last ran.
func (m *Manager) rememberIgnoring(ctx context.Context) error {
	content, err := m.c.Keeper.IgnoreFile(ctx)
	if err != nil {
		return fmt.Errorf("read the %s of before: %w", rules.IgnoreName, err)
	}
	if content == nil {
		return nil
	}
	files := []rules.File{{Name: rules.IgnoreName, Path: filepath.Join(m.c.Dir, rules.IgnoreName), Kind: rules.IgnoreFile, Bytes: content}}
	m.ignoring = ignoring{known: true, complete: files, kept: rules.VersionOf(files)}
	return nil
}

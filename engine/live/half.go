package live

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

const (
	// mostSettles bounds how long a file that keeps changing and keeps looking half
	// written can delay its edit, in multiples of PackConfig.Settle.
	mostSettles = 5
	// openLook is how soon a file that a program has open for writing is read again:
	// there is no notification when it is closed.
	openLook = 100 * time.Millisecond
)

// settled reports whether an edit equals a version that was live or pinned before. Such
// an edit is not checked for half-written files.
func (s *Standing) settled(e *Edit) bool {
	return s.Pinned != "" && s.PinnedOver == e.Version && !s.PinStays && !s.PinnedWithoutFiles ||
		e.Version == s.Live && (!s.Version.Runs() || s.Version.Specs == e.Specs)
}

// givesTime reports whether files look half written, and chertd still waits for their
// writer.
func (t *step) givesTime(e *Edit, waited bool) bool {
	s := &t.s
	next, wait, look := s.Half.give(e.Half, e.Content, s.Config.Settle, waited, t.now)
	if !wait {
		return false
	}
	if s.Half.Began.IsZero() {
		t.out.Log = append(t.out.Log, halfLine(e.Half, s.Config.Settle, "pack", s.Pack))
	}
	s.Half, t.out.LookAgain = next, t.now.Add(look)
	t.giveUp()
	s.Tried = nil
	s.Verdict = Verdict{Kind: HalfWritten, Time: s.Config.Settle, Diagnostics: diag.List{{File: e.Half.File, Severity: diag.SeverityWarning, Message: e.Half.Why}}}
	return true
}

// give reports whether chertd still waits for files that look half written, since when
// it does, and how soon it reads them again.
func (h Half) give(sign HalfSign, key string, settle time.Duration, waited bool, now time.Time) (next Half, wait bool, look time.Duration) {
	if sign == (HalfSign{}) || h.Key == key && (waited || !now.Before(h.Due)) {
		return Half{}, false, 0
	}
	if h.Began.IsZero() {
		h.Began = now
	}
	if h.Key != key {
		h.Key, h.Due = key, earlier(now.Add(settle), h.Began.Add(mostSettles*settle))
	}
	look = settle
	if sign.Open {
		look = openLook
	}
	return h, true, min(look, max(h.Due.Sub(now), time.Millisecond))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// halfSign looks for a sign that someone is still writing files, by a comparison with
// the files before.
func (m *Manager) halfSign(now, before []rules.File) HalfSign {
	if file, why := rules.Unfinished(now, before); why != "" {
		return HalfSign{File: file, Why: why}
	}
	for i := range now {
		f := &now[i]
		same := func(b rules.File) bool { return b.Name == f.Name && bytes.Equal(b.Bytes, f.Bytes) }
		if !slices.ContainsFunc(before, same) && m.c.writing(f.Path) {
			return HalfSign{File: f.Path, Why: "a program has it open for writing", Open: true}
		}
	}
	return HalfSign{}
}

// ignoring is the .chertignore that applies. A truncated one would turn ignored files
// into packs, so chertd waits for its writer as for that of a pack's files; meanwhile
// the earlier one applies.
type ignoring struct {
	known    bool         // complete is known; else no pack is read while the file looks half written
	complete []rules.File // as they were when the file last looked complete; empty: there was no file
	kept     string       // version of the file in the store; "": none
	half     Half
}

// ignoreBy decides which .chertignore applies to a reading of the folder.
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

// keepIgnoring stores the .chertignore that applies, for the next start.
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

// rememberIgnoring restores the .chertignore that applied when the process last ran.
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

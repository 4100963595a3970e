package live

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// defaultSettle is GenerationsConfig.Settle.
const defaultSettle = 2 * time.Second

// mostSettles bounds how long a file that goes on changing, and goes on looking
// half written, can put off its edit, in times of Settle.
const mostSettles = 5

// openLook is how soon a file that a program has open for writing is looked at
// again: no notification comes when it is closed.
const openLook = 100 * time.Millisecond

// half is files of a pack, or .chertignore, while they look half written.
type half struct {
	key   string    // of the files
	began time.Time // when they first did; zero: they do not
	due   time.Time // when they are taken as they are
}

// givesTime reports whether a pack's files look half written, and are to be left
// to whoever is writing them. They are compared with what they were before: with
// what was live last if that is not known, as at the start.
func (g *Generations) givesTime(ctx context.Context, s *standing, b *rules.Candidate, waited bool) (bool, error) {
	before := s.complete
	if before == nil && s.state.Live != "" {
		if s.live != nil {
			before = s.live.Files
		} else {
			kept, _, err := g.c.Keeper.Version(ctx, s.state.Pack, s.state.Live)
			if err != nil {
				return false, err
			}
			before = kept.Files
		}
	}
	file, why, wait := g.looksHalf(&s.half, b.Pack().Files, before, waited, "pack", s.state.Pack)
	if wait {
		s.giveUp()
		s.tried = nil
		s.notLive = g.takenIn("it looks half written")
		s.diags = diag.List{{File: file, Severity: diag.SeverityWarning, Message: why}}
		return true, nil
	}
	s.complete, s.half = b.Pack().Files, half{}
	return false, nil
}

// looksHalf reports whether files look half written and still have time, and
// which of them does, and why. The folder is read again when it is over. about
// is added to what is logged.
func (g *Generations) looksHalf(h *half, files, before []rules.File, waited bool, about ...any) (file, why string, wait bool) {
	file, why = rules.Unfinished(files, before)
	look := g.c.Settle // how soon it is looked at again, if nothing changes
	if why == "" {
		if file = g.openIn(files, before); file == "" {
			return "", "", false
		}
		why, look = "a program has it open for writing", openLook
	}
	key, now := rules.ContentOf(files), g.c.Now()
	if h.key == key && (waited || !now.Before(h.due)) {
		return "", "", false
	}
	if h.began.IsZero() {
		h.began = now
		g.c.Log.Info("an edit looks half written and is given time", append(about, "file", file, "why", why, "at_most", g.c.Settle.String())...)
	}
	if h.key != key {
		h.key, h.due = key, earlier(now.Add(g.c.Settle), h.began.Add(mostSettles*g.c.Settle))
	}
	g.readLater(min(look, max(h.due.Sub(now), time.Millisecond)))
	return file, why, true
}

// takenIn says of what looks half written what becomes of it.
func (g *Generations) takenIn(what string) string {
	return fmt.Sprintf("%s, and is taken as it is in %s", what, g.c.Settle)
}

// openIn is the first file that is not as it was before and that a program has
// open for writing; "": none.
func (g *Generations) openIn(now, before []rules.File) string {
	for i := range now {
		f := &now[i]
		same := func(b rules.File) bool { return b.Name == f.Name && bytes.Equal(b.Bytes, f.Bytes) }
		if !slices.ContainsFunc(before, same) && g.c.writing(f.Path) {
			return f.Path
		}
	}
	return ""
}

// halfDue is when the last of the packs that look half written, and for which of
// holds, is taken as it is; zero: there is none.
func (g *Generations) halfDue(of func(*standing) bool) (due time.Time) {
	for _, s := range g.packs {
		if !s.half.began.IsZero() && of(s) && s.half.due.After(due) {
			due = s.half.due
		}
	}
	return due
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

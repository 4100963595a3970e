package rules

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"chertd/luabind/diag"
)

// ignoring is the .chertignore that counts. One that is cut to a beginning makes
// packs of what it ignored, so it gets time as a pack's files do; until that is
// over the one before counts.
type ignoring struct {
	known    bool   // complete is known; else nothing counts, and no pack is looked at, while it looks half written
	complete []File // as it was when it last looked complete; empty: there was none
	kept     string // version of the one that is kept; "": none is
	half     half
}

// dueAtStart is until when a start waits for it; zero: it does not.
func (i *ignoring) dueAtStart() time.Time {
	if i.known {
		return time.Time{}
	}
	return i.half.due
}

// ignoreBy decides by which .chertignore the folder is read.
func (g *Generations) ignoreBy(now []File, waited bool) (use []File, wait diag.List) {
	i := &g.ignoring
	if i.known && versionOf(now) == versionOf(i.complete) {
		i.half = half{}
		return now, nil
	}
	file, why, wait1 := g.looksHalf(&i.half, now, i.complete, waited)
	switch {
	case !wait1:
		i.known, i.complete, i.half = true, now, half{}
		return now, nil
	case i.known:
		return i.complete, nil
	}
	return nil, diag.List{{File: file, Severity: diag.SeverityError, Message: why + ": " + g.takenIn("it looks half written")}}
}

// keepIgnoring keeps the .chertignore that counts, for the next start.
func (g *Generations) keepIgnoring(ctx context.Context) error {
	i := &g.ignoring
	version := ""
	if len(i.complete) > 0 {
		version = versionOf(i.complete)
	}
	if !i.known || version == i.kept {
		return nil
	}
	var content []byte
	if version != "" {
		content = append([]byte{}, i.complete[0].Bytes...)
	}
	err := g.c.Keeper.SetIgnoreFile(ctx, content)
	if err != nil {
		return fmt.Errorf("keep %s: %w", ignoreFile, err)
	}
	i.kept = version
	return nil
}

// rememberIgnoring takes up the .chertignore that counted when the process last
// ran.
func (g *Generations) rememberIgnoring(ctx context.Context) error {
	content, err := g.c.Keeper.IgnoreFile(ctx)
	if err != nil {
		return fmt.Errorf("read the %s of before: %w", ignoreFile, err)
	}
	if content == nil {
		return nil
	}
	files := []File{{Name: ignoreFile, Path: filepath.Join(g.c.Dir, ignoreFile), Kind: IgnoreFile, Bytes: content}}
	g.ignoring = ignoring{known: true, complete: files, kept: versionOf(files)}
	return nil
}

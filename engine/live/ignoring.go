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
func (g *Generations) ignoreBy(now []rules.File, waited bool) (use []rules.File, wait diag.List) {
	i := &g.ignoring
	if i.known && rules.VersionOf(now) == rules.VersionOf(i.complete) {
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
		version = rules.VersionOf(i.complete)
	}
	if !i.known || version == i.kept {
		return nil
	}
	err := error(nil)
	if version == "" {
		err = g.c.Keeper.ForgetPack(ctx, rules.IgnoreName)
	} else {
		now := g.c.Now()
		err = g.c.Keeper.SaveVersion(ctx, KeptVersion{Pack: rules.IgnoreName, Version: version, Path: i.complete[0].Path, Files: i.complete, Since: now, Last: now})
		if err == nil {
			err = g.c.Keeper.SetPackState(ctx, PackState{Pack: rules.IgnoreName, Live: version})
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
func (g *Generations) rememberIgnoring(ctx context.Context, state PackState) error {
	kept, ok, err := g.c.Keeper.Version(ctx, rules.IgnoreName, state.Live)
	if err != nil {
		return fmt.Errorf("read the %s of before: %w", rules.IgnoreName, err)
	}
	if !ok {
		return nil
	}
	for n := range kept.Files {
		kept.Files[n].Path = filepath.Join(g.c.Dir, rules.IgnoreName)
	}
	g.ignoring = ignoring{known: true, complete: kept.Files, kept: kept.Version}
	return nil
}

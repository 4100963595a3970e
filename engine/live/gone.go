package live

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"chertd/luabind/diag"
	"chertd/rules"
)

// missing decides what becomes of a pack whose files are gone. It goes if the
// folder was readable, another pack remains, and it stays so for a while; else it
// is kept. present are the packs that are there, by path.
func (g *Generations) missing(ctx context.Context, s *standing, present map[string]bool) error {
	name := s.state.Pack
	never := s.state.Live == "" && s.live == nil
	s.giveUp()
	s.tried, s.half = nil, half{}
	if g.folder.Errors() {
		// Nobody knows whether the files are gone: what is, is for as long again.
		if !s.missed.IsZero() {
			s.missed = g.c.Now()
		}
		if never && s.gone {
			return nil
		}
		s.notLive, s.diags = "the rules folder can't be read", nil
		s.gone, s.unread = false, true
		return g.fallBack(ctx, s)
	}
	s.unread = false
	why := g.whyGone(s)
	if never && (!s.canVeto() || present[s.path]) {
		// Its files are another's, by the name in pack.yaml, or it can be missed. What an operator said of it stays said.
		s.gone, s.edit, s.notLive, s.diags = true, "", why, nil
		if s.state == (PackState{Pack: name}) {
			delete(g.packs, name)
		}
		return nil
	}
	if !s.restored() && (len(present) > 0 || never) {
		now := g.c.Now()
		if s.missed.IsZero() {
			s.missed = now
		}
		left := goneFor - now.Sub(s.missed)
		if left <= 0 {
			g.tellRemoved(s, why)
			g.remove(s, false)
			return nil
		}
		g.readLater(left)
	} else if !s.gone && s.live != nil {
		what := "the files of a pack are gone"
		if why != filesGone {
			what = "a pack is not loaded any more: " + why
		}
		g.c.Log.Warn(what+", and no other pack is there; it is kept as it was", "pack", name, "hint", diag.PackCommand("packs remove", name))
	}
	s.gone, s.edit, s.diags, s.notLive = true, "", nil, why
	return g.fallBack(ctx, s)
}

// whyGone says why a pack is not there any more: its file may be there, and be
// ignored, or have been given a copy's name.
func (g *Generations) whyGone(s *standing) string {
	if s.path == "" {
		return filesGone
	}
	base := filepath.Base(s.path)
	stem := strings.TrimSuffix(base, ".lua")
	for _, i := range g.ignored {
		if filepath.Base(i.Path) == base && filepath.Dir(i.Path) == filepath.Clean(g.c.Dir) {
			return "its files are ignored: " + i.Why
		}
	}
	for _, i := range g.ignored {
		if name := filepath.Base(i.Path); filepath.Dir(i.Path) == filepath.Clean(g.c.Dir) && strings.Contains(name, stem) {
			return fmt.Sprintf("%s, and %s is ignored: %s", filesGone, name, i.Why)
		}
	}
	return filesGone
}

// restored reports whether a rollback made the pack live without any files.
func (s *standing) restored() bool {
	return s.state.PinnedOver == noFiles || s.state.PinnedOver == noFilesKept
}

// tellRemoved logs that a pack goes, and why.
func (g *Generations) tellRemoved(s *standing, why string) {
	name := s.state.Pack
	veto := s.canVeto()
	if s.live != nil {
		veto = s.live.CanVeto
	}
	if mode, _ := g.mode(s); !veto || mode != rules.Live {
		g.c.Log.Info("pack removed: "+why, "pack", name)
		return
	}
	if s.state.Live == "" {
		g.c.Log.Warn("pack removed: "+why+"; it never loaded, and the reads that it blocked go out now", "pack", name,
			"hint", "if it is to keep chats unread, write "+s.path+" again: reads wait for it from then on")
		return
	}
	g.c.Log.Warn("pack removed: "+why+", and it could veto reads; what it kept unread may be read now", "pack", name,
		"hint", diag.PackCommand("rollback", name)+" restores it from the store")
}

// remove forgets a pack, but for what an operator said of it, and drops what it
// has waiting. It is forgotten last: if the process ends before, the next start
// finds it gone again.
func (g *Generations) remove(s *standing, keepPending bool) {
	name := s.state.Pack
	g.trials.set(name, nil)
	said := s.state
	said.Live, said.Settings = "", ""
	g.drops = append(g.drops, drop{pack: name, why: "removed", forget: true, said: said, keep: keepPending})
	delete(g.packs, name)
	if said != (PackState{Pack: name}) {
		g.packs[name] = &standing{state: said, path: s.path, gone: true, notLive: filesGone, back: s.back}
	}
}

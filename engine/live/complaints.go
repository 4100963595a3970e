package live

import (
	"maps"
	"slices"

	"chertd/luabind/diag"
	"chertd/rules"
)

// noRulesHere is said of a rules folder in which no pack is, and none was.
const noRulesHere = "there are no rules in this folder"

// complain says once what is wrong with the folder as a whole.
func (g *Generations) complain(live int) {
	g.complainOfConfiguration()
	said := slices.DeleteFunc(slices.Clone(g.folder), func(d diag.Diagnostic) bool { return d.Code == rules.CodeNoPack }).Error()
	if live == 0 && g.set == nil {
		said = "none " + g.problems().Error()
	}
	if said == g.said {
		return
	}
	wasUnread, unread := g.saidUnread, slices.ContainsFunc(g.folder, func(d diag.Diagnostic) bool {
		return d.Severity == diag.SeverityError && d.Message != noRulesHere
	})
	g.said, g.saidUnread = said, unread
	if wasUnread && !unread && (live > 0 || g.set != nil) {
		g.c.Log.Info("the rules folder is back: all of it can be read again", "dir", g.c.Dir)
	}
	switch {
	case said == "":
	case live == 0 && g.set != nil && !unread && len(g.packs) == 0:
		g.c.Log.Warn("no rules are live: no pack is left; events are taken in, and no rule runs on them", "dir", g.c.Dir)
	case live == 0 && g.set == nil:
		g.c.Log.Error("no rules are live: events are taken in and wait", "dir", g.c.Dir, "err", g.problems().Error())
	default:
		what := "something is wrong with the rules folder"
		if unread {
			what = "the rules folder is not read to its end; what was live stays live"
		}
		g.c.Log.Warn(what, "dir", g.c.Dir, "err", said)
	}
}

// complainOfConfiguration logs once what the operator's file says of packs, and
// nobody takes.
func (g *Generations) complainOfConfiguration() {
	unfit := slices.DeleteFunc(g.problems(), func(d diag.Diagnostic) bool {
		return d.Severity == diag.SeverityError || d.Code != rules.CodeNoPack && d.Code != rules.CodeNoSetting
	})
	if said := unfit.Error(); said != g.unfit {
		if g.unfit = said; said != "" {
			g.c.Log.Warn("the configuration names packs or settings that the rules do not have", "dir", g.c.Dir, "err", said)
		}
	}
}

// problems is all that is wrong with the files as they are.
func (g *Generations) problems() diag.List {
	all := slices.Clone(g.folder)
	for _, name := range slices.Sorted(maps.Keys(g.packs)) {
		all = append(all, g.packs[name].problems()...)
	}
	return all
}

// warnIgnored logs what is ignored, once.
func (g *Generations) warnIgnored() {
	now := map[rules.Ignored]bool{}
	for _, i := range g.ignored {
		now[i] = true
		if !g.warned[i] {
			g.c.Log.Warn("a file is not loaded: "+i.Why, "file", i.Path, "hint", i.Hint)
		}
	}
	g.warned = now
}

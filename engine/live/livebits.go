package live

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"chertd/luabind/diag"
	"chertd/rules"
)

// needLess makes the last good version live that needs no more than is granted,
// in the place of one that does. done is false if there is none. What is kept of
// the pack stays as it is: once the grant is back, so is the version.
func (g *Generations) needLess(ctx context.Context, s *standing, b *rules.Candidate, version string) (done bool, err error) {
	kept, err := g.c.Keeper.Versions(ctx, s.state.Pack, KeptVersions)
	if err != nil {
		return false, fmt.Errorf("look for a version of pack %q that needs less: %w", s.state.Pack, err)
	}
	for i := range kept {
		if kept[i].Version == version || !kept[i].RolledBack.IsZero() || kept[i].failing() {
			continue
		}
		other, since, err := g.source(ctx, s, kept[i].Version)
		if other == nil {
			return false, err
		}
		other.Compile()
		f := g.fit(s, other)
		if f.Diagnostics().Errors() {
			continue
		}
		could := s.live != nil && s.live.CanVeto || s.live == nil && b.MayVeto()
		g.drops = append(g.drops, drop{pack: s.state.Pack, version: version, why: "off"})
		was, before := "", s.earlier
		if s.live != nil {
			was = s.live.Version
		}
		g.take(s, &verdict{pack: f.Pack(), diags: s.diags})
		s.insteadOf, s.since, s.warnings, s.back[version] = version, since, nil, true
		g.tellUnfit(s, f, was, before)
		attrs := []any{"pack", s.state.Pack, "version", rules.ShortOf(version), "lacks", strings.Join(b.Lacks(), ", "), "instead", f.Pack().ShortVersion(),
			"hint", "add to chertd.yaml: " + rules.GrantLine(s.state.Pack, rules.Permissions(b.Pack().Manifest.Permissions))}
		if could && !f.Pack().CanVeto {
			attrs = append(attrs, "warning", "the version before could veto reads, and this one can't")
		}
		g.c.Log.Error("a permission of the live version is no longer granted: the last version that needs less is live", attrs...)
		return true, nil
	}
	return false, nil
}

// warnInVain logs once that grants are in vain.
func (g *Generations) warnInVain(b *rules.Candidate) {
	name, vain := b.Pack().Name, strings.Join(b.GrantsInVain(), ", ")
	if vain == g.inVain[name] {
		return
	}
	g.inVain[name] = vain
	if vain != "" {
		hint := "take it out of chertd.yaml: a pack of one file can't ask for permissions"
		if b.IsFolder() {
			hint = fmt.Sprintf("say `permissions: [%s]` in pack.yaml if the pack needs it", vain)
		}
		g.c.Log.Warn("chertd.yaml grants what the pack does not ask for: it grants nothing", "pack", name, "grant", vain, "hint", hint)
	}
}

// warnUnmatched logs the values and lists of a pack that goes live by which its rules
// match nothing: a veto for them would keep no chat unread.
func (g *Generations) warnUnmatched(v *verdict) {
	for _, d := range v.diags {
		if rules.MatchesLess(d) {
			g.c.Log.Warn("a live rule matches less than it lists", "pack", v.pack.Name, "at", fmt.Sprintf("%s:%d", d.File, d.Line), "why", d.Message, "hint", d.Hint)
		}
	}
}

// warnAlike warns of a new pack that is nearly the same as one that is live: it
// may be a copy whose name does not show it.
func (g *Generations) warnAlike(p *rules.Pack) diag.List {
	for _, name := range slices.Sorted(maps.Keys(g.packs)) {
		other := g.packs[name].live
		if other == nil || g.packs[name].gone || name == p.Name || !p.Like(other) {
			continue
		}
		g.c.Log.Warn("a new pack is nearly the same as one that is live: both run", "pack", p.Name, "file", p.Path, "like", name,
			"hint", "if it is a copy, delete it or add it to "+rules.IgnoreName)
		return diag.List{{File: p.Path, Severity: diag.SeverityWarning,
			Message: fmt.Sprintf("pack %q is nearly the same as pack %q, and both run", p.Name, name),
			Hint:    "if it is a copy, delete it or add it to " + rules.IgnoreName}}
	}
	return nil
}

// changeAttrs are what is logged of a change.
func changeAttrs(c *rules.Change) (attrs []any) {
	for _, part := range []struct {
		key   string
		names []string
	}{{"added", c.Added}, {"removed", c.Removed}, {"changed", c.Changed}, {"files", c.Files}} {
		if len(part.names) > 0 {
			attrs = append(attrs, part.key, firstOf(part.names))
		}
	}
	return attrs
}

// maxListed is how many names one attribute of the log has.
const maxListed = 20

// firstOf is a list of names for the log.
func firstOf(names []string) []string {
	if len(names) <= maxListed {
		return names
	}
	return append(slices.Clone(names[:maxListed]), fmt.Sprintf("and %d more", len(names)-maxListed))
}

const shortDigits = 8

package rules

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"chertd/engine/event/handle"
	"chertd/luabind"
	"chertd/luabind/diag"
)

// Set is the packs that are live together, and the index of their rules. It is
// immutable but for the VMs of its packs; any number of sets may be in use at
// once, and share packs, as long as each shard's calls come from one goroutine.
type Set struct {
	packs   []*Pack // by name
	modes   map[string]Mode
	rules   []*Rule // in load order: pack, file, position; those of packs that are off left out
	packOf  []*Pack // of rules
	index   *index
	content string
	country string // of events' numbers without +

	schedules []*Rule
	unloaded  []Unloaded
	unread    bool // the folder could not be read: there may be other packs
	// withdrawn is what is not carried out any more though it was asked for.
	withdrawn map[withdrawal]bool

	// runners, one a shard, are reused: an event that no rule wants costs no allocation.
	runners []*runner
}

// withdrawal names a version of a pack, or with none all of it.
type withdrawal struct{ pack, version string }

// Unloaded is a pack of which no version is live: each event that comes from
// outside is recorded as failed for it, to be run once it is mended.
type Unloaded struct {
	Pack    string
	Version string // of its files
	Path    string
	Why     string
	CanVeto bool // it looks as if it could: reads are blocked
}

// outcome is what is recorded of an event for the pack.
func (u *Unloaded) outcome() Outcome {
	return Outcome{
		Pack: u.Pack, Version: u.Version, Place: u.Path,
		Failure: &luabind.Failure{Kind: luabind.NotLoaded, Diagnostic: diag.Diagnostic{
			File: u.Path, Severity: diag.SeverityError, Message: "the pack is not live: " + u.Why,
			Hint: "chertd check " + diag.ShellWord(u.Path),
		}},
	}
}

// newSet makes a set of packs in the modes that the operator and they say.
func newSet(packs []*Pack, o Options, content string) *Set {
	modes := map[string]Mode{}
	for _, p := range packs {
		modes[p.Name] = cmp.Or(o.Packs[p.Name].Mode, p.Manifest.Mode, Live)
	}
	return assemble(packs, nil, modes, content, o)
}

// assemble makes a set of packs in the given modes.
func assemble(packs []*Pack, unloaded []Unloaded, modes map[string]Mode, content string, o Options) *Set {
	s := &Set{packs: slices.Clone(packs), unloaded: unloaded, modes: modes, content: content, country: o.Country}
	slices.SortFunc(s.packs, func(a, b *Pack) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.unloaded, func(a, b Unloaded) int { return cmp.Compare(a.Pack, b.Pack) })
	for _, p := range s.packs {
		if modes[p.Name] == Off {
			continue
		}
		for _, r := range p.Rules {
			s.rules = append(s.rules, r)
			s.packOf = append(s.packOf, p)
			if r.Every != "" {
				s.schedules = append(s.schedules, r)
			}
		}
	}
	s.index = newIndex(s.rules)
	for range o.shards() {
		s.runners = append(s.runners, &runner{probe: probe{handles: handle.NewReader(o.Country)}})
	}
	return s
}

// sameAs reports whether a set would do the same as this one.
func (s *Set) sameAs(t *Set) bool {
	return slices.Equal(s.packs, t.packs) && slices.Equal(s.unloaded, t.unloaded) && maps.Equal(s.modes, t.modes) && maps.Equal(s.withdrawn, t.withdrawn) && s.unread == t.unread
}

// Withdrawn reports whether what a version of a pack asked for while it was live
// is not to be carried out: the pack is off, in shadow or removed, or the
// version was rolled back. Version "" asks about the pack alone.
func (s *Set) Withdrawn(pack, version string) bool {
	_, known := s.modes[pack]
	return !known || s.withdrawn[withdrawal{pack: pack}] || s.withdrawn[withdrawal{pack, version}]
}

// Serving tells what becomes of events that a pack has missed. They run if there
// is a version that is live. With out set the pack is off, in shadow or not there:
// nothing of it blocks any more. With neither it is broken, and has no version that
// is live.
func (s *Set) Serving(pack string) (version string, out bool) {
	if s.modes[pack] != Live {
		return "", true
	}
	if p := s.Pack(pack); p != nil {
		return p.Version, false
	}
	return "", false
}

// HasRule reports whether a pack may still have a rule: it has it, or no version
// of the pack is loaded that could say.
func (s *Set) HasRule(pack, rule string) bool {
	p := s.Pack(pack)
	return p == nil || slices.ContainsFunc(p.Rules, func(r *Rule) bool { return r.Name == rule })
}

// Has reports whether the set knows a pack, whatever its mode and state.
func (s *Set) Has(pack string) bool {
	_, known := s.modes[pack]
	return known
}

// Known are the names of the packs that the set knows, in no order.
func (s *Set) Known() iter.Seq[string] { return maps.Keys(s.modes) }

// Unread reports whether the rules folder could not be read when the set was made:
// nobody knows whether a pack that the set does not know is there.
func (s *Set) Unread() bool { return s.unread }

// Packs are the set's packs by name. The caller must not change the slice.
func (s *Set) Packs() []*Pack {
	if s == nil {
		return nil
	}
	return s.packs
}

// Pack is the pack of that name, or nil.
func (s *Set) Pack(name string) *Pack {
	for _, p := range s.Packs() {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Mode is how a pack of the set runs.
func (s *Set) Mode(pack string) Mode { return s.modes[pack] }

// Shadowed returns the set with a pack in shadow, whose requests are recorded and
// not carried out. It shares all else with the set, which must not run meanwhile.
func (s *Set) Shadowed(pack string) *Set {
	t := *s
	t.modes, t.withdrawn = maps.Clone(s.modes), maps.Clone(s.withdrawn)
	if t.withdrawn == nil {
		t.withdrawn = map[withdrawal]bool{}
	}
	t.modes[pack], t.withdrawn[withdrawal{pack: pack}] = Shadow, true
	return &t
}

// Rules is how many rules may run.
func (s *Set) Rules() int { return len(s.rules) }

// Shed throws the VMs of a shard away; they are made anew when they are needed.
// It is called from the goroutine that calls Run for the shard.
func (s *Set) Shed(shard int) {
	for _, p := range s.packs {
		p.drop(shard)
	}
}

// Schedules are the rules that chert.every made, of packs that are not off.
func (s *Set) Schedules() []*Rule {
	if s == nil {
		return nil
	}
	return s.schedules
}

// Content is the hash of what the set was loaded from, for WatchOptions.Since.
func (s *Set) Content() string { return s.content }

// Wants reports whether any rule subscribes to events of the type that chertd
// makes for a pack or, if pack is "", that come from outside.
func (s *Set) Wants(typ, pack string) bool { return s.index.wants(typ, pack) }

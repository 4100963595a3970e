package rules

import (
	"cmp"
	"slices"
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

	schedules []*Rule

	// runners, one a shard, are reused: an event that no rule wants costs no allocation.
	runners []*runner
}

func newSet(packs []*Pack, o Options, content string) *Set {
	s := &Set{packs: slices.Clone(packs), modes: map[string]Mode{}, content: content}
	slices.SortFunc(s.packs, func(a, b *Pack) int { return cmp.Compare(a.Name, b.Name) })
	for _, p := range s.packs {
		mode := cmp.Or(o.Packs[p.Name].Mode, p.Manifest.Mode, Live)
		s.modes[p.Name] = mode
		if mode == Off {
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
		s.runners = append(s.runners, &runner{})
	}
	return s
}

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

// Rules is how many rules may run.
func (s *Set) Rules() int { return len(s.rules) }

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

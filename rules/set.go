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

// Set is a set of packs that are live together, with the index of their rules. It is
// immutable, apart from the VMs of its packs. Several sets may be in use and share packs,
// if all calls for a shard come from one goroutine.
type Set struct {
	packs   []*Pack // by name
	modes   map[string]Mode
	rules   []*Rule // in load order: pack, file, position; those of packs that are off left out
	packOf  []*Pack // of rules
	index   *index
	content string
	country string                 // of events' numbers without +
	lists   map[string]ListOptions // that the configuration declares; nil: any

	schedules []*Rule
	unloaded  []Unloaded
	unread    bool // the folder could not be read: there may be other packs
	// withdrawn has the versions whose requests are not carried out any more.
	withdrawn map[PackVersion]bool
	// rollouts are of packs that have one, and candidates of these by name; nil: none has.
	rollouts   map[string]Rollout
	candidates map[string]*Pack
	tries      bool // there are rollouts, or packs in shadow
	// ruleModes are the modes of single rules that restrict them, and restricted those of
	// rules, in their order; nil: there are none.
	ruleModes  map[PackRule]RuleMode
	restricted []RuleMode

	// commands are the modes of packs that a command set, in words; silent has the rules of
	// those that are off: nil: none is.
	commands map[string]string
	silent   *silent

	// runners, one for each shard, are reused: an event that no rule wants costs no
	// allocation.
	runners []*runner
}

// SetParts are the parts of a Set.
type SetParts struct {
	Packs     []*Pack // the live versions
	Unloaded  []Unloaded
	Modes     map[string]Mode // of all packs that the set knows
	Withdrawn map[PackVersion]bool
	Rollouts  map[string]Rollout // of packs that have one
	// Candidates are the versions that Rollouts name, of packs among Packs that are live.
	Candidates []*Pack
	// RuleModes are the modes of single rules, by pack and name. Names that no rule has count
	// for nothing.
	RuleModes map[string]map[string]RuleMode
	// Commands has, of packs whose mode or share a command set, until when, by whom and why, in
	// words for records: "by ann: wrong reads".
	Commands map[string]string
	Content  string // hash of the folder
	Unread   bool   // the folder could not be read: there may be other packs
}

// PackVersion names a version of a pack. Version "" names all its versions.
type PackVersion struct{ Pack, Version string }

// Unloaded is a pack of which no version is live. Each event from outside is recorded as
// failed for it, to be run once a version is live.
type Unloaded struct {
	Pack    string
	Version string // of its files
	Path    string
	Why     string
	CanVeto bool // it may veto, as far as can be seen: reads are blocked
}

// NewSet returns a set of packs that are live together.
func NewSet(p SetParts, o Options) *Set {
	s := assemble(p.Packs, p.Unloaded, p.Modes, p.Candidates, p.Content, o)
	s.unread, s.withdrawn = p.Unread, maps.Clone(p.Withdrawn)
	s.setRuleModes(p.RuleModes)
	s.setCommands(p.Commands)
	if len(p.Rollouts) > 0 {
		s.rollouts = maps.Clone(p.Rollouts)
		s.tries = true
	}
	return s
}

// outcome returns the outcome of an event for the pack.
func (u *Unloaded) outcome() Outcome {
	return Outcome{
		Pack: u.Pack, Version: u.Version, Place: u.Path,
		Failure: &luabind.Failure{Kind: luabind.NotLoaded, Diagnostic: diag.Diagnostic{
			File: u.Path, Severity: diag.SeverityError, Message: "the pack is not live: " + u.Why,
			Hint: "chertd check " + diag.ShellWord(u.Path),
		}},
	}
}

// newSet returns a set of packs in the modes of chertd.yaml and their pack.yaml.
func newSet(packs []*Pack, o Options, content string) *Set {
	modes := map[string]Mode{}
	for _, p := range packs {
		modes[p.Name] = o.ModeOf(p)
	}
	return assemble(packs, nil, modes, nil, content, o)
}

// assemble returns a set of packs in the given modes, and of candidates beside them.
func assemble(packs []*Pack, unloaded []Unloaded, modes map[string]Mode, candidates []*Pack, content string, o Options) *Set {
	s := &Set{packs: slices.Clone(packs), unloaded: unloaded, modes: modes, content: content, country: o.Country, lists: maps.Clone(o.Lists)}
	slices.SortFunc(s.packs, func(a, b *Pack) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.unloaded, func(a, b Unloaded) int { return cmp.Compare(a.Pack, b.Pack) })
	for _, c := range candidates {
		if s.candidates == nil {
			s.candidates = map[string]*Pack{}
		}
		s.candidates[c.Name] = c
	}
	for _, p := range s.packs {
		if modes[p.Name] == Off {
			continue
		}
		s.addRules(p, nil)
		if c := s.candidates[p.Name]; c != nil {
			s.addRules(c, p)
		}
	}
	for _, mode := range modes {
		s.tries = s.tries || mode == Shadow
	}
	s.index = newIndex(s.rules)
	for range o.shards() {
		s.runners = append(s.runners, &runner{probe: probe{handles: handle.NewReader(o.Country)}})
	}
	return s
}

// addRules adds the rules of a pack to the set. A candidate comes after the live version;
// of its schedules only those are added that the live one does not have.
func (s *Set) addRules(p, live *Pack) {
	for _, r := range p.Rules {
		s.rules = append(s.rules, r)
		s.packOf = append(s.packOf, p)
		same := func(other *Rule) bool { return other.Every != "" && other.Key == r.Key }
		if r.Every != "" && (live == nil || !slices.ContainsFunc(live.Rules, same)) {
			s.schedules = append(s.schedules, r)
		}
	}
}

// Withdrawn reports whether the requests of a version of a pack for a chat are not
// carried out any more: the pack is off, in shadow or removed, the chat is not in its
// share, or the version was rolled back. With version "" only the pack counts.
func (s *Set) Withdrawn(pack, version, chat string) bool {
	_, known := s.modes[pack]
	if !known || s.withdrawn[PackVersion{Pack: pack}] || s.withdrawn[PackVersion{pack, version}] {
		return true
	}
	r, ok := s.rollouts[pack]
	return ok && !r.KeepsPending && (r.Candidate == "" || r.Candidate == version) && !r.reaches(pack, chat)
}

// Serving returns the version that runs events that a pack has missed. If out is set,
// the pack is off, in shadow or removed, and its missed events block nothing any more.
// With neither, the pack is broken and no version of it is live.
func (s *Set) Serving(pack string) (version string, out bool) {
	if s.modes[pack] != Live {
		return "", true
	}
	if p := s.Pack(pack); p != nil {
		return p.Version, false
	}
	return "", false
}

// HasRule reports whether a pack has a rule, or may have it because no version of the
// pack is loaded.
func (s *Set) HasRule(pack, rule string) bool {
	p, named := s.Pack(pack), func(r *Rule) bool { return r.Name == rule }
	if c := s.candidates[pack]; c != nil && slices.ContainsFunc(c.Rules, named) {
		return true
	}
	return p == nil || slices.ContainsFunc(p.Rules, named)
}

// Has reports whether the set knows a pack, in whatever mode and state.
func (s *Set) Has(pack string) bool {
	_, known := s.modes[pack]
	return known
}

// declares reports whether the configuration declares a list.
func (s *Set) declares(list string) bool {
	_, ok := s.lists[list]
	return ok || s.lists == nil
}

// Lists returns the lists that the configuration declares, by name; nil: there is no
// configuration, and rules may use any. The caller must not change them.
func (s *Set) Lists() map[string]ListOptions { return s.lists }

// Country returns the country whose numbers need no + (rules.country), or "".
func (s *Set) Country() string { return s.country }

// Known returns the names of the packs that the set knows, in no order.
func (s *Set) Known() iter.Seq[string] { return maps.Keys(s.modes) }

// Unread reports whether the rules folder could not be read when the set was made: there
// may be packs that the set does not know.
func (s *Set) Unread() bool { return s.unread }

// Packs returns the packs, sorted by name. The caller must not change the slice.
func (s *Set) Packs() []*Pack {
	if s == nil {
		return nil
	}
	return s.packs
}

// Pack returns the pack with a name, or nil.
func (s *Set) Pack(name string) *Pack {
	for _, p := range s.Packs() {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Mode returns the mode of a pack. If it is live, ModeIn is another one for chats that
// are not in its share.
func (s *Set) Mode(pack string) Mode { return s.modes[pack] }

// Shadowed returns the set with a pack in shadow mode. It shares all else with the set,
// which must not run any more.
func (s *Set) Shadowed(pack string) *Set {
	t := *s
	t.modes, t.withdrawn = maps.Clone(s.modes), maps.Clone(s.withdrawn)
	if t.withdrawn == nil {
		t.withdrawn = map[PackVersion]bool{}
	}
	t.commands = maps.Clone(s.commands)
	delete(t.commands, pack)
	t.modes[pack], t.withdrawn[PackVersion{Pack: pack}], t.tries = Shadow, true, true
	return &t
}

// Rules returns how many rules may run.
func (s *Set) Rules() int { return len(s.rules) }

// Shed discards the VMs of a shard; Run makes new ones when it needs them. It must be
// called from the goroutine that calls Run for the shard.
func (s *Set) Shed(shard int) {
	for _, p := range s.packs {
		p.drop(shard)
	}
	for _, p := range s.candidates {
		p.drop(shard)
	}
}

// Schedules returns the rules of chert.every, of packs that are not off.
func (s *Set) Schedules() []*Rule {
	if s == nil {
		return nil
	}
	return s.schedules
}

// Content returns the hash of the folder from which the set was loaded.
func (s *Set) Content() string { return s.content }

// Wants reports whether any rule subscribes to events of the type that chertd
// makes for a pack or, if pack is "", that come from outside.
func (s *Set) Wants(typ, pack string) bool { return s.index.wants(typ, pack) }

// Subscribers counts the rules that subscribe to a type of events by its name, by whether they
// are live in a chat or in shadow.
func (s *Set) Subscribers(typ, chatID string) (live, shadow int) {
	for i, r := range s.rules {
		if !slices.Contains(r.Types, typ) {
			continue
		}
		mode := s.modeOf(s.packOf[i], chatID)
		if s.restricted != nil && mode != Off && s.restricted[i].restricts() {
			mode = s.restricted[i].Mode
		}
		switch mode {
		case Live:
			live++
		case Shadow:
			shadow++
		}
	}
	return live, shadow
}

// SameAs reports whether a set would do the same as this one.
func (s *Set) SameAs(t *Set) bool {
	return slices.Equal(s.packs, t.packs) && slices.Equal(s.unloaded, t.unloaded) && maps.Equal(s.modes, t.modes) && maps.Equal(s.withdrawn, t.withdrawn) && maps.Equal(s.rollouts, t.rollouts) && maps.Equal(s.candidates, t.candidates) && s.sameRuleModes(t) && maps.Equal(s.commands, t.commands) && s.unread == t.unread && maps.Equal(s.lists, t.lists)
}

// Unloaded lists the packs of which no version is live, by name.
func (s *Set) Unloaded() []Unloaded { return s.unloaded }

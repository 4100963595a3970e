package rules

import (
	"encoding/json"
	"maps"
	"slices"

	"chertd/luabind/diag"
)

// SetParts is what a set is made of.
type SetParts struct {
	Packs     []*Pack // the live versions
	Unloaded  []Unloaded
	Modes     map[string]Mode // of all packs that the set knows
	Withdrawn map[PackVersion]bool
	Content   string // hash of the folder
	Unread    bool   // the folder could not be read: there may be other packs
}

// PackVersion names a version of a pack; version "" is the pack as a whole.
type PackVersion struct{ Pack, Version string }

// NewSet makes a set of packs that are live together.
func NewSet(p SetParts, o Options) *Set {
	s := assemble(p.Packs, p.Unloaded, p.Modes, p.Content, o)
	s.unread, s.withdrawn = p.Unread, map[withdrawal]bool{}
	for of := range p.Withdrawn {
		s.withdrawn[withdrawal{of.Pack, of.Version}] = true
	}
	return s
}

// SameAs reports whether a set would do the same as this one.
func (s *Set) SameAs(t *Set) bool { return s.sameAs(t) }

// Unloaded lists the packs of which no version is live, by name.
func (s *Set) Unloaded() []Unloaded { return s.unloaded }

// VersionOf hashes the files that a version is made of. Specs are not among them:
// they say nothing about what the pack does.
func VersionOf(files []File) string { return versionOf(files) }

// ContentOf hashes files, specs included.
func ContentOf(files []File) string { return contentOf([]source{{files: files}}, nil) }

// ShortDigits is how many digits of a version people are shown.
const ShortDigits = shortVersion

// ShortOf returns a version as people are shown it.
func ShortOf(version string) string { return version[:min(len(version), shortVersion)] }

// Built returns a hash of all that the pack's VMs are made of: two packs with the
// same one do the same.
func (p *Pack) Built() string { return p.built }

// WithFiles returns the pack with other specs among its files. It shares the VMs.
func (p *Pack) WithFiles(files []File) *Pack { return p.withFiles(files) }

// SettingsJSON returns what chertd.yaml sets of the pack, as it is kept; "" if that
// has no JSON. Defaults are not in it: each version has its own.
func (p *Pack) SettingsJSON() string {
	text, err := json.Marshal(p.settings)
	if err != nil {
		return "" // a number that is none
	}
	return string(text)
}

// Blocks returns why reads are blocked though the version is live in a mode; "":
// they are not.
func (p *Pack) Blocks(mode Mode, suspended []RuleSuspension) string { return p.blocks(mode, suspended) }

// LosesRules reports whether the pack has rules that another version does not have.
func (p *Pack) LosesRules(to *Pack) bool {
	return slices.ContainsFunc(p.Rules, func(r *Rule) bool {
		return !slices.ContainsFunc(to.Rules, func(other *Rule) bool { return other.Name == r.Name })
	})
}

// Like reports whether two packs have nearly the same code.
func (p *Pack) Like(other *Pack) bool {
	return likeness(p.wordRuns(), other.wordRuns()) >= nearlySame
}

// ChangeOf compares two versions of a pack; from nil is a pack that is new.
func ChangeOf(from, to *Pack) Change { return changeOf(from, to) }

// Granted reports whether chertd.yaml still grants what a pack was given and what
// it needs.
func (o *Options) Granted(p *Pack) bool {
	can := o.Packs[p.Name].Grant
	for _, c := range slices.Concat(p.Grants, p.Manifest.Permissions) {
		if !slices.Contains(can, c) {
			return false
		}
	}
	return true
}

// Unknown warns of packs that chertd.yaml names and that are not among these, which
// are sorted.
func (o *Options) Unknown(packs []string) (diags diag.List) {
	for _, name := range slices.Sorted(maps.Keys(o.Packs)) {
		if !slices.Contains(packs, name) {
			diags = append(diags, o.unknownPack(name, packs))
		}
	}
	return diags
}

// Permissions lists what a pack is granted once it asks for these, sorted.
func Permissions(asked []string) []string { return sortedSet(slices.Clone(asked)) }

// MatchesLess reports whether a finding says that a rule matches less than it lists.
func MatchesLess(d diag.Diagnostic) bool {
	return d.Severity == diag.SeverityWarning && (d.Code == codeCountry || d.Code == codeEmptyList)
}

package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind"
)

// Change lists the rules and files of a pack that an edit added, removed or changed.
type Change struct {
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Changed []string `json:"changed,omitempty"`
	// Parts are, for each of Changed, the options of the rule that differ, as they are
	// written in Lua, "handler": its code, "file": code of its file outside of all rules that
	// it may use, or "order": it runs before or after other rules than it did.
	Parts map[string][]string `json:"parts,omitempty"`
	// Files are those of the pack, but its rule files and specs, that were added,
	// removed or changed: lib, data and pack.yaml.
	Files []string `json:"files,omitempty"`
	// Uses are, for each of Files in lib and data, the rules that use it: those whose file
	// requires or loads it, itself or through libraries. A file is missing if the code does
	// not say which rules do.
	Uses map[string][]string `json:"uses,omitempty"`
	// Settings are the names in config whose values differ, whether chertd.yaml or the
	// default in pack.yaml was changed.
	Settings []string `json:"settings,omitempty"`
}

// ChangeOf compares two versions of a pack; from is nil for a new pack. A rule counts as
// changed, too, if code of its file outside of all rules differs and the rule uses a name that
// gets a value there. Comments and blanks change nothing.
func ChangeOf(from, to *Pack) (c Change) {
	if from == nil {
		from = &Pack{}
	}
	before, after := map[string]*Rule{}, map[string]bool{}
	for _, r := range from.Rules {
		before[r.Name] = r
	}
	was, now := &outsides{from, map[string]*outside{}}, &outsides{to, map[string]*outside{}}
	elsewhere := moved(from, to)
	for _, r := range to.Rules {
		after[r.Name] = true
		old := before[r.Name]
		if old == nil {
			c.Added = append(c.Added, r.Name)
			continue
		}
		parts := old.digests.differ(&r.digests)
		if fileDiffers(old, r, was, now) {
			parts = append(parts, "file")
		}
		if elsewhere[r.Name] {
			parts = append(parts, "order")
		}
		if len(parts) > 0 {
			c.change(r.Name, parts...)
		}
	}
	for _, r := range from.Rules {
		if !after[r.Name] {
			c.Removed = append(c.Removed, r.Name)
		}
	}
	c.Files = otherFiles(from.Files, to.Files)
	c.Settings = SettingsChanged(from, to)
	for _, name := range c.Files {
		c.use(name, from, to)
	}
	return c
}

// use adds the rules that use a file of lib or data in either version.
func (c *Change) use(name string, from, to *Pack) {
	var all []string
	there := false
	for _, p := range []*Pack{to, from} {
		i := slices.IndexFunc(p.Files, func(f File) bool { return f.Name == name && (f.Kind == LibFile || f.Kind == DataFile) })
		if i < 0 {
			continue
		}
		users, ok := p.users(&p.Files[i])
		if !ok {
			return
		}
		there = true
		for _, rule := range users {
			if !slices.Contains(all, rule) {
				all = append(all, rule)
			}
		}
	}
	if !there {
		return
	}
	if c.Uses == nil {
		c.Uses = map[string][]string{}
	}
	c.Uses[name] = append([]string{}, all...)
}

// FileWords names a changed file with the rules that use it, as far as they are known.
func (c *Change) FileWords(name string) string {
	users, ok := c.Uses[name]
	switch {
	case !ok:
		return name
	case len(users) == 0:
		return name + " (no rule uses it)"
	}
	const most = 5
	text := strings.Join(users[:min(len(users), most)], ", ")
	if more := len(users) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return name + " (used by " + text + ")"
}

// change adds a rule that differs.
func (c *Change) change(rule string, parts ...string) {
	if c.Parts == nil {
		c.Parts = map[string][]string{}
	}
	c.Changed = append(c.Changed, rule)
	c.Parts[rule] = parts
}

// SettingsChanged returns the names in config whose values differ between two versions of a
// pack, or two configurations of one version, sorted.
func SettingsChanged(from, to *Pack) (names []string) {
	was, now := from.config.Settings, to.config.Settings
	for name, v := range now {
		if old, ok := was[name]; !ok || !reflect.DeepEqual(old, v) {
			names = append(names, name)
		}
	}
	for name := range was {
		if _, ok := now[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// otherFiles returns the names of the files, except rules and specs, that differ.
func otherFiles(from, to []File) (names []string) {
	differ := func(in, other []File) {
		for i := range in {
			f := &in[i]
			if f.Kind == RuleFile || f.Kind == SpecFile || slices.Contains(names, f.Name) {
				continue
			}
			if !slices.ContainsFunc(other, func(o File) bool { return o.Name == f.Name && bytes.Equal(o.Bytes, f.Bytes) }) {
				names = append(names, f.Name)
			}
		}
	}
	differ(to, from)
	differ(from, to)
	slices.Sort(names)
	return names
}

// ruleParts are the parts of a rule by which a change is reported, without its place.
var ruleParts = [...]struct {
	name string
	of   func(*luabind.Subscription) any
}{
	{"on", func(s *luabind.Subscription) any { return s.Types }},
	{"where", func(s *luabind.Subscription) any { return []any{s.Where, s.Data} }},
	{"during", func(s *luabind.Subscription) any { return s.During }},
	{"outside", func(s *luabind.Subscription) any { return s.Outside }},
	{"tz", func(s *luabind.Subscription) any { return s.TZ }},
	{"not_on", func(s *luabind.Subscription) any { return s.NotOn }},
	{"max_age", func(s *luabind.Subscription) any { return s.MaxAge }},
	{"cooldown", func(s *luabind.Subscription) any { return s.Cooldown }},
	{"sample", func(s *luabind.Subscription) any { return s.Sample }},
	{"every", func(s *luabind.Subscription) any { return s.Every }},
	{"missed", func(s *luabind.Subscription) any { return s.Missed }},
	{"handler", func(s *luabind.Subscription) any { return []string{s.Call, s.Name, s.Digest} }},
}

// ruleDigests are hashes of the parts of a rule.
type ruleDigests [len(ruleParts)]uint64

func digestsOf(sub *luabind.Subscription) (d ruleDigests) {
	for i := range ruleParts {
		part := ruleParts[i].of(sub)
		text, err := json.Marshal(part) // keys of maps are sorted
		if err != nil {
			text = fmt.Appendf(nil, "%+v", part)
		}
		h := fnv.New64a()
		h.Write(text)
		d[i] = h.Sum64()
	}
	return d
}

// differ returns the names of the parts that differ.
func (d *ruleDigests) differ(other *ruleDigests) (names []string) {
	for i := range d {
		if d[i] != other[i] {
			names = append(names, ruleParts[i].name)
		}
	}
	return names
}

// Like reports whether two packs have nearly the same code.
func (p *Pack) Like(other *Pack) bool {
	return likeness(p.wordRuns(), other.wordRuns()) >= nearlySame
}

const (
	// nearlySame is the likeness from which two packs count as nearly the same: a rule
	// of three lines may differ in a word, one of thirty in a line or two.
	nearlySame = 0.75
	// runOfWords is the number of words in a run.
	runOfWords = 4
)

// wordRuns are the sorted hashes of all runs of words in a pack's code. White space and
// comments make no difference.
type wordRuns struct {
	once sync.Once
	runs []uint64
}

func (p *Pack) wordRuns() []uint64 {
	p.words.once.Do(func() {
		for _, prog := range p.Programs() {
			tokens := prog.Tokens()
			for i := range tokens {
				p.words.runs = append(p.words.runs, hashWords(tokens[i:min(i+runOfWords, len(tokens))]))
			}
		}
		slices.Sort(p.words.runs)
	})
	return p.words.runs
}

func hashWords(tokens []ast.Token) uint64 {
	h := fnv.New64a()
	for _, t := range tokens {
		fmt.Fprintf(h, "%d %q ", t.Type, t.Str)
	}
	return h.Sum64()
}

// likeness returns how much two sorted lists have in common, from 0 to 1.
func likeness(a, b []uint64) float64 {
	if len(a) == 0 || len(b) == 0 || min(len(a), len(b))*4 < max(len(a), len(b))*3 {
		return 0 // the lengths differ too much
	}
	same := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			same, i, j = same+1, i+1, j+1
		}
	}
	return float64(same) / float64(len(a)+len(b)-same)
}

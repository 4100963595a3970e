package rules

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// Options is the operator's word about all packs. The zero value works.
type Options struct {
	Shards  int                    // how many goroutines may call Set.Run, one a shard; default 1
	Zone    *time.Location         // of windows, schedules and dates; nil: UTC
	Country string                 // of phone numbers without +, two letters of ISO 3166; "": they match nothing
	Limits  luabind.Limits         // of packs that set none; zero fields take luabind's defaults
	Suspend SuspendPolicy          // of rules that keep failing
	Share   SharePolicy            // of the machine, a pack
	Packs   map[string]PackOptions // by name
	Now     time.Time              // of a check, that calendars are held against; zero: the machine's clock
	// Print gets what files of a pack print and log when it is loaded, once for all
	// shards; nil drops it. It must be safe for concurrent use.
	Print func(pack, level, msg string, fields map[string]any)
	// Coded gives what loading says the codes of docs/checks.md (lint.Coded). of
	// is the pack it is about, nil for what is about none. nil leaves them out.
	Coded func(of *PackReport, said diag.List) diag.List

	// Folder is the rules folder, for LoadPaths: a path in it is the pack that
	// Load makes of it. "": it is not known.
	Folder string

	grantNeeds bool // what packs need is granted
	leave      leave
}

// leave is which settings that a pack does not take are left out, with a warning.
type leave int

const (
	leaveNone    leave = iota
	leaveUnknown       // those that its pack.yaml does not name
	leaveUnfit         // all
)

// PackOptions is the operator's word about one pack.
type PackOptions struct {
	Mode   Mode           // "" leaves it to pack.yaml, which leaves it to Live
	Grant  []string       // capabilities granted: "typing", "react", "send"
	Config map[string]any // settings, over the defaults of pack.yaml
	Limits Limits         // over those of pack.yaml

	// Places are where this stands in the operator's file: "" the pack's entry,
	// "config.min_digits" a setting. It may be nil.
	Places map[string]Position
}

// Position is where something stands in the operator's file.
type Position struct {
	File      string
	Line, Col int
}

// place is where the operator says something of the pack, or the nearest place
// above it that is known.
func (o *PackOptions) place(path string) Position {
	for {
		if at, ok := o.Places[path]; ok {
			return at
		}
		if path == "" {
			return Position{File: "chertd.yaml"}
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// Codes of what does not fit between the operator's file and the packs.
const (
	CodeNoPack    = "CF008" // it names a pack that is not there
	CodeNoSetting = "CF009" // it gives a pack a setting that the pack does not take
)

// noPack says that the operator's file names a pack that is not among those.
func (o *Options) noPack(name string, packs []string) diag.Diagnostic {
	mine := o.Packs[name]
	at := mine.place("")
	shown, file := ShownName(name), shownKey(name)
	if file != name {
		shown = "a pack " + shown
	}
	return diag.Diagnostic{File: at.File, Line: at.Line, Col: at.Col, Severity: diag.SeverityWarning, Code: CodeNoPack,
		Message: fmt.Sprintf("rules.packs names %s, but there is no such pack", shown),
		Hint:    cmp.Or(didYouMean(diag.Suggest(name, packs)), "delete the entry, or create the pack: a file "+file+".lua or a folder "+file+" in rules.dir")}
}

// shownName matches names that are no secret.
var shownName = regexp.MustCompile(`^[A-Za-z_.-]{1,32}[0-9]{0,2}$`)

// ShownName is a name that the operator's file gives, as an error says it: in quotes,
// or a description of it. A secret may stand where a name belongs.
func ShownName(name string) string {
	n := utf8.RuneCountInString(name)
	if n <= 5 || shownName.MatchString(name) {
		return strconv.Quote(name)
	}
	return fmt.Sprintf("of %d characters", n)
}

// unknownPack is noPack, whose hint knows that a pack is named without the .lua of
// its file.
func (o *Options) unknownPack(name string, packs []string) diag.Diagnostic {
	d := o.noPack(name, packs)
	if plain, ok := strings.CutSuffix(strings.ToLower(name), ".lua"); ok {
		if plain = name[:len(plain)]; slices.Contains(packs, plain) {
			d.Hint = didYouMean(plain)
		} else {
			d.Hint = strings.ReplaceAll(d.Hint, name, plain)
		}
	}
	return d
}

// shownKey is a name as a hint writes it; NAME if it may be a secret.
func shownKey(name string) string {
	if ShownName(name) != strconv.Quote(name) {
		return "NAME"
	}
	return name
}

func (o *Options) shards() int { return max(1, o.Shards) }

func (o *Options) coded(of *PackReport, said diag.List) diag.List {
	if o.Coded == nil || len(said) == 0 {
		return said
	}
	return o.Coded(of, said)
}

// Report is how loading went, pack by pack.
type Report struct {
	Packs       []PackReport // by name
	Diagnostics diag.List    // all of them; those of no single pack first
	Content     string       // hash of what was read, as WatchOptions.Since
}

// Others are the diagnostics of no single pack.
func (r *Report) Others() diag.List {
	ofPacks := map[diag.Diagnostic]int{}
	for i := range r.Packs {
		for _, d := range r.Packs[i].Diagnostics {
			ofPacks[d]++
		}
	}
	var others diag.List
	for _, d := range r.Diagnostics {
		if ofPacks[d]--; ofPacks[d] < 0 {
			others = append(others, d)
		}
	}
	return others
}

// PackReport is how loading one pack went.
type PackReport struct {
	Name        string
	Path        string
	Pack        *Pack // nil if it did not load
	Tried       *Pack // as far as it came, for checks: it may have no rules, and can't be run
	Empty       bool  // it has no rules, and would load otherwise
	Carried     bool  // it is the previous set's, VMs included
	Diagnostics diag.List
}

// Load loads all packs of a rules folder: all or none. The set is nil if the
// diagnostics contain an error. Packs that are as in the previous set, which
// may be nil, are carried over with their VMs; they must be of the same shards.
// Diagnostics name files by dir as it is given.
func Load(dir string, o Options, previous *Set) (*Set, diag.List) {
	r := LoadEach(dir, o, previous)
	return r.set(o), r.Diagnostics
}

// LoadEach loads the packs of a rules folder, each by itself.
func LoadEach(dir string, o Options, previous *Set) Report {
	found := readFolder(dir)
	if len(found.sources) == 0 && !found.diags.Errors() {
		found.diags = append(found.diags, diag.Diagnostic{File: dir, Severity: diag.SeverityError, Message: "there are no rules in this folder",
			Hint: "a pack is a file NAME.lua, or a folder with *.lua files"})
	}
	return loadSources(found, o, previous)
}

// LoadPaths loads what a command is given: rules folders, packs and .lua files.
// Without o.Packs there is no operator to ask, and packs are granted what they
// need. Otherwise it is as Load.
func LoadPaths(paths []string, o Options, previous *Set) (*Set, diag.List) {
	r := LoadEachPath(paths, o, previous)
	return r.set(o), r.Diagnostics
}

// LoadEachPath is LoadPaths, each pack by itself.
func LoadEachPath(paths []string, o Options, previous *Set) Report {
	var all reading
	taken := map[string]bool{}
	for _, p := range paths {
		found := readPath(p, o.Folder)
		if len(found.sources) == 0 && !found.diags.Errors() {
			found.diags = append(found.diags, diag.Diagnostic{File: p, Severity: diag.SeverityError, Message: "there are no rules in this folder",
				Hint: "a pack is a file NAME.lua, or a folder with *.lua files"})
		}
		all.diags = append(all.diags, found.diags...)
		all.ignored = append(all.ignored, found.ignored...)
		all.whole = all.whole || found.whole
		for _, s := range found.sources {
			// A shell's glob names files that belong to a folder named as well.
			at, err := filepath.Abs(s.path)
			if err != nil || !taken[at] {
				taken[at] = true
				all.sources = append(all.sources, s)
			}
		}
	}
	o.grantNeeds = o.Packs == nil
	return loadSources(all, o, previous)
}

func loadSources(found reading, o Options, previous *Set) Report {
	r := Report{Content: found.content()}
	diags := found.diags
	for _, i := range found.ignored {
		diags = append(diags, i.Diagnostic())
	}
	r.Diagnostics = o.coded(nil, diags)
	first := map[string]*builder{}
	for _, src := range found.sources {
		b := build(src, o)
		if other := first[b.pack.Name]; other != nil {
			b.nameTaken(other)
		} else {
			first[b.pack.Name] = b
		}
		pr := PackReport{Name: b.pack.Name, Path: src.path, Tried: b.pack}
		if old := previous.Pack(b.pack.Name); old != nil && old.built == b.pack.built && !b.diags.Errors() {
			// Specs are no part of a version, but are to be as they are now.
			pr.Pack, pr.Carried = old.withFiles(src.files), true
		} else {
			b.compile()
			pr.Empty = b.empty
			if !b.diags.Errors() {
				pr.Pack = b.pack
			}
		}
		slices.SortStableFunc(b.diags, func(a, b diag.Diagnostic) int {
			return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
		})
		pr.Diagnostics = b.diags
		r.Packs = append(r.Packs, pr)
	}
	slices.SortStableFunc(r.Packs, func(a, b PackReport) int { return cmp.Compare(a.Name, b.Name) })
	for i := range r.Packs {
		r.Diagnostics = append(r.Diagnostics, r.Packs[i].Diagnostics...)
	}
	names := slices.Sorted(maps.Keys(first))
	for _, name := range slices.Sorted(maps.Keys(o.Packs)) {
		if first[name] == nil && found.whole {
			r.Diagnostics = append(r.Diagnostics, o.unknownPack(name, names))
		}
	}
	return r
}

// set is the set of all packs, nil if one of them did not load.
func (r *Report) set(o Options) *Set {
	if r.Diagnostics.Errors() {
		return nil
	}
	packs := make([]*Pack, len(r.Packs))
	for i := range r.Packs {
		packs[i] = r.Packs[i].Pack
	}
	return newSet(packs, o, r.Content)
}

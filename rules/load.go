package rules

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"

	"chertd/luabind/diag"
)

// Report is the result of loading, pack by pack.
type Report struct {
	Packs       []PackReport // by name
	Diagnostics diag.List    // all of them; those of no single pack first
	Content     string       // hash of all that was read
	Whole       bool         // a rules folder is among what was loaded, and was read completely

	options Options
}

// PackReport is the result of loading one pack.
type PackReport struct {
	Name        string
	Path        string
	Pack        *Pack // nil if it did not load
	Tried       *Pack // for checks, also if it did not load: it may be incomplete, and can't be run
	Empty       bool  // it did not load only because it has no rules
	Diagnostics diag.List
}

// Load loads rules folders, packs and .lua files, each pack independently of the others.
// Without o.Packs there is no operator's configuration, and packs are granted the
// permissions that they request. Diagnostics name files by the paths as given.
func Load(paths []string, o Options) Report {
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
		all.others = append(all.others, found.others...)
		all.ignore = append(all.ignore, found.ignore...)
		all.whole = all.whole || found.whole
		for _, s := range found.sources {
			// A shell's glob also names the files of a folder that it names.
			at, err := filepath.Abs(s.path)
			if err != nil || !taken[at] {
				taken[at] = true
				all.sources = append(all.sources, s)
			}
		}
	}
	return loadSources(all, o.GrantNeeds())
}

// Set returns the set of all packs, and all diagnostics. The set is nil if a diagnostic
// is an error: either all packs are in it, or there is none.
func (r Report) Set() (*Set, diag.List) {
	if r.Diagnostics.Errors() {
		return nil, r.Diagnostics
	}
	packs := make([]*Pack, len(r.Packs))
	for i := range r.Packs {
		packs[i] = r.Packs[i].Pack
	}
	return newSet(packs, r.options, r.Content), r.Diagnostics
}

// Others returns the diagnostics that belong to no single pack.
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

func loadSources(found reading, o Options) Report {
	r := Report{Content: found.content(), Whole: found.whole, options: o}
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
		b.compile()
		pr.Empty = b.empty
		if !b.diags.Errors() {
			pr.Pack = b.pack
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
	if found.whole {
		loaded := make([]*Pack, len(r.Packs))
		for i := range r.Packs {
			loaded[i] = r.Packs[i].Pack
		}
		r.Diagnostics = append(r.Diagnostics, o.unusedLists(loaded)...)
	}
	names := slices.Sorted(maps.Keys(first))
	for _, name := range slices.Sorted(maps.Keys(o.Packs)) {
		if first[name] == nil && found.whole {
			r.Diagnostics = append(r.Diagnostics, o.unknownPack(name, names))
		}
	}
	return r
}

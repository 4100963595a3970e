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
	Content     string       // hash of what was read, for WatchOptions.Since
}

// PackReport is the result of loading one pack.
type PackReport struct {
	Name        string
	Path        string
	Pack        *Pack // nil if it did not load
	Tried       *Pack // for checks, also if it did not load: it may be incomplete, and can't be run
	Empty       bool  // it did not load only because it has no rules
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

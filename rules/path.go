package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chertd/luabind/diag"
)

// readPath reads what a command was given: a rules folder, a pack, or a file or folder of
// a pack, which selects the pack. root is the rules folder if it is known: a path in it
// selects the pack that reading root would make of it.
func readPath(name, root string) reading {
	info, err := os.Stat(name)
	if err != nil {
		return reading{diags: diag.List{folderDiagnostic(name, err)}}
	}
	if pack := packAround(name, info.IsDir(), root); pack != "" {
		return readPack(pack)
	}
	if info.IsDir() {
		return readFolder(name)
	}
	if pack := specless(name); pack != name {
		if info, err := os.Stat(pack); err != nil || info.IsDir() {
			return reading{diags: diag.List{{File: name, Severity: diag.SeverityError,
				Message: fmt.Sprintf("this spec belongs to no pack: there is no %s beside it", filepath.Base(pack)),
				Hint:    "the specs of a pack that is a folder are in its spec/"}}}
		}
		name = pack
	}
	if !strings.HasSuffix(name, ".lua") {
		return reading{diags: diag.List{{File: name, Severity: diag.SeverityError, Message: "it is neither a folder nor a .lua file", Hint: notRulesHint(name)}}}
	}
	return readIn(filepath.Dir(name), func(r *reader) source { return r.single(filepath.Base(name)) })
}

// readPack reads the folder of one pack.
func readPack(dir string) reading {
	return readIn(dir, func(r *reader) source {
		r.readIgnoreFileAbove(dir)
		s := r.folder(".")
		s.name = folderName(dir)
		return s
	})
}

// readIn reads one pack in a folder.
func readIn(dir string, read func(*reader) source) reading {
	tree, err := OpenTree(dir)
	if err != nil {
		return reading{diags: diag.List{folderDiagnostic(dir, err)}}
	}
	defer tree.Close()
	r := reader{tree: tree, dir: dir}
	s := read(&r)
	return reading{sources: []source{s}, ignored: r.ignored, diags: r.diags}
}

// packAround returns the folder of the pack that an existing path is, or is in; "" if
// none is certain.
func packAround(name string, folder bool, root string) string {
	depth := depthBelow(root, name)
	switch {
	case depth == 0:
		return "" // the rules folder, whatever is in it
	case depth == 1 && !folder:
		return ""
	case depth >= 1:
		for ; depth > 1; depth-- {
			name = above(name)
		}
		return name
	}
	dir := name
	if !folder {
		dir = filepath.Dir(name)
	}
	if isPackFolder(dir) {
		return dir
	}
	// A file of lib/, data/ or spec/, or one of those folders.
	for range maxLibDepth {
		part := folderName(dir)
		dir = above(dir)
		if slices.Contains([]string{"lib", "data", "spec"}, part) && hasRuleFiles(dir) {
			return dir
		}
		if part == "data" || part == "spec" {
			break
		}
	}
	return ""
}

// depthBelow returns how many levels a path is below a folder: 0 if it is the folder, -1
// if it is outside.
func depthBelow(folder, name string) int {
	if folder == "" {
		return -1
	}
	from, err := filepath.Abs(folder)
	to, err2 := filepath.Abs(name)
	if err != nil || err2 != nil {
		return -1
	}
	rel, err := filepath.Rel(from, to)
	switch {
	case err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)):
		return -1
	case rel == ".":
		return 0
	}
	return strings.Count(rel, string(filepath.Separator)) + 1
}

// above returns the folder of a path, relative if the path is.
func above(name string) string {
	name = filepath.Clean(name)
	if base := filepath.Base(name); base == "." || base == ".." {
		return filepath.Join(name, "..")
	}
	return filepath.Dir(name)
}

// specless returns the rule file of a spec; any other path unchanged.
func specless(name string) string {
	if isSpec(filepath.Base(name)) {
		return strings.TrimSuffix(name, "_spec.lua") + ".lua"
	}
	return name
}

// isPackFolder reports whether a folder is one pack and not a folder of packs: it has a
// pack.yaml, a lib/ or spec/, or data files in data/. Another data/, such as the store's,
// does not count.
func isPackFolder(dir string) bool {
	if info, err := os.Stat(filepath.Join(dir, "pack.yaml")); err == nil && !info.IsDir() {
		return true
	}
	for _, sub := range []string{"lib", "spec"} {
		if info, err := os.Stat(filepath.Join(dir, sub)); err == nil && info.IsDir() {
			return true
		}
	}
	return holds(filepath.Join(dir, "data"), func(name string) bool { return dataFormat(name) != "" })
}

// hasRuleFiles reports whether a folder looks like a pack's from inside it.
func hasRuleFiles(dir string) bool {
	return holds(dir, func(name string) bool { return name == "pack.yaml" || strings.HasSuffix(name, ".lua") && !isSpec(name) })
}

// holds reports whether a folder has a file with a wanted name.
func holds(dir string, wanted func(name string) bool) bool {
	entries, _ := os.ReadDir(dir)
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return wanted(e.Name()) && !e.IsDir() })
}

// notRulesHint returns the fix for a path without rules; "" if none is known.
func notRulesHint(name string) string {
	if ext := filepath.Ext(name); ext == ".yaml" || ext == ".yml" {
		return "a configuration is given with -c: `chertd check -c " + name + "`"
	}
	return ""
}

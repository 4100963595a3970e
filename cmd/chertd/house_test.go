package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers lists the packages from the lowest up. A package imports packages of lower
// layers and of its own. Those of layer 0 import nothing of chertd. Rules and Lua know
// neither the client of the API nor waiting.
var layers = [][]string{
	{"engine/event", "engine/event/handle", "luabind/diag", "luabind/tree", "engine/chert", "engine/system", "engine/wait"},
	{"luabind"},
	{"rules", "rules/*"},
	{"engine", "engine/*", "engine/control/console", "engine/store/*"},
	{"cmd/*", "examples"},
}

// TestImportsPointDown holds the packages to the import graph of docs/architecture.md.
func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	imports := importGraph(t, "../..")
	if len(imports) < 15 {
		t.Fatalf("found only %d packages", len(imports))
	}
	for from, all := range imports {
		for _, to := range all {
			switch {
			case layer(t, to) > layer(t, from):
				t.Errorf("%s imports %s, which is of a higher layer", from, to)
			case layer(t, from) == 0:
				t.Errorf("%s imports %s: it must import nothing of chertd", from, to)
			case to == "engine" && !strings.HasPrefix(from, "cmd/"):
				t.Errorf("%s imports engine: only cmd may", from)
			case to == "engine/chertsim" && !strings.HasPrefix(from, "cmd/"):
				t.Errorf("%s imports engine/chertsim: only cmd and tests may", from)
			case layer(t, from) < layer(t, "engine") && (to == "engine/chert" || to == "engine/wait"):
				t.Errorf("%s imports %s: only engine and cmd may", from, to)
			case from == "engine/store" && strings.HasPrefix(to, "engine/store/"):
				t.Errorf("%s imports %s: the seam must not know its implementations", from, to)
			}
		}
	}
}

// layer returns the index of a package in layers; an exact name comes before a pattern.
func layer(t *testing.T, pkg string) int {
	t.Helper()
	for i, all := range layers {
		if slices.Contains(all, pkg) {
			return i
		}
	}
	for i, all := range layers {
		if slices.ContainsFunc(all, func(pattern string) bool { ok, _ := path.Match(pattern, pkg); return ok }) {
			return i
		}
	}
	t.Fatalf("package %s is of no layer: add it to layers and to docs/architecture.md", pkg)
	return 0
}

// importGraph returns the packages of this module that each package imports, tests
// aside, by their paths below root.
func importGraph(t *testing.T, root string) map[string][]string {
	t.Helper()
	graph := map[string][]string{}
	for _, f := range parseModule(t, root) {
		if f.test {
			continue
		}
		graph[f.pkg] = append(graph[f.pkg], slices.Collect(maps.Values(f.imports))...)
	}
	return graph
}

// sourceFile is a Go file of this module.
type sourceFile struct {
	pkg     string // its folder below the module's root
	test    bool
	file    *ast.File
	imports map[string]string // packages of this module by the name that the file uses
}

func parseModule(t *testing.T, root string) (files []sourceFile) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		source := sourceFile{pkg: filepath.ToSlash(dir), test: strings.HasSuffix(name, "_test.go"), file: f, imports: map[string]string{}}
		for _, spec := range f.Imports {
			full, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			pkg, ok := strings.CutPrefix(full, "chertd/")
			if !ok || pkg == source.pkg && !strings.HasSuffix(f.Name.Name, "_test") {
				continue
			}
			alias := path.Base(pkg)
			if spec.Name != nil {
				alias = spec.Name.Name
			}
			source.imports[alias] = pkg
		}
		files = append(files, source)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

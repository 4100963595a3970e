package main

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// unusedOnPurpose lists exported names that no other package uses, with the reason.
var unusedOnPurpose = map[string]string{
	"engine/store/postgres.Open": "no setting offers this store yet",
}

// TestExportedNamesAreUsed fails for an exported function, type, variable or constant
// that no other package names. A type also counts as used if another exported
// declaration of its package mentions it, or if it is an error, which callers may look
// for, or if it is a variant of a sealed interface; and a constant if one of its group is
// used or it is a value of an exported type.
func TestExportedNamesAreUsed(t *testing.T) {
	t.Parallel()
	files := parseModule(t, "../..")
	used := map[string]bool{} // "luabind.VM"
	for _, f := range files {
		for name, pkg := range f.imports {
			ast.Inspect(f.file, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == name {
						used[pkg+"."+s.Sel.Name] = true
					}
				}
				return true
			})
		}
	}
	var unused []string
	for _, f := range files {
		if f.test || f.file.Name.Name == "main" {
			continue
		}
		sealed := variants(files, f.pkg)
		for _, group := range exportedOf(f.file) {
			if slices.ContainsFunc(group, func(name string) bool {
				full := f.pkg + "." + name
				return used[full] || unusedOnPurpose[full] != "" || sealed[name] || mentioned(files, f.pkg, name)
			}) {
				continue
			}
			unused = append(unused, f.pkg+"."+strings.Join(group, ", "))
		}
	}
	slices.Sort(unused)
	for _, name := range unused {
		t.Errorf("%s is exported, and no other package uses it: make it private or delete it", name)
	}
}

// exportedOf returns the exported top-level names of a file. Constants of one group
// stand together; every other name stands alone.
func exportedOf(f *ast.File) (groups [][]string) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.IsExported() {
				groups = append(groups, []string{d.Name.Name})
			}
		case *ast.GenDecl:
			var constants []string
			typed := false // values of an exported type; with iota only the first has the type
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					if spec.Name.IsExported() && !strings.HasSuffix(spec.Name.Name, "Error") {
						groups = append(groups, []string{spec.Name.Name})
					}
				case *ast.ValueSpec:
					if typ, ok := spec.Type.(*ast.Ident); ok && typ.IsExported() && d.Tok == token.CONST {
						typed = true
						break
					}
					for _, name := range spec.Names {
						if strings.HasPrefix(name.Name, "Err") {
							continue
						}
						if name.IsExported() && d.Tok == token.CONST {
							constants = append(constants, name.Name)
						} else if name.IsExported() {
							groups = append(groups, []string{name.Name})
						}
					}
				}
			}
			if len(constants) > 0 && !typed {
				groups = append(groups, constants)
			}
		}
	}
	return groups
}

// mentioned reports whether an exported declaration of a package, its own aside, has a
// name in its signature or fields.
func mentioned(files []sourceFile, pkg, name string) (found bool) {
	look := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && id.Name == name {
				found = true
			}
			return !found
		})
	}
	for _, f := range files {
		if f.pkg != pkg || f.test {
			continue
		}
		for _, d := range f.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && (d.Recv == nil || !strings.Contains(receiver(d), name)) {
					look(d.Type)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if spec.Name.IsExported() && spec.Name.Name != name {
							look(spec.Type)
						}
					case *ast.ValueSpec:
						if spec.Names[0].IsExported() && spec.Names[0].Name != name && spec.Type != nil {
							look(spec.Type)
						}
					}
				}
			}
		}
	}
	return found
}

// variants returns the types of a package that have an unexported method which an
// exported interface of the package has: no other package can make more of them.
func variants(files []sourceFile, pkg string) map[string]bool {
	markers, types := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		if f.pkg != pkg || f.test {
			continue
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
				if i, ok := spec.Type.(*ast.InterfaceType); ok {
					for _, m := range i.Methods.List {
						for _, name := range m.Names {
							markers[name.Name] = !name.IsExported()
						}
					}
				}
			}
			return true
		})
	}
	for _, f := range files {
		if f.pkg != pkg || f.test {
			continue
		}
		for _, d := range f.file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil && markers[fn.Name.Name] {
				types[receiver(fn)] = true
			}
		}
	}
	return types
}

func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

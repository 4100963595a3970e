package main

import (
	"flag"
	"go/ast"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"chertd/luabind"
)

const (
	architecture = "../../docs/architecture.md"
	contributing = "../../docs/contributing.md"
)

var (
	codeSpan  = regexp.MustCompile("`([^`]+)`")
	filePath  = regexp.MustCompile(`(?:^|[^\w/.])((?:[\w.-]+/)+[\w.-]+\.(?:go|sql|txt|lua|md))\b`)
	folder    = regexp.MustCompile(`^(?:[\w.-]+/)+[\w.-]+$`)
	goName    = regexp.MustCompile(`^([a-z]+)\.(\w+(?:\.\w+)?)$`)
	camelCase = regexp.MustCompile(`^[a-z]+[A-Z]\w*$`)
	inFile    = regexp.MustCompile("`[a-z]+\\.(?:\\w+\\.)?(\\w+)` \\(([\\w./-]+\\.go)\\)")
	testName  = regexp.MustCompile(`\b(?:Test|Example|Fuzz|Benchmark)[A-Z]\w*`)
	layerLine = regexp.MustCompile(`^(\d| )  ((?:cmd|engine|examples|luabind|rules)[\w/]*) `)
	goFlag    = regexp.MustCompile(`(?:^|\s)-(?:test\.)?([a-z][\w.]*)`)
)

// TestNamesInDocumentsOfTheCodeExist checks that docs/architecture.md and docs/contributing.md
// name only files, functions, types, methods and fields that exist.
func TestNamesInDocumentsOfTheCodeExist(t *testing.T) {
	t.Parallel()
	files := parseModule(t, "../..")
	declared := declarations(files)
	for _, doc := range []struct {
		file  string
		names int // at least
	}{{architecture, 250}, {contributing, 250}} {
		t.Run(path.Base(doc.file), func(t *testing.T) {
			t.Parallel()
			if named := checkNames(t, readText(t, doc.file), declared); named < doc.names {
				t.Errorf("%d names are compared: the test proves nothing", named)
			}
		})
	}
}

// checkNames checks the names of a page, and returns how many it has.
func checkNames(t *testing.T, page string, declared map[string]bool) (named int) {
	t.Helper()
	for _, m := range filePath.FindAllStringSubmatch(page, -1) {
		if strings.HasPrefix(m[1], "../") {
			continue // TestLinksOfDocumentsResolve has these
		}
		named++
		if _, err := os.Stat("../../" + m[1]); err != nil {
			t.Errorf("the file %s does not exist", m[1])
		}
	}
	for _, m := range codeSpan.FindAllStringSubmatch(prosePart(page), -1) {
		name := strings.Join(strings.Fields(m[1]), " ")
		if g := goName.FindStringSubmatch(name); g != nil {
			named++
			if !declared[name] && luabind.Lookup(name) == nil && !outside(name) {
				t.Errorf("`%s` is not declared", name)
			}
			continue
		}
		if camelCase.MatchString(name) && !declared[name] {
			t.Errorf("`%s` is not declared in any package", name)
		}
		if folder.MatchString(name) && name != "testing/synctest" {
			named++
			if _, err := os.Stat("../../" + name); err != nil {
				t.Errorf("`%s` does not exist", name)
			}
		}
	}
	for _, m := range inFile.FindAllStringSubmatch(strings.Join(strings.Fields(page), " "), -1) {
		declaration := regexp.MustCompile(`(?m)^(?:func(?: \(.*?\))?|type) ` + m[1] + `\b`)
		if !declaration.MatchString(readText(t, "../../"+m[2])) {
			t.Errorf("%s is not declared in %s", m[1], m[2])
		}
	}
	for _, name := range testName.FindAllString(page, -1) {
		named++
		if !declared[name] {
			t.Errorf("there is no %s", name)
		}
	}
	return named
}

// TestArchitectureShowsLayers compares the packages of docs/architecture.md with layers.
func TestArchitectureShowsLayers(t *testing.T) {
	t.Parallel()
	shown, at := map[string]int{}, -1
	for line := range strings.Lines(readText(t, architecture)) {
		m := layerLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if n, err := strconv.Atoi(m[1]); err == nil {
			at = n
		}
		shown[m[2]] = at
	}
	there := map[string]bool{}
	for _, f := range parseModule(t, "../..") {
		if f.test || there[f.pkg] {
			continue
		}
		there[f.pkg] = true
		if at, ok := shown[f.pkg]; !ok {
			t.Errorf("%s is not among the packages", f.pkg)
		} else if want := layer(t, f.pkg); at != want {
			t.Errorf("%s is shown in layer %d, and is in layer %d", f.pkg, at, want)
		}
	}
	for pkg := range shown {
		if !there[pkg] {
			t.Errorf("there is no package %s", pkg)
		}
	}
}

// TestContributingCommandsHaveTheirFlags checks the flags of the go commands that
// docs/contributing.md shows: each is one of go test, or of the package that the command
// names.
func TestContributingCommandsHaveTheirFlags(t *testing.T) {
	t.Parallel()
	files := parseModule(t, "../..")
	compared := 0
	for line := range strings.Lines(readText(t, contributing)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
		args, isTest := strings.CutPrefix(line, "go test ")
		if !isTest && !strings.HasPrefix(line, "go run ./.ci/mutate ") {
			continue
		}
		known := map[string]bool{}
		if isTest {
			for _, name := range []string{"c", "o", "race"} { // of the go command
				known[name] = true
			}
			flag.VisitAll(func(f *flag.Flag) {
				if name, ok := strings.CutPrefix(f.Name, "test."); ok || strings.HasPrefix(f.Name, "rapid.") {
					known[name] = true
				}
			})
		}
		for _, word := range strings.Fields(line) {
			if pkg, ok := strings.CutPrefix(word, "./"); ok && pkg != "..." {
				defineFlags(t, files, pkg, known)
			}
		}
		for _, m := range goFlag.FindAllStringSubmatch(strings.TrimPrefix(line, "go run ./.ci/mutate"), -1) {
			compared++
			if !known[m[1]] {
				t.Errorf("%s: there is no flag -%s", strings.TrimSpace(args), m[1])
			}
		}
	}
	if compared < 25 {
		t.Errorf("%d flags are compared: the test proves nothing", compared)
	}
}

// defineFlags adds the flags that a package defines.
func defineFlags(t *testing.T, files []sourceFile, pkg string, known map[string]bool) {
	t.Helper()
	if strings.HasPrefix(pkg, ".") {
		files = parseModule(t, "../../"+pkg) // parseModule leaves out hidden folders
		pkg = "."
	}
	for _, f := range files {
		if f.pkg != pkg {
			continue
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 3 {
				return true
			}
			fn, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := fn.X.(*ast.Ident)
			name, isText := call.Args[0].(*ast.BasicLit)
			if ok && isText && (x.Name == "flag" || x.Name == "goflag") && name.Kind == token.STRING {
				known[strings.Trim(name.Value, `"`)] = true
			}
			return true
		})
	}
}

// declarations returns what the packages declare: "live.Manager.Read" for methods and
// fields, "live.Step" for other names, and functions, methods, variables and constants also
// by their names alone.
func declarations(files []sourceFile) map[string]bool {
	declared := map[string]bool{}
	for _, f := range files {
		pkg := path.Base(f.pkg)
		if f.file.Name.Name == "main" {
			pkg = "main"
		}
		for _, d := range f.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				name := d.Name.Name
				if d.Recv != nil {
					name = receiver(d) + "." + name
				}
				declared[d.Name.Name] = true
				declared[pkg+"."+name] = true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							declared[pkg+"."+name.Name], declared[name.Name] = true, true
						}
					case *ast.TypeSpec:
						declared[pkg+"."+spec.Name.Name] = true
						for _, name := range members(spec.Type) {
							declared[pkg+"."+spec.Name.Name+"."+name] = true
						}
					}
				}
			}
		}
	}
	return declared
}

// members returns the fields of a struct and the methods of an interface.
func members(t ast.Expr) (names []string) {
	var list *ast.FieldList
	switch t := t.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return nil
	}
	for _, field := range list.List {
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

// prosePart is a page without its blocks of code.
func prosePart(page string) string {
	var b strings.Builder
	code := false
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "```") {
			code = !code
		} else if !code {
			b.WriteString(line)
		}
	}
	return b.String()
}

// outside reports whether a name with a dot is not one of this module: a file, a call of
// the standard library, a key of the configuration, or the type of an event.
func outside(name string) bool {
	return slices.Contains([]string{"go.mod", "records.go", "action.done", "action.failed", "pack.yaml", "control.listen", "limits.reads"}, name) || strings.HasPrefix(name, "t.")
}

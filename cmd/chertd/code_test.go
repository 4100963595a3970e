package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// code is the module with its types.
type code struct {
	fset  *token.FileSet
	info  *types.Info
	files []codeFile
	calls map[string][]*ast.CallExpr     // by the full name of what is called
	lits  map[string][]*ast.CompositeLit // by the type
	decls map[string]*ast.FuncDecl       // by the full name

	closures map[string]*ast.FuncLit    // assigned to a variable where it is declared, by its place
	params   map[types.Object]parameter // of functions and closures that are called

	// expand is whether the text of a function that returns several is each of them; else
	// it is one that varies, unless all are constant.
	expand bool
}

// parameter is a parameter of a function or of a closure.
type parameter struct {
	of    string // as in code.calls
	index int
}

type codeFile struct {
	pkg  *types.Package
	file *ast.File
}

// moduleCode type-checks the module once. It takes imported packages from the build cache.
var moduleCode = sync.OnceValues(func() (*code, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,Dir,GoFiles,Module", "./cmd/chertd")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOOS=linux")
	var failed bytes.Buffer
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.New(failed.String())
	}
	type listed struct {
		ImportPath, Export, Dir string
		GoFiles                 []string
		Module                  *struct{ Path string }
	}
	exports, own := map[string]string{}, []listed(nil)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if p.Module != nil && p.Module.Path == "chertd" {
			own = append(own, p)
		}
	}
	c := &code{
		fset: token.NewFileSet(), calls: map[string][]*ast.CallExpr{}, lits: map[string][]*ast.CompositeLit{}, decls: map[string]*ast.FuncDecl{},
		closures: map[string]*ast.FuncLit{}, params: map[types.Object]parameter{},
		info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}},
	}
	imports := importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, p := range own {
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(c.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			files = append(files, f)
		}
		pkg, err := (&types.Config{Importer: imports}).Check(p.ImportPath, c.fset, files, c.info)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			c.files = append(c.files, codeFile{pkg, f})
		}
	}
	for _, f := range c.files {
		ast.Inspect(f.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				name := c.called(n)
				c.calls[name] = append(c.calls[name], n)
			case *ast.CompositeLit:
				name := c.info.TypeOf(n).String()
				c.lits[name] = append(c.lits[name], n)
			case *ast.AssignStmt:
				for i, to := range n.Lhs {
					if lit, ok := n.Rhs[min(i, len(n.Rhs)-1)].(*ast.FuncLit); ok && n.Tok == token.DEFINE {
						c.closures[c.nameOf(c.info.Defs[to.(*ast.Ident)])] = lit
					}
				}
			case *ast.FuncDecl:
				c.decls[c.info.Defs[n.Name].(*types.Func).FullName()] = n
			}
			return true
		})
	}
	for name := range c.calls {
		for i, o := range c.parametersOf(name) {
			if o != nil {
				c.params[o] = parameter{name, i}
			}
		}
	}
	return c, nil
})

func loadCode(t *testing.T) *code {
	t.Helper()
	c, err := moduleCode()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// called returns the name of what a call calls: of a function or a method in full, of a
// closure the place of its variable.
func (c *code) called(call *ast.CallExpr) string {
	switch fun := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		return c.nameOf(c.info.Uses[fun])
	case *ast.SelectorExpr:
		return c.nameOf(c.info.Uses[fun.Sel])
	}
	return ""
}

func (c *code) nameOf(o types.Object) string {
	switch o := o.(type) {
	case *types.Func:
		return o.FullName()
	case *types.Var:
		return c.fset.Position(o.Pos()).String()
	case *types.Builtin:
		return o.Name()
	}
	return ""
}

// parametersOf returns the parameters of a function of the module, or of a closure.
func (c *code) parametersOf(name string) (list []types.Object) {
	var typ *ast.FuncType
	if d := c.decls[name]; d != nil {
		typ = d.Type
	} else if lit := c.closures[name]; lit != nil {
		typ = lit.Type
	} else {
		return nil
	}
	for _, field := range typ.Params.List {
		for _, id := range field.Names {
			list = append(list, c.info.Defs[id])
		}
		if len(field.Names) == 0 {
			list = append(list, nil)
		}
	}
	return list
}

// given is a value that a variable gets. by is nil for a declaration with var.
type given struct {
	value ast.Expr
	by    *ast.AssignStmt
}

// assigned returns the values that a variable is given; nil for one that can't be seen.
func (c *code) assigned(o types.Object) (list []given) {
	if o == nil || o.Pkg() == nil {
		return nil
	}
	for _, f := range c.files {
		if f.pkg.Path() != o.Pkg().Path() || o.Pos() < f.file.FileStart || o.Pos() > f.file.FileEnd {
			continue
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for i, to := range n.Lhs {
					id, ok := to.(*ast.Ident)
					if !ok || c.info.Defs[id] != o && c.info.Uses[id] != o {
						continue
					}
					var value ast.Expr
					if len(n.Lhs) == len(n.Rhs) {
						value = n.Rhs[i]
					}
					list = append(list, given{value, n})
				}
			case *ast.ValueSpec:
				for i, id := range n.Names {
					if c.info.Defs[id] == o && i < len(n.Values) {
						list = append(list, given{n.Values[i], nil})
					}
				}
			}
			return true
		})
	}
	return list
}

// returned returns what a function returns first.
func (c *code) returned(d *ast.FuncDecl) (values []ast.Expr) {
	ast.Inspect(d.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			if len(n.Results) > 0 {
				values = append(values, n.Results[0])
			}
		}
		return true
	})
	for _, field := range d.Type.Results.List {
		for _, id := range field.Names {
			values = append(values, id)
		}
	}
	return values
}

// function returns the name of the function around a place.
func (c *code) function(pos token.Pos) string {
	for _, d := range c.decls {
		if d.Pos() <= pos && pos < d.End() {
			return d.Name.Name
		}
	}
	return ""
}

func (c *code) place(pos token.Pos) string {
	p := c.fset.Position(pos)
	root, _ := filepath.Abs("../..")
	name, _ := filepath.Rel(root, p.Filename)
	return name + ":" + strings.TrimPrefix(p.String(), p.Filename+":")
}

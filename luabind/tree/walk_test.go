package tree

import (
	goast "go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/gopher-lua/ast"
)

// nodes has one node of each type. A type that gopher-lua adds belongs here and
// into Visitor.
var nodes = []ast.PositionHolder{
	&ast.AssignStmt{}, &ast.LocalAssignStmt{}, &ast.FuncCallStmt{}, &ast.DoBlockStmt{}, &ast.WhileStmt{}, &ast.RepeatStmt{}, &ast.IfStmt{},
	&ast.NumberForStmt{}, &ast.GenericForStmt{}, &ast.FuncDefStmt{}, &ast.ReturnStmt{}, &ast.BreakStmt{}, &ast.LabelStmt{}, &ast.GotoStmt{},
	&ast.TrueExpr{}, &ast.FalseExpr{}, &ast.NilExpr{}, &ast.NumberExpr{}, &ast.StringExpr{}, &ast.Comma3Expr{}, &ast.IdentExpr{},
	&ast.AttrGetExpr{}, &ast.TableExpr{}, &ast.FuncCallExpr{}, &ast.LogicalOpExpr{}, &ast.RelationalOpExpr{}, &ast.StringConcatOpExpr{},
	&ast.ArithmeticOpExpr{}, &ast.UnaryMinusOpExpr{}, &ast.UnaryNotOpExpr{}, &ast.UnaryLenOpExpr{}, &ast.FunctionExpr{},
}

// The table above has every type of node that the source of gopher-lua declares.
func TestNodesAreAllThereAre(t *testing.T) {
	t.Parallel()
	pkg, err := build.Import("github.com/yuin/gopher-lua/ast", ".", 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	for _, name := range pkg.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			types, _ := d.(*goast.GenDecl)
			if types == nil || types.Tok != token.TYPE {
				continue
			}
			for _, spec := range types.Specs {
				name := spec.(*goast.TypeSpec).Name.Name
				if (strings.HasSuffix(name, "Stmt") || strings.HasSuffix(name, "Expr")) && !slices.Contains([]string{"Stmt", "Expr", "ConstExpr"}, name) {
					declared = append(declared, name)
				}
			}
		}
	}
	var known []string
	for _, n := range nodes {
		known = append(known, reflect.TypeOf(n).Elem().Name())
	}
	slices.Sort(known)
	if slices.Sort(declared); !slices.Equal(known, declared) {
		t.Errorf("gopher-lua has the nodes %v\nthe table has %v", declared, known)
	}
}

// Every part of every node is visited once, in the order in which it is written,
// and what the visitor returns takes its place.
func TestEveryPartIsVisitedOnce(t *testing.T) {
	t.Parallel()
	for _, n := range nodes {
		name := reflect.TypeOf(n).Elem().Name()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := filler{}
			f.fill(reflect.ValueOf(n).Elem())
			want := slices.Concat(f.parts...)
			if name == "RepeatStmt" { // the condition is written last
				want = slices.Concat(f.parts[1], f.parts[0])
			}
			var got []int
			v := Visitor{
				Block: func(list []ast.Stmt) []ast.Stmt {
					got = append(got, list[0].Line())
					list[0].SetLine(-list[0].Line())
					return list
				},
				Expr: func(e ast.Expr) ast.Expr {
					got = append(got, e.Line())
					if fn, ok := e.(*ast.FunctionExpr); ok {
						fn.SetLine(-fn.Line()) // a FuncDefStmt holds nothing else
						return fn
					}
					other := &ast.IdentExpr{}
					other.SetLine(-e.Line())
					return other
				},
			}
			if s, ok := n.(ast.Stmt); ok {
				v.InStmt(s)
			} else {
				v.InExpr(n.(ast.Expr))
			}
			if !slices.Equal(got, want) {
				t.Errorf("visited the parts %v, want %v", got, want)
			}
			after := filler{read: true}
			after.fill(reflect.ValueOf(n).Elem())
			for _, line := range slices.Concat(after.parts...) {
				if line > 0 {
					t.Errorf("part %d was not replaced", line)
				}
			}
		})
	}
}

// filler puts parts into the fields of a node, each on a line of its own; or
// reads the lines of those that are there.
type filler struct {
	read  bool
	last  int
	parts [][]int // of the fields, in the order in which they are declared
}

func (f *filler) fill(node reflect.Value) {
	for i := range node.NumField() {
		field, typ := node.Field(i), node.Type().Field(i)
		if typ.Anonymous || !typ.IsExported() {
			continue
		}
		var lines []int
		switch value := field.Interface().(type) {
		case []ast.Stmt:
			if !f.read {
				value = []ast.Stmt{next(f, &ast.BreakStmt{})}
				field.Set(reflect.ValueOf(value))
			}
			lines = []int{value[0].Line()}
		case []ast.Expr:
			if !f.read {
				value = []ast.Expr{next(f, &ast.IdentExpr{}), next(f, &ast.IdentExpr{})}
				field.Set(reflect.ValueOf(value))
			}
			lines = []int{value[0].Line(), value[1].Line()}
		case *ast.FunctionExpr:
			if !f.read {
				value = next(f, &ast.FunctionExpr{})
				field.Set(reflect.ValueOf(value))
			}
			lines = []int{value.Line()}
		case *ast.FuncName:
			if !f.read {
				field.Set(reflect.ValueOf(&ast.FuncName{}))
			}
			f.fill(field.Elem())
		case []*ast.Field:
			if !f.read {
				field.Set(reflect.ValueOf([]*ast.Field{{}, {}}))
			}
			for j := range field.Len() {
				f.fill(field.Index(j).Elem())
			}
		case string, []string, bool, *ast.ParList:
		default:
			if field.Type() != reflect.TypeFor[ast.Expr]() {
				panic("a field of type " + field.Type().String() + " that Visitor does not know")
			}
			if !f.read {
				field.Set(reflect.ValueOf(next(f, &ast.IdentExpr{})))
			}
			lines = []int{field.Interface().(ast.Expr).Line()}
		}
		f.parts = append(f.parts, lines)
	}
}

func next[N ast.PositionHolder](f *filler, n N) N {
	f.last++
	n.SetLine(f.last)
	return n
}

// A chain of `..` is as many operands side by side, however long it is.
func TestConcatChainIsVisitedAsAList(t *testing.T) {
	t.Parallel()
	e := ast.Expr(&ast.NumberExpr{Value: "0"})
	for range 1000 {
		e = &ast.StringConcatOpExpr{Lhs: &ast.NumberExpr{Value: "1"}, Rhs: e}
	}
	operands := 0
	v := Visitor{Expr: func(e ast.Expr) ast.Expr {
		if _, ok := e.(*ast.NumberExpr); ok {
			operands++
		} else {
			t.Errorf("visited a %T", e)
		}
		return e
	}}
	if v.InExpr(e); operands != 1001 {
		t.Errorf("visited %d operands, want 1001", operands)
	}
}

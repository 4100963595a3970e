package tree_test

import (
	"fmt"
	"strings"

	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"chertd/luabind/tree"
)

// A walk over a whole chunk: each function decides whether to go deeper.
func ExampleVisitor() {
	chunk, err := parse.Parse(strings.NewReader(`
		if ready then
			notify("ops", count + 1)
		end`), "rule.lua")
	if err != nil {
		fmt.Println(err)
		return
	}
	var v tree.Visitor
	v.Block = func(list []ast.Stmt) []ast.Stmt {
		for _, s := range list {
			v.InStmt(s)
		}
		return list
	}
	v.Expr = func(e ast.Expr) ast.Expr {
		if name, ok := e.(*ast.IdentExpr); ok {
			fmt.Println(name.Value)
		}
		v.InExpr(e)
		return e
	}
	v.Block(chunk)
	// Output:
	// ready
	// notify
	// count
}

func ExampleResolve() {
	chunk, err := parse.Parse(strings.NewReader("local x = x"), "rule.lua")
	if err != nil {
		fmt.Println(err)
		return
	}
	names, err := tree.Resolve(chunk, []bool{false}) // no `local function`
	if err != nil {
		fmt.Println(err)
		return
	}
	s := chunk[0].(*ast.LocalAssignStmt)
	fmt.Println("declares", names.Declared[s][0].Name)
	fmt.Println("the x on the right is a global:", names.Of(s.Exprs[0]) == nil)
	// Output:
	// declares x
	// the x on the right is a global: true
}

package luabind

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind/tree"
)

// The compiler recurses over the tree, searches constants one by one and folds
// chains of operators again at each level. The guard refuses what would make it
// slow, or its recursion deep.
const (
	maxTree = 400 // levels of the tree: chains of operators, calls, elseif
	// maxConstantWork bounds the comparisons it makes in search of constants,
	// about 3 ns each.
	maxConstantWork = 50_000_000
	// maxItems is how many values without keys a table constructor may have:
	// gopher-lua writes those beyond 511 batches of 50 to wrong places.
	maxItems = 511 * 50
	// maxCode is how many instructions a function may have: jumps reach 131,071
	// and backward ones are not checked.
	maxCode = 100_000
	// maxUpvalues is the largest value of the byte that counts them.
	maxUpvalues = 255
)

// guardian walks a tree and stops at the first thing that it refuses.
type guardian struct {
	tree.Visitor
	file  string
	depth int
	line  int // of the current statement
	fn    *guardedFunction
	err   error
}

// guardedFunction counts the constants of a function, and the work of finding
// them.
type guardedFunction struct {
	constants map[any]int
	work      int
}

func guard(file string, chunk []ast.Stmt) error {
	g := &guardian{file: file, fn: &guardedFunction{constants: map[any]int{}}}
	g.Visitor = tree.Visitor{Block: g.stmts, Expr: g.expr}
	g.stmts(chunk)
	return g.err
}

func (g *guardian) refuse(line int, message, hint string) {
	if g.err == nil {
		if line <= 0 {
			line = g.line
		}
		g.err = fault(g.file, line, 0, message, hint)
	}
}

// enter counts a level of the tree. leave must follow if it returns true.
func (g *guardian) enter(line int) bool {
	if g.err != nil {
		return false
	}
	if g.depth++; g.depth > maxTree {
		g.refuse(line, fmt.Sprintf("more than %d levels in one expression or statement", maxTree),
			"split it; for long lists use a table, or data.load")
		return false
	}
	return true
}

func (g *guardian) leave() { g.depth-- }

// constant counts the work of the compiler to find a constant.
func (g *guardian) constant(v any) {
	at, ok := g.fn.constants[v]
	if !ok {
		at = len(g.fn.constants)
		g.fn.constants[v] = at
	}
	if g.fn.work += at + 1; g.fn.work > maxConstantWork {
		g.refuse(0, "too many different names, strings and numbers in one function",
			"keep lists in data/*.yaml, *.txt or *.csv and read them with data.load")
	}
}

func (g *guardian) stmts(list []ast.Stmt) []ast.Stmt {
	for _, s := range list {
		g.stmt(s)
	}
	return list
}

func (g *guardian) stmt(s ast.Stmt) {
	if !g.enter(s.Line()) {
		return
	}
	defer g.leave()
	g.line = s.Line()
	switch s := s.(type) {
	case *ast.FuncDefStmt:
		if s.Name.Method != "" {
			g.constant(s.Name.Method)
		}
	case *ast.LabelStmt, *ast.GotoStmt:
		g.refuse(s.Line(), "goto is not part of Lua 5.1", "use if, while or a function with return")
	}
	g.InStmt(s)
}

func (g *guardian) expr(e ast.Expr) ast.Expr {
	if !g.enter(e.Line()) {
		return e
	}
	defer g.leave()
	switch e := e.(type) {
	case *ast.NumberExpr:
		g.constant(numberKey(e.Value))
	case *ast.StringExpr:
		g.constant(e.Value)
	case *ast.IdentExpr:
		g.constant(e.Value)
	case *ast.TableExpr:
		items := 0
		for _, f := range e.Fields {
			if f.Key == nil {
				items++
			}
		}
		if items > maxItems {
			g.refuse(e.Line(), fmt.Sprintf("a table constructor with %d values: at most %d are allowed", items, maxItems),
				"keep long lists in data/*.txt and read them with data.load")
		}
	case *ast.FuncCallExpr:
		if e.Method != "" {
			g.constant(e.Method)
		}
	case *ast.FunctionExpr:
		outer := g.fn
		g.fn = &guardedFunction{constants: map[any]int{}, work: outer.work}
		g.InExpr(e)
		outer.work = g.fn.work
		g.fn = outer
		return e
	}
	g.InExpr(e)
	return e
}

// numberKey distinguishes numbers from strings of the same characters.
type numberKey string

// operands returns the operands of a chain of `..`, left to right.
func operands(e *ast.StringConcatOpExpr) []ast.Expr {
	parts := []ast.Expr{e.Lhs}
	for {
		next, ok := e.Rhs.(*ast.StringConcatOpExpr)
		if !ok {
			return append(parts, e.Rhs)
		}
		parts = append(parts, next.Lhs)
		e = next
	}
}

// checkCode refuses compiled functions that the machine could not address.
func checkCode(file string, p *lua.FunctionProto) error {
	switch {
	case len(p.Code) > maxCode:
		return fault(file, p.LineDefined, 0, "this function is too long", "split it; keep lists in data/*.yaml and read them with data.load")
	case len(p.DbgUpvalues) > maxUpvalues:
		return fault(file, p.LineDefined, 0, fmt.Sprintf("this function uses %d variables of enclosing functions: at most %d are allowed", len(p.DbgUpvalues), maxUpvalues), "keep them in a table")
	}
	for _, sub := range p.FunctionPrototypes {
		if err := checkCode(file, sub); err != nil {
			return err
		}
	}
	return nil
}

package luabind

import (
	"slices"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// coverName is the global that covered code calls before each statement. No
// source can name it, so none can change it.
const coverName = "(cover)"

// Covered compiles a program anew so that it tells Config.Cover the line of
// each statement it is about to run, and lists these lines in order. gopher-lua
// has no hooks: the calls stand in the code. They cost steps, so that covered
// code needs a larger budget, and change nothing else.
func Covered(p *Program) (*Program, []int, error) {
	chunk, err := p.Chunk()
	if err != nil {
		return nil, nil, err
	}
	c := &coverer{seen: map[int]bool{}}
	chunk = c.stmts(chunk)
	proto, err := compile(p.File, chunk)
	if err != nil {
		return nil, nil, err
	}
	q := *p
	q.proto = proto
	slices.Sort(c.lines)
	return &q, c.lines, nil
}

// installCover gives a VM the function that covered code calls.
func installCover(vm *VM, tell func(file string, line int)) {
	vm.setGlobal(coverName, goFunction(func(L *lua.LState) int {
		at := L.Context().(*thread).place()
		tell(at.file, at.line)
		return 0
	}))
}

// coverer puts the calls in, and remembers their lines.
type coverer struct {
	seen  map[int]bool
	lines []int
}

func (c *coverer) stmts(list []ast.Stmt) []ast.Stmt {
	out := make([]ast.Stmt, 0, 2*len(list))
	for _, s := range list {
		c.stmt(s)
		out = append(out, c.call(s.Line()), s)
	}
	return out
}

func (c *coverer) call(line int) ast.Stmt {
	if !c.seen[line] {
		c.seen[line] = true
		c.lines = append(c.lines, line)
	}
	fn := &ast.IdentExpr{Value: coverName}
	call := &ast.FuncCallExpr{Func: fn}
	s := &ast.FuncCallStmt{Expr: call}
	fn.SetLine(line)
	call.SetLine(line)
	call.SetLastLine(line)
	s.SetLine(line)
	s.SetLastLine(line)
	return s
}

func (c *coverer) stmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		c.exprs(s.Lhs)
		c.exprs(s.Rhs)
	case *ast.LocalAssignStmt:
		c.exprs(s.Exprs)
	case *ast.FuncCallStmt:
		c.expr(s.Expr)
	case *ast.DoBlockStmt:
		s.Stmts = c.stmts(s.Stmts)
	case *ast.WhileStmt:
		c.expr(s.Condition)
		s.Stmts = c.stmts(s.Stmts)
	case *ast.RepeatStmt:
		s.Stmts = c.stmts(s.Stmts)
		c.expr(s.Condition)
	case *ast.IfStmt:
		c.expr(s.Condition)
		s.Then = c.stmts(s.Then)
		if len(s.Else) > 0 {
			s.Else = c.stmts(s.Else)
		}
	case *ast.NumberForStmt:
		c.exprs([]ast.Expr{s.Init, s.Limit, s.Step})
		s.Stmts = c.stmts(s.Stmts)
	case *ast.GenericForStmt:
		c.exprs(s.Exprs)
		s.Stmts = c.stmts(s.Stmts)
	case *ast.FuncDefStmt:
		c.expr(s.Func)
	case *ast.ReturnStmt:
		c.exprs(s.Exprs)
	}
}

func (c *coverer) exprs(list []ast.Expr) {
	for _, e := range list {
		c.expr(e)
	}
}

// expr looks for functions, whose statements are covered as well.
func (c *coverer) expr(e ast.Expr) {
	switch e := e.(type) {
	case *ast.FunctionExpr:
		e.Stmts = c.stmts(e.Stmts)
	case *ast.AttrGetExpr:
		c.exprs([]ast.Expr{e.Object, e.Key})
	case *ast.TableExpr:
		for _, f := range e.Fields {
			c.exprs([]ast.Expr{f.Key, f.Value})
		}
	case *ast.FuncCallExpr:
		c.exprs([]ast.Expr{e.Func, e.Receiver})
		c.exprs(e.Args)
	case *ast.LogicalOpExpr:
		c.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.RelationalOpExpr:
		c.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.StringConcatOpExpr:
		c.exprs(operands(e))
	case *ast.ArithmeticOpExpr:
		c.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.UnaryMinusOpExpr:
		c.expr(e.Expr)
	case *ast.UnaryNotOpExpr:
		c.expr(e.Expr)
	case *ast.UnaryLenOpExpr:
		c.expr(e.Expr)
	}
}

// Columns knows where the words of a file stand. It costs a scan of the file to
// make, and may be shared.
type Columns map[int][]ast.Token // by line

// Columns scans the file.
func (p *Program) Columns() Columns {
	c := Columns{}
	for _, t := range p.Tokens() {
		c[t.Pos.Line] = append(c[t.Pos.Line], t)
	}
	return c
}

// Of is the column, from 1, of the first of the words on a line; else that of
// the line's first token; 0 if the line has none.
func (c Columns) Of(line int, words ...string) int {
	for _, t := range c[line] {
		if slices.Contains(words, t.Str) {
			return t.Pos.Column
		}
	}
	if len(c[line]) == 0 {
		return 0
	}
	return c[line][0].Pos.Column
}

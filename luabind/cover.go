package luabind

import (
	"fmt"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"chertd/luabind/tree"
)

// coverName is the global that covered code calls before each statement. No source
// can name it, so none can change it.
const coverName = "(cover)"

// Covered compiles a program again so that it reports to Config.Cover the line of
// each statement before it runs, and returns these lines in order. gopher-lua has
// no hooks, so the calls are in the code. They cost steps: covered code needs a
// larger budget. They change nothing else.
func Covered(p *Program) (*Program, []int, error) {
	tokens, err := scan(p.File, p.text)
	if err != nil {
		return nil, nil, err
	}
	chunk, err := parse.Parse(strings.NewReader(p.text), p.File)
	if err != nil {
		return nil, nil, fmt.Errorf("parse %s: %w", p.File, err)
	}
	c := &coverer{seen: map[int]bool{}}
	c.Visitor = tree.Visitor{Block: c.stmts, Expr: c.expr}
	chunk = c.stmts(chunk)
	proto, err := compile(p.File, chunk, tokens)
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

// coverer inserts the calls, and collects their lines.
type coverer struct {
	tree.Visitor
	seen  map[int]bool
	lines []int
}

func (c *coverer) stmts(list []ast.Stmt) []ast.Stmt {
	out := make([]ast.Stmt, 0, 2*len(list))
	for _, s := range list {
		c.InStmt(s)
		out = append(out, c.call(s.Line()), s)
	}
	return out
}

// expr finds functions, whose statements are covered as well.
func (c *coverer) expr(e ast.Expr) ast.Expr {
	c.InExpr(e)
	return e
}

func (c *coverer) call(line int) ast.Stmt {
	if !c.seen[line] {
		c.seen[line] = true
		c.lines = append(c.lines, line)
	}
	call := on(line, &ast.FuncCallExpr{Func: on(line, &ast.IdentExpr{Value: coverName})})
	return on(line, &ast.FuncCallStmt{Expr: call})
}

// Columns are the tokens of a file by line. They may be shared between goroutines.
type Columns map[int][]ast.Token

// Columns scans the file and returns its columns.
func (p *Program) Columns() Columns {
	c := Columns{}
	for _, t := range p.Tokens() {
		c[t.Pos.Line] = append(c[t.Pos.Line], t)
	}
	return c
}

// Of returns the column, from 1, of the first name on a line that is one of the
// words; else of the line's first token; 0 if the line has none.
func (c Columns) Of(line int, words ...string) int {
	for _, t := range c[line] {
		if t.Type == parse.TIdent && slices.Contains(words, t.Str) {
			return t.Pos.Column
		}
	}
	if len(c[line]) == 0 {
		return 0
	}
	return c[line][0].Pos.Column
}

package lint

import (
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"chertd/luabind"
)

// resolver walks a file once, in the order in which it is written. That order
// is also the tokens', which is how nodes get their columns: each name and
// constant of the tree is the next such token.
type resolver struct {
	*file
	cursor int // of the next token
	fn     *function
	scopes [][]*local
	lazy   []ast.Expr // what is nil where the walk is: the X of `if not X then`
}

// resolve reads a program that compiled.
func resolve(p *pack, prog *luabind.Program, module string) (*file, error) {
	chunk, err := prog.Chunk()
	if err != nil {
		return nil, err
	}
	tokens := prog.Tokens()
	f := &file{
		pack: p, path: prog.File, module: module, prog: prog, tokens: tokens,
		byExpr: map[*ast.FunctionExpr]*function{},
		refs:   make(map[*ast.IdentExpr]*local, len(tokens)/8),
		at:     make(map[any]place, len(tokens)/2),
	}
	f.top = &function{file: f, stmts: chunk}
	r := &resolver{file: f, fn: f.top}
	r.block(chunk)
	return f, nil
}

func (r *resolver) block(stmts []ast.Stmt, names ...*local) {
	r.scopes = append(r.scopes, names)
	ended := false
	for _, s := range stmts {
		r.begin(s)
		if ended {
			r.unreachable = append(r.unreachable, r.at[s])
			ended = false // once a block
		}
		r.stmt(s)
		ended = r.ends(s)
	}
	r.scopes = r.scopes[:len(r.scopes)-1]
}

func (r *resolver) stmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		r.assign(s)
	case *ast.LocalAssignStmt:
		r.localAssign(s)
	case *ast.FuncCallStmt:
		r.expr(s.Expr, read)
	case *ast.DoBlockStmt:
		r.block(s.Stmts)
	case *ast.WhileStmt:
		r.condition(s.Condition)
		r.pass(parse.TDo)
		r.block(s.Stmts)
	case *ast.RepeatStmt:
		r.repeat(s)
	case *ast.IfStmt:
		r.ifStmt(s)
	case *ast.NumberForStmt:
		at := r.leaf()
		for _, e := range []ast.Expr{s.Init, s.Limit, s.Step} {
			if e != nil {
				r.expr(e, read)
			}
		}
		r.pass(parse.TDo)
		r.block(s.Stmts, r.declare(s.Name, at, loopVariable))
	case *ast.GenericForStmt:
		r.genericFor(s)
	case *ast.FuncDefStmt:
		r.funcDef(s)
	case *ast.ReturnStmt:
		for _, e := range s.Exprs {
			r.expr(e, read)
		}
	}
}

func (r *resolver) assign(s *ast.AssignStmt) {
	for _, target := range s.Lhs {
		r.expr(target, set)
	}
	for _, e := range s.Rhs {
		r.expr(e, read)
	}
	for i, target := range s.Lhs {
		a := assignment{target: target, fn: r.fn}
		if i < len(s.Rhs) && (len(s.Lhs) == len(s.Rhs) || i < len(s.Rhs)-1) {
			a.value = s.Rhs[i]
		}
		if or, ok := a.value.(*ast.LogicalOpExpr); ok && or.Operator == "or" && r.same(or.Lhs, target) {
			a.lazy = true
		}
		for _, x := range r.lazy {
			a.lazy = a.lazy || r.same(x, root(target))
		}
		r.assigns = append(r.assigns, a)
	}
}

// root is the variable at the beginning of a.b.c.
func root(e ast.Expr) ast.Expr {
	for {
		get, ok := e.(*ast.AttrGetExpr)
		if !ok {
			return e
		}
		e = get.Object
	}
}

// same reports whether two expressions are the same variable.
func (f *file) same(a, b ast.Expr) bool {
	x, okX := a.(*ast.IdentExpr)
	y, okY := b.(*ast.IdentExpr)
	return okX && okY && x.Value == y.Value && f.refs[x] == f.refs[y]
}

func (r *resolver) localAssign(s *ast.LocalAssignStmt) {
	var made []*local
	kind := variable
	if r.cursor < len(r.tokens) && r.tokens[r.cursor].Type == parse.TFunction {
		kind = namedFunction
		r.cursor++
	}
	for _, name := range s.Names {
		made = append(made, r.declare(name, r.leaf(), kind))
	}
	for i, l := range made {
		l.group = made
		if i < len(s.Exprs) {
			l.init = s.Exprs[i]
			if _, many := s.Exprs[i].(*ast.Comma3Expr); many || i == len(s.Exprs)-1 && len(made) > len(s.Exprs) && multiple(s.Exprs[i]) {
				l.init = nil
			}
		}
	}
	// A function of one name sees that name, as gopher-lua has it.
	if fn, ok := single(s.Exprs).(*ast.FunctionExpr); ok && len(made) == 1 {
		r.enter(made...)
		r.function(fn, kind != namedFunction)
		return
	}
	for _, e := range s.Exprs {
		r.expr(e, read)
	}
	r.enter(made...)
}

func single(list []ast.Expr) ast.Expr {
	if len(list) == 1 {
		return list[0]
	}
	return nil
}

// multiple reports whether an expression may give several values.
func multiple(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		return !e.AdjustRet
	case *ast.Comma3Expr:
		return !e.AdjustRet
	}
	return false
}

func (r *resolver) repeat(s *ast.RepeatStmt) {
	// The condition sees the locals of the block.
	r.scopes = append(r.scopes, nil)
	for _, inner := range s.Stmts {
		r.begin(inner)
		r.stmt(inner)
	}
	r.condition(s.Condition)
	r.scopes = r.scopes[:len(r.scopes)-1]
}

func (r *resolver) ifStmt(s *ast.IfStmt) {
	r.condition(s.Condition)
	r.pass(parse.TThen)
	lazy := len(r.lazy)
	switch c := s.Condition.(type) {
	case *ast.UnaryNotOpExpr:
		r.lazy = append(r.lazy, c.Expr)
	case *ast.RelationalOpExpr:
		if _, isNil := c.Rhs.(*ast.NilExpr); isNil && c.Operator == "==" {
			r.lazy = append(r.lazy, c.Lhs)
		}
	}
	r.block(s.Then)
	r.lazy = r.lazy[:lazy]
	if len(s.Else) == 0 {
		return
	}
	if next := r.peek(parse.TElse, parse.TElseIf); next == parse.TElse {
		r.pass(parse.TElse)
	} else {
		r.pass(parse.TElseIf)
		r.cursor--
	}
	r.block(s.Else)
}

func (r *resolver) genericFor(s *ast.GenericForStmt) {
	var made []*local
	for _, name := range s.Names {
		made = append(made, r.declare(name, r.leaf(), loopVariable))
	}
	for _, e := range s.Exprs {
		r.expr(e, read)
	}
	if len(s.Exprs) == 1 {
		r.loops = append(r.loops, s.Exprs[0])
	}
	if c, ok := single(s.Exprs).(*ast.FuncCallExpr); ok && len(made) == 2 && len(c.Args) == 1 {
		if fn, ok := c.Func.(*ast.IdentExpr); ok && r.refs[fn] == nil {
			switch fn.Value {
			case "ipairs":
				made[1].list = c.Args[0]
			case "pairs":
				made[1].table = c.Args[0]
			}
		}
	}
	r.pass(parse.TDo)
	r.block(s.Stmts, made...)
}

func (r *resolver) funcDef(s *ast.FuncDefStmt) {
	target := s.Name.Func
	var self []string
	if s.Name.Receiver != nil {
		key := &ast.StringExpr{Value: s.Name.Method}
		r.expr(s.Name.Receiver, based)
		r.at[key] = r.leaf()
		target = &ast.AttrGetExpr{Object: s.Name.Receiver, Key: key}
		r.gets = append(r.gets, getUse{target.(*ast.AttrGetExpr), r.fn, set})
		self = []string{"self"}
	} else {
		r.expr(target, set)
	}
	r.assigns = append(r.assigns, assignment{target: target, value: s.Func, fn: r.fn})
	r.function(s.Func, false, self...)
}

// function walks a function. Its word stands behind the cursor if it is an
// expression, and before it where the name of the function follows the word.
func (r *resolver) function(e *ast.FunctionExpr, word bool, first ...string) {
	fn := &function{file: r.file, expr: e, outer: r.fn, stmts: e.Stmts}
	if word {
		r.at[e] = r.pass(parse.TFunction)
	} else if r.cursor > 0 {
		r.at[e] = pos(r.tokens[r.cursor-1])
	}
	r.functions = append(r.functions, fn)
	r.byExpr[e] = fn
	outer := r.fn
	r.fn = fn
	for _, name := range first {
		fn.params = append(fn.params, r.declare(name, r.at[e], parameter))
	}
	for _, name := range e.ParList.Names {
		fn.params = append(fn.params, r.declare(name, r.leaf(), parameter))
	}
	for i, l := range fn.params {
		l.index = i
	}
	r.pass(')')
	r.block(e.Stmts, fn.params...)
	r.fn = outer
}

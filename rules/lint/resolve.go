package lint

import (
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"chertd/luabind"
	"chertd/luabind/tree"
)

// resolver walks a file once, in the order in which it is written. That order
// is also the tokens', which is how nodes get their columns: each name and
// constant of the tree is the next such token.
type resolver struct {
	*file
	tree.Visitor
	names  *tree.Names
	known  map[*tree.Variable]*local
	cursor int // of the next token
	fn     *function
	lazy   []ast.Expr // values that are nil at the cursor: the X of `if not X then`
}

// resolve reads a program that compiled.
func resolve(p *pack, prog *luabind.Program, module string) (*file, error) {
	parsed, err := prog.Parse()
	if err != nil {
		return nil, err
	}
	tokens := parsed.Tokens
	f := &file{
		pack: p, path: prog.File, module: module, prog: prog, tokens: tokens,
		byExpr: map[*ast.FunctionExpr]*function{},
		refs:   make(map[*ast.IdentExpr]*local, len(tokens)/8),
		at:     make(map[any]place, len(tokens)/2),
	}
	f.top = &function{file: f, stmts: parsed.Chunk}
	r := &resolver{file: f, fn: f.top, names: parsed.Names, known: map[*tree.Variable]*local{}}
	r.Visitor = tree.Visitor{
		Block: func(list []ast.Stmt) []ast.Stmt { r.block(list); return list },
		Expr:  func(e ast.Expr) ast.Expr { r.expr(e, read); return e },
	}
	r.block(parsed.Chunk)
	return f, nil
}

func (r *resolver) block(stmts []ast.Stmt) {
	ended := false
	for _, s := range stmts {
		r.begin(s)
		if ended {
			r.unreachable = append(r.unreachable, r.at[s])
			ended = false // reported once per block
		}
		r.stmt(s)
		ended = r.ends(s)
	}
}

func (r *resolver) stmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		r.assign(s)
	case *ast.LocalAssignStmt:
		r.localAssign(s)
	case *ast.WhileStmt:
		r.condition(s.Condition)
		r.pass(parse.TDo)
		r.block(s.Stmts)
	case *ast.RepeatStmt:
		r.block(s.Stmts)
		r.condition(s.Condition)
	case *ast.IfStmt:
		r.ifStmt(s)
	case *ast.NumberForStmt:
		r.declare(r.names.Declared[s], loopVariable)
		for _, e := range []ast.Expr{s.Init, s.Limit, s.Step} {
			if e != nil {
				r.expr(e, read)
			}
		}
		r.pass(parse.TDo)
		r.block(s.Stmts)
	case *ast.GenericForStmt:
		r.genericFor(s)
	case *ast.FuncDefStmt:
		r.funcDef(s)
	default:
		r.InStmt(s)
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

// root returns the variable at the beginning of a.b.c.
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
	kind := variable
	if r.names.LocalFunctions[s] {
		kind = namedFunction
		r.pass(parse.TFunction)
	}
	made := r.declare(r.names.Declared[s], kind)
	for i, l := range made {
		l.group = made
		if i < len(s.Exprs) {
			l.init = s.Exprs[i]
			if _, many := s.Exprs[i].(*ast.Comma3Expr); many || i == len(s.Exprs)-1 && len(made) > len(s.Exprs) && multiple(s.Exprs[i]) {
				l.init = nil
			}
		}
	}
	if kind == namedFunction {
		r.function(s.Exprs[0].(*ast.FunctionExpr), false)
		return
	}
	r.InStmt(s)
}

func single(list []ast.Expr) ast.Expr {
	if len(list) == 1 {
		return list[0]
	}
	return nil
}

// multiple reports whether an expression may return several values.
func multiple(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		return !e.AdjustRet
	case *ast.Comma3Expr:
		return !e.AdjustRet
	}
	return false
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
	made := r.declare(r.names.Declared[s], loopVariable)
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
	r.block(s.Stmts)
}

func (r *resolver) funcDef(s *ast.FuncDefStmt) {
	target := s.Name.Func
	if s.Name.Receiver != nil {
		key := &ast.StringExpr{Value: s.Name.Method}
		r.expr(s.Name.Receiver, based)
		r.at[key] = r.leaf()
		target = &ast.AttrGetExpr{Object: s.Name.Receiver, Key: key}
		r.gets = append(r.gets, getUse{target.(*ast.AttrGetExpr), r.fn, set})
	} else {
		r.expr(target, set)
	}
	r.assigns = append(r.assigns, assignment{target: target, value: s.Func, fn: r.fn})
	r.function(s.Func, false)
}

// function walks a function. The word `function` follows the cursor if word is true;
// otherwise it is before the function's name.
func (r *resolver) function(e *ast.FunctionExpr, word bool) {
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
	fn.params = r.declare(r.names.Declared[e], parameter)
	if e.ParList.HasVargs {
		fn.params = fn.params[:len(fn.params)-1] // arg stands for no single argument
	}
	for i, l := range fn.params {
		l.index = i
	}
	r.pass(')')
	r.block(e.Stmts)
	r.fn = outer
}

package lint

import (
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

func (r *resolver) expr(e ast.Expr, how role) {
	switch e := e.(type) {
	case *ast.IdentExpr:
		r.at[e] = r.leaf()
		if l := r.lookup(e.Value); l != nil {
			r.refs[e] = l
			if how == set {
				l.writes++
			} else {
				l.reads++
			}
		}
		r.idents = append(r.idents, identUse{e, r.fn, how})
	case *ast.StringExpr, *ast.NumberExpr, *ast.TrueExpr, *ast.FalseExpr, *ast.NilExpr, *ast.Comma3Expr:
		r.at[e] = r.leaf()
	case *ast.AttrGetExpr:
		r.expr(e.Object, based)
		r.expr(e.Key, read)
		r.gets = append(r.gets, getUse{e, r.fn, how})
	case *ast.FuncCallExpr:
		r.call(e)
	case *ast.TableExpr:
		r.at[e] = r.pass('{')
		r.tables = append(r.tables, tableUse{e, r.fn})
		for _, field := range e.Fields {
			if field.Key != nil {
				r.expr(field.Key, read)
			}
			r.expr(field.Value, read)
		}
	case *ast.FunctionExpr:
		r.function(e, true)
	case *ast.LogicalOpExpr:
		r.guard(e.Lhs)
		r.guard(e.Rhs)
		r.expr(e.Lhs, read)
		r.expr(e.Rhs, read)
		if e.Operator == "or" {
			r.choices = append(r.choices, e)
		}
	case *ast.RelationalOpExpr:
		r.guard(e.Lhs)
		r.guard(e.Rhs)
		r.expr(e.Lhs, read)
		r.expr(e.Rhs, read)
		r.relations = append(r.relations, relation{e, r.fn})
	case *ast.StringConcatOpExpr:
		r.expr(e.Lhs, read)
		r.expr(e.Rhs, read)
	case *ast.ArithmeticOpExpr:
		r.expr(e.Lhs, read)
		r.expr(e.Rhs, read)
	case *ast.UnaryMinusOpExpr:
		r.expr(e.Expr, read)
	case *ast.UnaryNotOpExpr:
		r.guard(e.Expr)
		r.expr(e.Expr, read)
	case *ast.UnaryLenOpExpr:
		r.expr(e.Expr, read)
	}
}

func (r *resolver) call(e *ast.FuncCallExpr) {
	c := &call{file: r.file, expr: e, fn: r.fn}
	if e.Func != nil {
		r.expr(e.Func, called)
	} else {
		r.expr(e.Receiver, based)
		c.method = r.leaf()
	}
	if fn, ok := e.Func.(*ast.IdentExpr); ok && len(e.Args) > 0 && (fn.Value == "assert" || fn.Value == "type") {
		r.guard(e.Args[0])
	}
	for _, arg := range e.Args {
		r.expr(arg, read)
	}
	if len(e.Args) == 0 { // its brackets must not be taken for the next statement's
		r.pass('(')
		r.pass(')')
	}
	r.calls = append(r.calls, c)
}

func (r *resolver) condition(e ast.Expr) {
	r.guard(e)
	r.expr(e, read)
}

// guard notes that the function looks whether a value is there.
func (r *resolver) guard(e ast.Expr) {
	switch e.(type) {
	case *ast.IdentExpr, *ast.AttrGetExpr:
		r.fn.guards = append(r.fn.guards, e)
	}
}

func (r *resolver) declare(name string, at place, kind localKind) *local {
	l := &local{name: name, at: at, kind: kind, fn: r.fn, topmost: r.fn.expr == nil && kind != loopVariable}
	r.locals = append(r.locals, l)
	return l
}

func (r *resolver) enter(made ...*local) {
	last := len(r.scopes) - 1
	r.scopes[last] = append(r.scopes[last], made...)
}

func (r *resolver) lookup(name string) *local {
	for i := len(r.scopes) - 1; i >= 0; i-- {
		for j := len(r.scopes[i]) - 1; j >= 0; j-- {
			if r.scopes[i][j].name == name {
				return r.scopes[i][j]
			}
		}
	}
	return nil
}

// leaf gives the place of the next name or constant.
func (r *resolver) leaf() place {
	for ; r.cursor < len(r.tokens); r.cursor++ {
		switch r.tokens[r.cursor].Type {
		case parse.TIdent, parse.TString, parse.TNumber, parse.TTrue, parse.TFalse, parse.TNil, parse.T3Comma:
			r.cursor++
			return pos(r.tokens[r.cursor-1])
		}
	}
	return place{}
}

// pass gives the place of the next token of a type, and goes behind it.
func (r *resolver) pass(typ int) place {
	for i := r.cursor; i < len(r.tokens); i++ {
		if r.tokens[i].Type == typ {
			r.cursor = i + 1
			return pos(r.tokens[i])
		}
	}
	return place{}
}

// peek tells which of some types comes next.
func (r *resolver) peek(types ...int) int {
	for _, t := range r.tokens[r.cursor:] {
		for _, typ := range types {
			if t.Type == typ {
				return typ
			}
		}
	}
	return 0
}

// begin notes where a statement begins, and goes behind the word it begins with.
func (r *resolver) begin(s ast.Stmt) {
	for ; r.cursor < len(r.tokens); r.cursor++ {
		switch t := r.tokens[r.cursor]; t.Type {
		case ')', ']', '}', ';', ',', parse.TEnd:
			continue
		case parse.TLocal, parse.TIf, parse.TElseIf, parse.TFor, parse.TWhile, parse.TRepeat, parse.TDo, parse.TFunction, parse.TReturn, parse.TBreak:
			r.at[s] = pos(t)
			r.cursor++
			return
		default:
			r.at[s] = pos(t)
			return
		}
	}
}

func pos(t ast.Token) place { return place{t.Pos.Line, t.Pos.Column} }

// ends reports whether nothing can run behind a statement in its block.
func (r *resolver) ends(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.ReturnStmt, *ast.BreakStmt:
		return true
	case *ast.FuncCallStmt:
		c, ok := s.Expr.(*ast.FuncCallExpr)
		if !ok {
			return false
		}
		fn, ok := c.Func.(*ast.IdentExpr)
		return ok && fn.Value == "error" && r.refs[fn] == nil
	case *ast.DoBlockStmt:
		return r.blockEnds(s.Stmts)
	case *ast.IfStmt:
		return r.blockEnds(s.Then) && r.blockEnds(s.Else)
	case *ast.WhileStmt:
		_, forever := s.Condition.(*ast.TrueExpr)
		return forever && !breaks(s.Stmts)
	}
	return false
}

func (r *resolver) blockEnds(stmts []ast.Stmt) bool {
	for _, s := range stmts {
		if r.ends(s) {
			return true
		}
	}
	return false
}

// breaks reports whether a loop's block may leave the loop.
func breaks(stmts []ast.Stmt) bool {
	for _, s := range stmts {
		switch s := s.(type) {
		case *ast.BreakStmt:
			return true
		case *ast.DoBlockStmt:
			if breaks(s.Stmts) {
				return true
			}
		case *ast.IfStmt:
			if breaks(s.Then) || breaks(s.Else) {
				return true
			}
		}
	}
	return false
}

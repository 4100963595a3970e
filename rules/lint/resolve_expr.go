package lint

import (
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"chertd/luabind/tree"
)

func (r *resolver) expr(e ast.Expr, how role) {
	switch e := e.(type) {
	case *ast.IdentExpr:
		r.at[e] = r.leaf()
		if l := r.known[r.names.Of(e)]; l != nil {
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
		r.InExpr(e)
	case *ast.FunctionExpr:
		r.function(e, true)
	case *ast.LogicalOpExpr:
		r.guard(e.Lhs)
		r.guard(e.Rhs)
		r.InExpr(e)
		if e.Operator == "or" {
			r.choices = append(r.choices, e)
		}
	case *ast.RelationalOpExpr:
		r.guard(e.Lhs)
		r.guard(e.Rhs)
		r.InExpr(e)
		r.relations = append(r.relations, relation{e, r.fn})
	case *ast.UnaryNotOpExpr:
		r.guard(e.Expr)
		r.InExpr(e)
	default:
		r.InExpr(e)
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
	if len(e.Args) == 0 { // its parentheses must not count as the next statement's
		r.pass('(')
		r.pass(')')
	}
	r.calls = append(r.calls, c)
}

func (r *resolver) condition(e ast.Expr) {
	r.guard(e)
	r.expr(e, read)
}

// guard records that the function tests a value.
func (r *resolver) guard(e ast.Expr) {
	switch e.(type) {
	case *ast.IdentExpr, *ast.AttrGetExpr:
		r.fn.guards = append(r.fn.guards, e)
	}
}

// declare creates the locals for variables and places each at the next name; self and
// arg, which the source does not declare, are at their function.
func (r *resolver) declare(vars []*tree.Variable, kind localKind) []*local {
	made := make([]*local, len(vars))
	for i, v := range vars {
		l := &local{name: v.Name, kind: kind, fn: r.fn, topmost: r.fn.expr == nil && kind != loopVariable}
		if v.Implicit {
			l.at = r.at[r.fn.expr]
		} else {
			l.at = r.leaf()
		}
		made[i], r.known[v] = l, l
	}
	r.locals = append(r.locals, made...)
	return made
}

// leaf returns the place of the next name or constant, and moves behind it.
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

// pass returns the place of the next token of a type, and moves behind it.
func (r *resolver) pass(typ int) place {
	for i := r.cursor; i < len(r.tokens); i++ {
		if r.tokens[i].Type == typ {
			r.cursor = i + 1
			return pos(r.tokens[i])
		}
	}
	return place{}
}

// peek returns which of some token types comes next.
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

// begin records where a statement begins, and moves behind its keyword.
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

// ends reports whether a statement always exits its block.
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
		return forever && !r.names.Left[s]
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

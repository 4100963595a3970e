package luabind

import "github.com/yuin/gopher-lua/ast"

// visitor is what is done below a node. Either function gives what takes the
// place of what it is given: the same, where nothing changes.
type visitor struct {
	block func([]ast.Stmt) []ast.Stmt
	expr  func(ast.Expr) ast.Expr
}

// below visits the blocks and expressions directly below a statement, in the
// order in which they are written. All that walks a tree walks it here, so that
// no kind of statement is looked into by one and overlooked by another.
func (v visitor) below(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		v.list(s.Lhs)
		v.list(s.Rhs)
	case *ast.LocalAssignStmt:
		v.list(s.Exprs)
	case *ast.FuncCallStmt:
		v.one(&s.Expr)
	case *ast.DoBlockStmt:
		s.Stmts = v.block(s.Stmts)
	case *ast.WhileStmt:
		v.one(&s.Condition)
		s.Stmts = v.block(s.Stmts)
	case *ast.RepeatStmt:
		s.Stmts = v.block(s.Stmts)
		v.one(&s.Condition)
	case *ast.IfStmt:
		v.one(&s.Condition)
		s.Then = v.block(s.Then)
		if len(s.Else) > 0 {
			s.Else = v.block(s.Else)
		}
	case *ast.NumberForStmt:
		v.one(&s.Init)
		v.one(&s.Limit)
		v.one(&s.Step)
		s.Stmts = v.block(s.Stmts)
	case *ast.GenericForStmt:
		v.list(s.Exprs)
		s.Stmts = v.block(s.Stmts)
	case *ast.FuncDefStmt:
		v.one(&s.Name.Func)
		v.one(&s.Name.Receiver)
		v.expr(s.Func)
	case *ast.ReturnStmt:
		v.list(s.Exprs)
	}
}

// inside visits the blocks and expressions directly below an expression, in the
// order in which they are written. The operands of a chain of `..` are all
// directly below it: such a chain may be long.
func (v visitor) inside(e ast.Expr) {
	switch e := e.(type) {
	case *ast.AttrGetExpr:
		v.one(&e.Object)
		v.one(&e.Key)
	case *ast.TableExpr:
		for _, f := range e.Fields {
			v.one(&f.Key)
			v.one(&f.Value)
		}
	case *ast.FuncCallExpr:
		v.one(&e.Func)
		v.one(&e.Receiver)
		v.list(e.Args)
	case *ast.LogicalOpExpr:
		v.one(&e.Lhs)
		v.one(&e.Rhs)
	case *ast.RelationalOpExpr:
		v.one(&e.Lhs)
		v.one(&e.Rhs)
	case *ast.StringConcatOpExpr:
		v.one(&e.Lhs)
		for next, ok := e.Rhs.(*ast.StringConcatOpExpr); ok; next, ok = e.Rhs.(*ast.StringConcatOpExpr) {
			e = next
			v.one(&e.Lhs)
		}
		v.one(&e.Rhs)
	case *ast.ArithmeticOpExpr:
		v.one(&e.Lhs)
		v.one(&e.Rhs)
	case *ast.UnaryMinusOpExpr:
		v.one(&e.Expr)
	case *ast.UnaryNotOpExpr:
		v.one(&e.Expr)
	case *ast.UnaryLenOpExpr:
		v.one(&e.Expr)
	case *ast.FunctionExpr:
		e.Stmts = v.block(e.Stmts)
	}
}

func (v visitor) one(e *ast.Expr) {
	if *e != nil {
		*e = v.expr(*e)
	}
}

func (v visitor) list(list []ast.Expr) {
	for i := range list {
		v.one(&list[i])
	}
}

// on puts a node that is made by us on a line of the source.
func on[N ast.PositionHolder](line int, n N) N {
	n.SetLine(line)
	n.SetLastLine(line)
	return n
}

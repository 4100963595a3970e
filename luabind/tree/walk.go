// Package tree walks the syntax trees that gopher-lua parses and finds the
// variable that each name in them means. The compile side of luabind and the
// checks of rules/lint share it, so that none of them overlooks a kind of node,
// and so that a check sees the scopes that the code runs with.
package tree

import "github.com/yuin/gopher-lua/ast"

// Visitor holds what to do with each block and each expression in a node. Both
// functions return what takes the place of their argument: the argument itself
// where nothing changes. They decide whether the walk goes deeper, by calling
// InStmt and InExpr.
type Visitor struct {
	Block func([]ast.Stmt) []ast.Stmt
	Expr  func(ast.Expr) ast.Expr
}

// InStmt visits the blocks and expressions directly in a statement, in the order
// in which they are written.
func (v Visitor) InStmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		v.all(s.Lhs)
		v.all(s.Rhs)
	case *ast.LocalAssignStmt:
		v.all(s.Exprs)
	case *ast.FuncCallStmt:
		v.one(&s.Expr)
	case *ast.DoBlockStmt:
		s.Stmts = v.Block(s.Stmts)
	case *ast.WhileStmt:
		v.one(&s.Condition)
		s.Stmts = v.Block(s.Stmts)
	case *ast.RepeatStmt:
		s.Stmts = v.Block(s.Stmts)
		v.one(&s.Condition)
	case *ast.IfStmt:
		v.one(&s.Condition)
		s.Then = v.Block(s.Then)
		if len(s.Else) > 0 {
			s.Else = v.Block(s.Else)
		}
	case *ast.NumberForStmt:
		v.one(&s.Init)
		v.one(&s.Limit)
		v.one(&s.Step)
		s.Stmts = v.Block(s.Stmts)
	case *ast.GenericForStmt:
		v.all(s.Exprs)
		s.Stmts = v.Block(s.Stmts)
	case *ast.FuncDefStmt:
		v.one(&s.Name.Func)
		v.one(&s.Name.Receiver)
		v.Expr(s.Func)
	case *ast.ReturnStmt:
		v.all(s.Exprs)
	}
}

// InExpr visits the block and the expressions directly in an expression, in the
// order in which they are written. It visits all operands of a chain of `..`,
// which may be long, and not the chain's nested nodes.
func (v Visitor) InExpr(e ast.Expr) {
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
		v.all(e.Args)
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
		e.Stmts = v.Block(e.Stmts)
	}
}

func (v Visitor) one(e *ast.Expr) {
	if *e != nil {
		*e = v.Expr(*e)
	}
}

func (v Visitor) all(list []ast.Expr) {
	for i := range list {
		v.one(&list[i])
	}
}

package luabind

import (
	"fmt"

	"github.com/yuin/gopher-lua/ast"
)

// valueName is the local that holds the value of an assignment.
const valueName = "(value)"

// assign returns an assignment that the compiler gets right.
func (r *rewriter) assign(s *ast.AssignStmt) []ast.Stmt {
	if s.Rhs = r.values(s.Rhs); len(s.Rhs) == 0 {
		s.Rhs = []ast.Expr{on(s.Line(), &ast.NilExpr{})}
	}
	if len(s.Lhs) > 1 || len(s.Rhs) > 1 {
		return r.assignAll(s)
	}
	switch to := s.Lhs[0].(type) {
	case *ast.IdentExpr:
		if !r.local(to) {
			return []ast.Stmt{s}
		}
		switch value := s.Rhs[0].(type) {
		case *ast.LogicalOpExpr:
			// In the register of the name itself the compiler tests where it
			// should set, and the name keeps its old value.
			return r.assignLater(s)
		case *ast.FuncCallExpr:
			// The assignment takes one value with or without parentheses. With
			// them the compiler would put the call into the register of the name
			// if that is the last parameter, and its arguments behind it.
			value.AdjustRet = false
		case *ast.Comma3Expr:
			value.AdjustRet = false
		}
	case *ast.AttrGetExpr:
		if _, constant := truth(to.Object); constant {
			return r.assignAll(s) // ("x").y = 1, for which there is no instruction
		}
		if v := r.Of(to.Key); v != nil && v.Captured && runs(s.Rhs[0]) {
			// In t[n] = f() the compiler reads n before f can change it. Lua
			// does not define the order, and lua5.1 reads n afterwards.
			return r.assignLater(s)
		}
	}
	return []ast.Stmt{s}
}

// assignLater evaluates the value of a single assignment into a local first.
func (r *rewriter) assignLater(s *ast.AssignStmt) []ast.Stmt {
	value := on(s.Line(), &ast.LocalAssignStmt{Names: []string{valueName}, Exprs: s.Rhs})
	s.Rhs = []ast.Expr{on(s.Rhs[0].Line(), &ast.IdentExpr{Value: valueName})}
	return block(s, value, s)
}

// assignAll evaluates everything that an assignment reads, and then assigns from
// right to left, as lua5.1 does. In `a, b = b, a` and `t.x, t = 1, nil` the
// compiler would read what it has just written.
func (r *rewriter) assignAll(s *ast.AssignStmt) []ast.Stmt {
	var names []string
	var values []ast.Expr
	hold := func(e ast.Expr) ast.Expr {
		names = append(names, fmt.Sprintf("(place %d)", len(names)+1))
		values = append(values, e)
		return on(e.Line(), &ast.IdentExpr{Value: names[len(names)-1]})
	}
	for i, to := range s.Lhs {
		field, ok := to.(*ast.AttrGetExpr)
		if !ok {
			continue
		}
		if !r.stays(field.Object, s.Lhs[i+1:]) || isConstant(field.Object) {
			field.Object = hold(field.Object)
		}
		if !r.stays(field.Key, s.Lhs[i+1:]) {
			field.Key = hold(field.Key)
		}
	}
	var list []ast.Stmt
	if len(names) > 0 {
		list = append(list, on(s.Line(), &ast.LocalAssignStmt{Names: names, Exprs: values}))
	}
	held := on(s.Line(), &ast.LocalAssignStmt{Exprs: s.Rhs})
	list = append(list, held)
	for i := range s.Lhs {
		held.Names = append(held.Names, fmt.Sprintf("(value %d)", i+1))
	}
	for i := len(s.Lhs) - 1; i >= 0; i-- {
		line := s.Lhs[i].Line()
		value := on(line, &ast.IdentExpr{Value: held.Names[i]})
		list = append(list, on(line, &ast.AssignStmt{Lhs: s.Lhs[i : i+1], Rhs: []ast.Expr{value}}))
	}
	return block(s, list...)
}

// stays reports whether a part of an assignment's target can be read at the
// assignment instead of before: a constant, or a local that is not assigned
// earlier. lua5.1 reads such a local then, after the calls in the values.
func (r *rewriter) stays(e ast.Expr, earlier []ast.Expr) bool {
	if isConstant(e) {
		return true
	}
	if !r.local(e) {
		return false
	}
	for _, to := range earlier {
		if r.Of(to) == r.Of(e) {
			return false
		}
	}
	return true
}

// local reports whether a name is a variable of the function itself.
func (r *rewriter) local(e ast.Expr) bool {
	v := r.Of(e)
	return v != nil && v.Function() == r.function
}

// block returns a block of statements that replaces one.
func block(s ast.Stmt, list ...ast.Stmt) []ast.Stmt {
	return []ast.Stmt{on(s.Line(), &ast.DoBlockStmt{Stmts: list})}
}

// runs reports whether evaluating an expression may run other code.
func runs(e ast.Expr) bool {
	switch e.(type) {
	case ast.ConstExpr, *ast.IdentExpr, *ast.Comma3Expr, *ast.FunctionExpr:
		return false
	}
	return true
}

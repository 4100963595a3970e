package luabind

import (
	"math"
	"strconv"

	"github.com/yuin/gopher-lua/ast"
)

// truth says what a constant is as a condition; known is false for all else.
func truth(e ast.Expr) (value, known bool) {
	switch e.(type) {
	case *ast.NilExpr, *ast.FalseExpr:
		return false, true
	case *ast.TrueExpr, *ast.NumberExpr, *ast.StringExpr:
		return true, true
	}
	return false, false
}

// foldLogical decides `and` and `or` by a constant on the left. One on the right
// stays: the compiler gets that right.
func foldLogical(e *ast.LogicalOpExpr) ast.Expr {
	value, known := truth(e.Lhs)
	switch {
	case !known:
		return e
	case value == (e.Operator == "and"):
		return single(e.Rhs)
	}
	return e.Lhs
}

func foldNot(e *ast.UnaryNotOpExpr) ast.Expr {
	value, known := truth(e.Expr)
	switch {
	case !known:
		return e
	case value:
		return on(e.Line(), &ast.FalseExpr{})
	}
	return on(e.Line(), &ast.TrueExpr{})
}

// decided is an if statement, or the branch that a constant leaves of it.
func decided(s *ast.IfStmt) []ast.Stmt {
	value, known := truth(s.Condition)
	if !known {
		return []ast.Stmt{s}
	}
	branch := s.Then
	if !value {
		branch = s.Else
	}
	if len(branch) == 0 {
		return nil
	}
	do := on(s.Line(), &ast.DoBlockStmt{Stmts: branch})
	do.SetLastLine(s.LastLine())
	return []ast.Stmt{do}
}

// number writes a literal so that the compiler reads what Lua reads: it takes
// 0010 as octal, and 1e400 for no number.
func number(e *ast.NumberExpr) ast.Expr {
	n, ok := parseNumber(e.Value)
	switch {
	case !ok:
		return e // the scanner lets none through
	case math.IsInf(float64(n), 1):
		huge := on(e.Line(), &ast.NumberExpr{Value: "1e308"})
		ten := on(e.Line(), &ast.NumberExpr{Value: "10"})
		return on(e.Line(), &ast.ArithmeticOpExpr{Operator: "*", Lhs: huge, Rhs: ten})
	}
	e.Value = strconv.FormatFloat(float64(n), 'g', -1, 64)
	return e
}

var events = map[string]string{"+": "__add", "-": "__sub", "*": "__mul", "/": "__div", "%": "__mod", "^": "__pow"}

// foldArithmetic computes with constants. The compiler would, too, and then take
// 0 and -0 for the same constant: all zeros of a function have the sign of the
// first. Here -0 is 0.
func foldArithmetic(e ast.Expr, event string, lhs, rhs ast.Expr) ast.Expr {
	x, isX := lhs.(*ast.NumberExpr)
	y, isY := rhs.(*ast.NumberExpr)
	if !isX || !isY {
		return e
	}
	a, _ := parseNumber(x.Value)
	b, _ := parseNumber(y.Value)
	n := arithmetic[event](a, b)
	if f := float64(n); math.IsInf(f, 0) || math.IsNaN(f) {
		return e // for which there is no literal
	}
	if n == 0 {
		n = 0
	}
	return on(e.Line(), &ast.NumberExpr{Value: strconv.FormatFloat(float64(n), 'g', -1, 64)})
}

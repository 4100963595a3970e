package luabind

import (
	"math"
	"strconv"

	"github.com/yuin/gopher-lua/ast"
)

// truth returns whether a constant is true as a condition. known is false for any other expression.
func truth(e ast.Expr) (value, known bool) {
	switch e.(type) {
	case *ast.NilExpr, *ast.FalseExpr:
		return false, true
	case *ast.TrueExpr, *ast.NumberExpr, *ast.StringExpr:
		return true, true
	}
	return false, false
}

// foldLogical evaluates `and` and `or` with a constant on the left. The compiler
// handles constants on the right correctly.
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

// decided returns an if statement, or only its branch that runs if the condition is a constant.
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

// number rewrites a literal so that the compiler reads the value that Lua reads: it
// would take 0010 as octal, and reject 1e400.
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

// foldArithmetic evaluates arithmetic on constants. The compiler would do so too, but
// it shares one constant for 0 and -0, so that all zeros of a function have the sign of
// the first. Here -0 becomes 0.
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

package luabind

import (
	"slices"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind/tree"
)

// gopher-lua's compiler gets some of Lua wrong, silently. A chunk is rewritten
// into statements that mean the same and that the compiler gets right:
//
//   - a name of the same function is assigned by way of another local where the
//     compiler would evaluate the value in the name's own register (assign.go);
//   - what several assignments in one statement read is read first (assign.go);
//   - constants decide and, or, not, if and while here (fold.go);
//   - no loop begins with a jump, which the compiler's jumps back to it would
//     follow to a wrong place (loops.go);
//   - break closes the variables of all blocks it leaves (loops.go);
//   - for … in always has its three values (loops.go);
//   - `local f = function` does not see itself (here);
//   - numbers are written as the compiler reads them (fold.go);
//   - `..` is a call (here).
//
// Rewriting adds a step or two where it is needed, and none elsewhere. The names
// that it adds are in parentheses, so that no source can use them. Every node
// stays on its line.
type rewriter struct {
	tree.Visitor
	*tree.Names
	function *ast.FunctionExpr // that is rewritten; nil: the chunk
	concats  bool              // there was a `..`
}

// concatName is the local that holds the function of `..`. No source can name it,
// so none can change it.
const concatName = "(concat)"

// maxOperands is how many operands one concat call takes. More are joined in
// groups, and groups of groups, because a function has 200 registers.
const maxOperands = 40

// rewrite returns the statements to compile. It changes the tree in place.
func rewrite(chunk []ast.Stmt, names *tree.Names) []ast.Stmt {
	r := &rewriter{Names: names}
	r.Visitor = tree.Visitor{Block: r.stmts, Expr: r.expr}
	chunk = r.stmts(chunk)
	if !r.concats {
		return chunk
	}
	// The chunk gets the function as its argument. It is a local of the chunk and
	// an upvalue elsewhere, which is cheaper to read than a global.
	line := 0
	if len(chunk) > 0 {
		line = chunk[0].Line()
	}
	given := on(line, &ast.Comma3Expr{AdjustRet: true})
	return append([]ast.Stmt{on(line, &ast.LocalAssignStmt{Names: []string{concatName}, Exprs: []ast.Expr{given}})}, chunk...)
}

func (r *rewriter) stmts(list []ast.Stmt) []ast.Stmt {
	out := make([]ast.Stmt, 0, len(list))
	for _, s := range list {
		r.InStmt(s)
		out = append(out, r.stmt(s)...)
	}
	return out
}

// stmt returns the replacement of a statement whose parts are rewritten.
func (r *rewriter) stmt(s ast.Stmt) []ast.Stmt {
	switch s := s.(type) {
	case *ast.AssignStmt:
		return r.assign(s)
	case *ast.LocalAssignStmt:
		s.Exprs = r.values(s.Exprs)
		if len(s.Exprs) == 1 && !r.LocalFunctions[s] {
			if fn, ok := s.Exprs[0].(*ast.FunctionExpr); ok {
				// With one function for one name the compiler takes it for
				// `local function`, which sees itself. The nil is dropped.
				s.Exprs = append(s.Exprs, on(fn.Line(), &ast.NilExpr{}))
			}
		}
	case *ast.ReturnStmt:
		s.Exprs = r.values(s.Exprs)
	case *ast.IfStmt:
		return decided(s)
	case *ast.WhileStmt:
		return r.while(s)
	case *ast.RepeatStmt:
		return r.repeat(s)
	case *ast.NumberForStmt:
		s.Stmts = r.body(s, s.Stmts)
	case *ast.GenericForStmt:
		return r.forIn(s)
	case *ast.BreakStmt:
		return r.leave(s)
	}
	return []ast.Stmt{s}
}

// expr rewrites the parts of an expression and returns its replacement.
func (r *rewriter) expr(e ast.Expr) ast.Expr {
	if fn, ok := e.(*ast.FunctionExpr); ok {
		outer := r.function
		r.function = fn
		r.InExpr(fn)
		r.function = outer
		return fn
	}
	r.InExpr(e)
	switch e := e.(type) {
	case *ast.LogicalOpExpr:
		return foldLogical(e)
	case *ast.UnaryNotOpExpr:
		return foldNot(e)
	case *ast.NumberExpr:
		return number(e)
	case *ast.UnaryMinusOpExpr:
		return foldArithmetic(e, "__unm", e.Expr, e.Expr)
	case *ast.ArithmeticOpExpr:
		return foldArithmetic(e, events[e.Operator], e.Lhs, e.Rhs)
	case *ast.FuncCallExpr:
		e.Args = r.values(e.Args)
	case *ast.TableExpr:
		for _, f := range e.Fields {
			if f.Key != nil {
				// Of { 1, n = f() } the compiler would make two elements.
				f.Value = single(f.Value)
			}
		}
		if n := len(e.Fields); n > 0 && r.nothing(e.Fields[n-1].Value) && e.Fields[n-1].Key == nil {
			e.Fields = e.Fields[:n-1]
		}
	case *ast.Comma3Expr:
		if r.function == nil && e.AdjustRet {
			return on(e.Line(), &ast.NilExpr{})
		}
	case *ast.StringConcatOpExpr:
		r.concats = true
		return concatChain(e)
	}
	return e
}

// values returns a list of expressions whose last may return many values. The
// `...` of a chunk returns none: the chunk's only argument is not the source's.
func (r *rewriter) values(list []ast.Expr) []ast.Expr {
	if n := len(list); n > 0 && r.nothing(list[n-1]) {
		return list[:n-1]
	}
	return list
}

func (r *rewriter) nothing(e ast.Expr) bool {
	_, ok := e.(*ast.Comma3Expr)
	return ok && r.function == nil
}

// concatChain returns a chain a .. b .. c as a call. The machine's instruction
// would join strings of any length for one step.
func concatChain(e *ast.StringConcatOpExpr) ast.Expr {
	parts := operands(e)
	for i := range parts {
		parts[i] = single(parts[i])
	}
	for len(parts) > maxOperands {
		// Only a __concat could tell the difference, and only in a chain this
		// long.
		var groups []ast.Expr
		for group := range slices.Chunk(parts, maxOperands) {
			groups = append(groups, concatCall(slices.Clone(group), e.Line()))
		}
		parts = groups
	}
	return concatCall(parts, e.Line())
}

func concatCall(parts []ast.Expr, line int) ast.Expr {
	fn := on(line, &ast.IdentExpr{Value: concatName})
	return on(line, &ast.FuncCallExpr{Func: fn, Args: parts, AdjustRet: true})
}

// single makes a call or ... return exactly one value.
func single(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		e.AdjustRet = true
	case *ast.Comma3Expr:
		e.AdjustRet = true
	}
	return e
}

// on puts a generated node on a line of the source.
func on[N ast.PositionHolder](line int, n N) N {
	n.SetLine(line)
	n.SetLastLine(line)
	return n
}

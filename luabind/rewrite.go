package luabind

import (
	"slices"

	"github.com/yuin/gopher-lua/ast"
)

// concatName is the local that holds the function `..` calls. No source can
// name it, so no source can change it.
const concatName = "(concat)"

// maxOperands is how many operands one concat call takes: more are joined in
// groups, and groups of groups, because a function has 200 registers.
const maxOperands = 40

// rewrite replaces each chain a .. b .. c by a call of the function the chunk
// is given as its argument: the instruction joins strings of any length at the
// cost of one step. The function is a local of the chunk, an upvalue everywhere
// else: cheaper to reach than a global.
//
// The tree is changed in place; the statements to compile are returned.
func rewrite(chunk []ast.Stmt) []ast.Stmt {
	r := &rewriter{}
	r.stmts(chunk)
	if !r.used {
		return chunk
	}
	return concatPrelude(chunk)
}

// concatPrelude is the chunk with the local in front, on the line of its first
// statement.
func concatPrelude(chunk []ast.Stmt) []ast.Stmt {
	arg := &ast.Comma3Expr{AdjustRet: true}
	local := &ast.LocalAssignStmt{Names: []string{concatName}, Exprs: []ast.Expr{arg}}
	if len(chunk) > 0 {
		arg.SetLine(chunk[0].Line())
		local.SetLine(chunk[0].Line())
	}
	return append([]ast.Stmt{local}, chunk...)
}

type rewriter struct {
	functions int // how many functions enclose the node
	used      bool
}

func (r *rewriter) stmts(list []ast.Stmt) {
	for _, s := range list {
		r.stmt(s)
	}
}

func (r *rewriter) stmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		r.exprs(s.Lhs)
		r.exprs(s.Rhs)
	case *ast.LocalAssignStmt:
		r.exprs(s.Exprs)
	case *ast.FuncCallStmt:
		s.Expr = r.expr(s.Expr)
	case *ast.DoBlockStmt:
		r.stmts(s.Stmts)
	case *ast.WhileStmt:
		s.Condition = r.expr(s.Condition)
		r.stmts(s.Stmts)
	case *ast.RepeatStmt:
		r.stmts(s.Stmts)
		s.Condition = r.expr(s.Condition)
	case *ast.IfStmt:
		s.Condition = r.expr(s.Condition)
		r.stmts(s.Then)
		r.stmts(s.Else)
	case *ast.NumberForStmt:
		s.Init, s.Limit, s.Step = r.expr(s.Init), r.expr(s.Limit), r.expr(s.Step)
		r.stmts(s.Stmts)
	case *ast.GenericForStmt:
		r.exprs(s.Exprs)
		r.stmts(s.Stmts)
	case *ast.FuncDefStmt:
		s.Name.Func, s.Name.Receiver = r.expr(s.Name.Func), r.expr(s.Name.Receiver)
		r.expr(s.Func)
	case *ast.ReturnStmt:
		r.exprs(s.Exprs)
	}
}

func (r *rewriter) exprs(list []ast.Expr) {
	for i, e := range list {
		list[i] = r.expr(e)
	}
}

// expr rewrites below an expression and returns what takes its place.
func (r *rewriter) expr(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.AttrGetExpr:
		e.Object, e.Key = r.expr(e.Object), r.expr(e.Key)
	case *ast.TableExpr:
		for _, f := range e.Fields {
			f.Key, f.Value = r.expr(f.Key), r.expr(f.Value)
		}
	case *ast.FuncCallExpr:
		e.Func, e.Receiver = r.expr(e.Func), r.expr(e.Receiver)
		r.exprs(e.Args)
	case *ast.LogicalOpExpr:
		e.Lhs, e.Rhs = r.expr(e.Lhs), r.expr(e.Rhs)
	case *ast.RelationalOpExpr:
		e.Lhs, e.Rhs = r.expr(e.Lhs), r.expr(e.Rhs)
	case *ast.ArithmeticOpExpr:
		e.Lhs, e.Rhs = r.expr(e.Lhs), r.expr(e.Rhs)
	case *ast.UnaryMinusOpExpr:
		e.Expr = r.expr(e.Expr)
	case *ast.UnaryNotOpExpr:
		e.Expr = r.expr(e.Expr)
	case *ast.UnaryLenOpExpr:
		e.Expr = r.expr(e.Expr)
	case *ast.FunctionExpr:
		r.functions++
		r.stmts(e.Stmts)
		r.functions--
	case *ast.Comma3Expr:
		if r.functions == 0 {
			// A file is given the concat function and nothing else.
			none := &ast.NilExpr{}
			none.SetLine(e.Line())
			return none
		}
	case *ast.StringConcatOpExpr:
		parts := operands(e)
		r.exprs(parts)
		r.used = true
		for len(parts) > maxOperands {
			// Only a __concat could tell the difference, and only in a chain
			// this long.
			var groups []ast.Expr
			for group := range slices.Chunk(parts, maxOperands) {
				groups = append(groups, concatCall(slices.Clone(group), e.Line()))
			}
			parts = groups
		}
		return concatCall(parts, e.Line())
	}
	return e
}

func concatCall(parts []ast.Expr, line int) ast.Expr {
	fn := &ast.IdentExpr{Value: concatName}
	fn.SetLine(line)
	call := &ast.FuncCallExpr{Func: fn, Args: single(parts), AdjustRet: true}
	call.SetLine(line)
	return call
}

// single keeps a call or ... in the last place from giving more than one value.
func single(parts []ast.Expr) []ast.Expr {
	switch last := parts[len(parts)-1].(type) {
	case *ast.FuncCallExpr:
		last.AdjustRet = true
	case *ast.Comma3Expr:
		last.AdjustRet = true
	}
	return parts
}

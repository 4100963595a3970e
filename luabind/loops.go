package luabind

import (
	"slices"

	"github.com/yuin/gopher-lua/ast"
)

// body returns a loop's body that does not begin with a jump, and whose breaks
// close all captured variables.
func (r *rewriter) body(loop ast.Stmt, body []ast.Stmt) []ast.Stmt {
	if r.LeavesCaptured[loop] {
		// See leave. As the first statement it is not a jump, either.
		return slices.Insert(body, 0, ast.Stmt(on(loop.Line(), &ast.LocalAssignStmt{Names: []string{loopName}})))
	}
	if jumps(body) {
		return slices.Insert(body, 0, nothing(loop.Line()))
	}
	return body
}

// nothing returns a statement of one instruction without effect.
func nothing(line int) ast.Stmt {
	return on(line, &ast.DoBlockStmt{Stmts: []ast.Stmt{on(line, &ast.LocalAssignStmt{Names: []string{"(nothing)"}})}})
}

// jumps reports whether the first instruction of rewritten statements is a jump.
// The compiler shortens jumps to jumps. For a jump that leads back to one that is
// already shortened, it takes a distance for the number of a label.
func jumps(list []ast.Stmt) bool {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.BreakStmt:
			return true
		case *ast.DoBlockStmt:
			if len(s.Stmts) > 0 {
				return jumps(s.Stmts)
			}
			continue
		case *ast.WhileStmt:
			if value, _ := truth(s.Condition); value {
				return len(s.Stmts) == 0 || jumps(s.Stmts)
			}
		case *ast.RepeatStmt:
			if len(s.Stmts) > 0 {
				return jumps(s.Stmts)
			}
			if value, known := truth(s.Condition); known {
				if !value {
					return true
				}
				continue
			}
		}
		return false
	}
	return false
}

func (r *rewriter) while(s *ast.WhileStmt) []ast.Stmt {
	if value, known := truth(s.Condition); known && !value {
		return nil
	}
	s.Stmts = r.body(s, s.Stmts)
	return []ast.Stmt{s}
}

func (r *rewriter) repeat(s *ast.RepeatStmt) []ast.Stmt {
	s.Stmts = r.body(s, s.Stmts)
	return []ast.Stmt{s}
}

// forIn returns a loop over one call or three values, which the compiler gets
// right. Of fewer values it would take as many as the loop has names, and leave
// the rest of the three registers as they were.
func (r *rewriter) forIn(s *ast.GenericForStmt) []ast.Stmt {
	s.Stmts = r.body(s, s.Stmts)
	s.Exprs = r.values(s.Exprs)
	if len(s.Exprs) == 1 && plainCall(s.Exprs[0]) {
		return []ast.Stmt{s}
	}
	names := []string{"(iterate)", "(over)", "(from)"}
	held := on(s.Line(), &ast.LocalAssignStmt{Names: names, Exprs: s.Exprs})
	s.Exprs = nil
	for _, name := range names {
		s.Exprs = append(s.Exprs, on(s.Line(), &ast.IdentExpr{Value: name}))
	}
	return block(s, held, s)
}

// plainCall reports whether an expression is a call that returns all its values,
// of a function that is found without another call. For a call in the place of the
// function the compiler would reserve no register.
func plainCall(e ast.Expr) bool {
	call, ok := e.(*ast.FuncCallExpr)
	if !ok || call.AdjustRet {
		return false
	}
	from := call.Func
	if from == nil {
		from = call.Receiver
	}
	for {
		switch e := from.(type) {
		case *ast.IdentExpr, *ast.StringExpr:
			return true
		case *ast.AttrGetExpr:
			if !isConstant(e.Key) {
				return false
			}
			from = e.Object
		default:
			return false
		}
	}
}

func isConstant(e ast.Expr) bool {
	_, ok := e.(ast.ConstExpr)
	return ok
}

// loopName is a local of each loop that a break leaves from a block whose
// variables functions have captured.
const loopName = "(loop)"

// leave returns a break. The compiler closes captured variables at a break if the
// code so far has captured some of the loop's own block, and forgets those of
// blocks in between: functions that captured them would share registers with the
// code after the loop. So a function that never runs captures a variable of the
// loop's own block.
func (r *rewriter) leave(s *ast.BreakStmt) []ast.Stmt {
	if !r.LeavesCaptured[s] {
		return []ast.Stmt{s}
	}
	line := s.Line()
	use := on(line, &ast.ReturnStmt{Exprs: []ast.Expr{on(line, &ast.IdentExpr{Value: loopName})}})
	fn := on(line, &ast.FunctionExpr{ParList: &ast.ParList{}, Stmts: []ast.Stmt{use}})
	never := on(line, &ast.IfStmt{
		Condition: on(line, &ast.FalseExpr{}),
		Then:      []ast.Stmt{on(line, &ast.LocalAssignStmt{Names: []string{valueName}, Exprs: []ast.Expr{fn}})},
	})
	return []ast.Stmt{never, s}
}

package tree

import "github.com/yuin/gopher-lua/ast"

// Names maps each name of a chunk to its variable. A name without one is a
// global.
type Names struct {
	variables map[*ast.IdentExpr]*Variable
	// Declared lists the variables that a *ast.LocalAssignStmt, *ast.NumberForStmt,
	// *ast.GenericForStmt or *ast.FunctionExpr declares, in order. For a function
	// these are its parameters, after self and before arg where it has them.
	Declared map[ast.PositionHolder][]*Variable
	// LocalFunctions holds the statements that are `local function f`. The parser
	// makes the same node of `local f = function`.
	LocalFunctions map[*ast.LocalAssignStmt]bool
	// Left holds the loops that a break leaves.
	Left map[ast.Stmt]bool
	// LeavesCaptured holds the breaks that leave a block, other than the loop's
	// own, of which a function before the break has captured a variable; and the
	// loops of these breaks.
	LeavesCaptured map[ast.Stmt]bool
}

// Of returns the variable that an expression names: nil for a global and for
// what is not a name.
func (n *Names) Of(e ast.Expr) *Variable {
	if name, ok := e.(*ast.IdentExpr); ok {
		return n.variables[name]
	}
	return nil
}

// Variable is a local variable or a parameter.
type Variable struct {
	Name     string
	Implicit bool // self or arg, which the source does not declare
	Captured bool // a function within the variable's own uses it
	block    *scope
}

// Function returns the function in which the variable lives; nil for the chunk.
func (v *Variable) Function() *ast.FunctionExpr { return v.block.function }

// Error is why a chunk can't be compiled.
type Error struct {
	Line          int // 0: of no single line
	Message, Hint string
}

func (e *Error) Error() string { return e.Message }

// scope is a block in which variables are declared.
type scope struct {
	outer    *scope
	function *ast.FunctionExpr // nil: the chunk
	loop     ast.Stmt          // whose body it is; nil: of none
	names    []*Variable
	captured bool // one of its variables is, by code seen so far
}

// resolver walks a chunk once, in the order in which it is written.
type resolver struct {
	Names
	Visitor
	here    *scope
	visible map[string][]*Variable // innermost last
	locals  []bool                 // for each word `local` that is to come: is it `local function`?
	err     *Error
}

// Resolve finds the variables of a chunk. localFunctions has for each word `local`
// of the source, in order, whether the word `function` follows. The error is an
// *Error: Resolve refuses a break outside a loop, and ... in a function that is not
// declared with it, also in code that never runs.
func Resolve(chunk []ast.Stmt, localFunctions []bool) (*Names, error) {
	r := &resolver{here: &scope{}, visible: map[string][]*Variable{}, locals: localFunctions}
	r.variables = map[*ast.IdentExpr]*Variable{}
	r.Declared = map[ast.PositionHolder][]*Variable{}
	r.LocalFunctions = map[*ast.LocalAssignStmt]bool{}
	r.Left = map[ast.Stmt]bool{}
	r.LeavesCaptured = map[ast.Stmt]bool{}
	r.Visitor = Visitor{Block: r.inner, Expr: r.expr}
	r.stmts(chunk)
	if len(r.locals) != 0 {
		r.refuse(0, "this file can't be compiled", "this is a bug in chertd, not in your rule")
	}
	if r.err != nil {
		return nil, r.err
	}
	return &r.Names, nil
}

func (r *resolver) refuse(line int, message, hint string) {
	if r.err == nil {
		r.err = &Error{line, message, hint}
	}
}

// enter begins a scope; the function that it returns ends it.
func (r *resolver) enter(s *scope) (leave func()) {
	s.outer = r.here
	r.here = s
	return func() {
		for _, v := range s.names {
			r.visible[v.Name] = r.visible[v.Name][:len(r.visible[v.Name])-1]
		}
		r.here = s.outer
	}
}

// declare adds variables of a node to the scope.
func (r *resolver) declare(by ast.PositionHolder, names ...string) {
	if len(names) == 0 {
		return
	}
	made := make([]Variable, len(names))
	for i, name := range names {
		v := &made[i]
		v.Name, v.block = name, r.here
		r.here.names = append(r.here.names, v)
		r.visible[name] = append(r.visible[name], v)
	}
	r.Declared[by] = r.here.names[len(r.here.names)-len(names) : len(r.here.names) : len(r.here.names)]
}

func (r *resolver) stmts(list []ast.Stmt) {
	for _, s := range list {
		r.stmt(s)
	}
}

// inner is a block of its own scope.
func (r *resolver) inner(list []ast.Stmt) []ast.Stmt {
	defer r.enter(&scope{function: r.here.function})()
	r.stmts(list)
	return list
}

func (r *resolver) stmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.LocalAssignStmt:
		if len(r.locals) == 0 {
			r.locals = []bool{false, false} // never empty again: refused at the end
		}
		function := r.locals[0]
		r.locals = r.locals[1:]
		if function {
			r.LocalFunctions[s] = true
			r.declare(s, s.Names...)
			r.InStmt(s)
			return
		}
		r.InStmt(s)
		r.declare(s, s.Names...)
	case *ast.WhileStmt:
		r.one(&s.Condition)
		r.loop(s, s.Stmts, nil)
	case *ast.RepeatStmt:
		r.loop(s, s.Stmts, s.Condition)
	case *ast.NumberForStmt:
		r.all([]ast.Expr{s.Init, s.Limit, s.Step})
		r.loop(s, s.Stmts, nil, s.Name)
	case *ast.GenericForStmt:
		r.all(s.Exprs)
		r.loop(s, s.Stmts, nil, s.Names...)
	case *ast.FuncDefStmt:
		r.all([]ast.Expr{s.Name.Func, s.Name.Receiver})
		r.function(s.Func, s.Name.Method != "")
	case *ast.BreakStmt:
		r.leaves(s)
	default:
		r.InStmt(s)
	}
}

// loop is a loop's body, with its variables; until is a condition that sees them.
func (r *resolver) loop(s ast.Stmt, body []ast.Stmt, until ast.Expr, names ...string) {
	defer r.enter(&scope{function: r.here.function, loop: s})()
	r.declare(s, names...)
	r.stmts(body)
	r.one(&until)
}

// leaves finds the loop that a break leaves, and whether functions have captured
// variables of the blocks between them.
func (r *resolver) leaves(s *ast.BreakStmt) {
	captured := false
	for b := r.here; b != nil && b.function == r.here.function; b = b.outer {
		if b.loop == nil {
			captured = captured || b.captured
			continue
		}
		r.Left[b.loop] = true
		if captured {
			r.LeavesCaptured[s], r.LeavesCaptured[b.loop] = true, true
		}
		return
	}
	r.refuse(s.Line(), "break outside a loop", "")
}

func (r *resolver) expr(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.IdentExpr:
		known := r.visible[e.Value]
		if len(known) == 0 {
			return e
		}
		v := known[len(known)-1]
		r.variables[e] = v
		if v.block.function != r.here.function {
			v.Captured, v.block.captured = true, true
		}
	case *ast.FunctionExpr:
		r.function(e, false)
	case *ast.Comma3Expr:
		if f := r.here.function; f != nil && !f.ParList.HasVargs {
			r.refuse(e.Line(), "... is used in a function that is not declared with ...", "write function(...) to take any number of arguments")
		}
	default:
		r.InExpr(e)
	}
	return e
}

// function is a function's body with its parameters, those that are not written
// included: self of a method, and arg, which Lua 5.1 has for the sake of 5.0.
func (r *resolver) function(e *ast.FunctionExpr, method bool) {
	defer r.enter(&scope{function: e})()
	names := e.ParList.Names
	if method {
		names = append([]string{"self"}, names...)
	}
	if e.ParList.HasVargs {
		names = append(names[:len(names):len(names)], "arg")
	}
	r.declare(e, names...)
	for i, v := range r.Declared[e] {
		v.Implicit = method && i == 0 || e.ParList.HasVargs && i == len(names)-1
	}
	r.stmts(e.Stmts)
}

package luabind

import (
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// resolution says which variable each name of a chunk means, and what the
// compiler has to be helped with because of it.
type resolution struct {
	variables map[*ast.IdentExpr]*variable // a name that is not there is a global
	functions map[*ast.LocalAssignStmt]bool
	closing   map[*ast.BreakStmt]bool // must close variables of blocks that it leaves
	loops     map[ast.Stmt]bool       // have such a break
}

// variable is a local variable or a parameter.
type variable struct {
	block    *scope
	captured bool // a function within the variable's own uses it
}

// scope is a block in which variables are declared.
type scope struct {
	outer    *scope
	function *ast.FunctionExpr // nil: the chunk
	loop     ast.Stmt          // whose body it is; nil: of none
	names    []string
	captured bool // one of its variables is, by code seen so far
}

// resolver walks a chunk once, in the order in which it is written.
type resolver struct {
	resolution
	visitor
	file    string
	here    *scope
	visible map[string][]*variable // innermost last
	locals  []bool                 // for each word `local` that is to come: is it `local function`?
	err     error
}

// resolve also refuses what the compiler refuses of a chunk, because code that
// can never run is not shown to the compiler.
func resolve(file string, chunk []ast.Stmt, tokens []token) (*resolution, error) {
	r := &resolver{file: file, here: &scope{}, visible: map[string][]*variable{}}
	r.variables = map[*ast.IdentExpr]*variable{}
	r.functions = map[*ast.LocalAssignStmt]bool{}
	r.closing = map[*ast.BreakStmt]bool{}
	r.loops = map[ast.Stmt]bool{}
	r.visitor = visitor{block: r.inner, expr: r.expr}
	// The parser makes the same node of `local function f` and
	// `local f = function`: the words tell them apart, in the order of the nodes.
	for i, t := range tokens {
		if t.Type == parse.TLocal {
			r.locals = append(r.locals, i+1 < len(tokens) && tokens[i+1].Type == parse.TFunction)
		}
	}
	r.stmts(chunk)
	if r.err == nil && len(r.locals) != 0 {
		r.err = fault(file, 0, 0, "this file can't be compiled", "a `local` was not found again in what was parsed")
	}
	return &r.resolution, r.err
}

func (r *resolver) refuse(line int, message, hint string) {
	if r.err == nil {
		r.err = fault(r.file, line, 0, message, hint)
	}
}

// enter begins a scope; what it returns ends it.
func (r *resolver) enter(s *scope) (leave func()) {
	s.outer = r.here
	r.here = s
	return func() {
		for _, name := range s.names {
			r.visible[name] = r.visible[name][:len(r.visible[name])-1]
		}
		r.here = s.outer
	}
}

func (r *resolver) declare(names ...string) {
	for _, name := range names {
		r.here.names = append(r.here.names, name)
		r.visible[name] = append(r.visible[name], &variable{block: r.here})
	}
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
		r.functions[s] = r.locals[0]
		r.locals = r.locals[1:]
		if r.functions[s] {
			r.declare(s.Names...)
			r.below(s)
			return
		}
		r.below(s)
		r.declare(s.Names...)
	case *ast.WhileStmt:
		r.one(&s.Condition)
		r.loop(s, s.Stmts, nil)
	case *ast.RepeatStmt:
		r.loop(s, s.Stmts, s.Condition)
	case *ast.NumberForStmt:
		r.list([]ast.Expr{s.Init, s.Limit, s.Step})
		r.loop(s, s.Stmts, nil, s.Name)
	case *ast.GenericForStmt:
		r.list(s.Exprs)
		r.loop(s, s.Stmts, nil, s.Names...)
	case *ast.FuncDefStmt:
		r.list([]ast.Expr{s.Name.Func, s.Name.Receiver})
		if s.Name.Method != "" {
			r.function(s.Func, "self")
		} else {
			r.function(s.Func)
		}
	case *ast.BreakStmt:
		r.leaves(s)
	default:
		r.below(s)
	}
}

// loop is a loop's body, with its variables; until is a condition that sees them.
func (r *resolver) loop(s ast.Stmt, body []ast.Stmt, until ast.Expr, names ...string) {
	defer r.enter(&scope{function: r.here.function, loop: s})()
	r.declare(names...)
	r.stmts(body)
	r.one(&until)
}

// leaves finds the loop that a break leaves. The compiler closes the variables
// of the loop's own block there, not those of blocks between it and the break.
func (r *resolver) leaves(s *ast.BreakStmt) {
	captured := false
	for b := r.here; b != nil && b.function == r.here.function; b = b.outer {
		if b.loop == nil {
			captured = captured || b.captured
			continue
		}
		if captured {
			r.closing[s], r.loops[b.loop] = true, true
		}
		return
	}
	r.refuse(s.Line(), "break stands outside a loop", "")
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
			v.captured, v.block.captured = true, true
		}
	case *ast.FunctionExpr:
		r.function(e)
	case *ast.Comma3Expr:
		if f := r.here.function; f != nil && !f.ParList.HasVargs {
			r.refuse(e.Line(), "... is used in a function that does not take it", "write function(...) to take any number of arguments")
		}
	default:
		r.inside(e)
	}
	return e
}

// function is a function's body; names are parameters that are not written.
func (r *resolver) function(e *ast.FunctionExpr, names ...string) {
	defer r.enter(&scope{function: e})()
	r.declare(names...)
	r.declare(e.ParList.Names...)
	if e.ParList.HasVargs {
		r.declare("arg") // as Lua 5.1 has it for the sake of 5.0
	}
	r.stmts(e.Stmts)
}

// local reports whether a name is a variable of the function itself.
func (r *resolution) local(e ast.Expr, function *ast.FunctionExpr) bool {
	name, ok := e.(*ast.IdentExpr)
	return ok && r.variables[name] != nil && r.variables[name].block.function == function
}

// captured reports whether a name is a variable that other functions use.
func (r *resolution) captured(e ast.Expr) bool {
	name, ok := e.(*ast.IdentExpr)
	return ok && r.variables[name] != nil && r.variables[name].captured
}

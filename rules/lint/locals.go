package lint

import (
	"fmt"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// checkLocals finds unused locals. It skips parameters and loop variables, which may
// be needed for their position, and names that begin with _.
func (f *file) checkLocals() {
	for _, l := range f.locals {
		if l.reads > 0 || l.kind == parameter || l.kind == loopVariable || strings.HasPrefix(l.name, "_") || l.holdsPlace() {
			continue
		}
		_, isFunction := l.init.(*ast.FunctionExpr)
		switch {
		case isFunction && l.writes == 0:
			f.warn(codeUnused, l.at, "delete it, or use it", "the function %s is never called", l.name)
		case l.writes > 0:
			f.warn(codeUnused, l.at, "delete it, or use it", "%s is set but never used", l.name)
		default:
			f.warn(codeUnused, l.at, "delete it; to ignore a value in a list of names, write _", "%s is never used", l.name)
		}
	}
}

// holdsPlace reports whether a later local of the same statement is used, so that this
// one can't be removed.
func (l *local) holdsPlace() bool {
	behind := false
	for _, other := range l.group {
		if behind && (other.reads > 0 || strings.HasPrefix(other.name, "_")) {
			return true
		}
		behind = behind || other == l
	}
	return false
}

// checkMemory finds file-level variables that handlers modify. Each reload, and each
// worker, begins with new ones.
func (f *file) checkMemory() {
	for _, a := range f.assigns {
		if !a.fn.inHandler() || a.lazy {
			continue
		}
		switch t := a.target.(type) {
		case *ast.IdentExpr:
			if l := f.refs[t]; l != nil && l.topmost && l.kind != parameter {
				f.forgotten(f.at[t], l.name)
			}
		case *ast.AttrGetExpr:
			f.checkTable(t.Object, f.start(t))
		}
	}
	for _, c := range f.calls {
		if c.expr.Func == nil || !c.fn.inHandler() || len(c.expr.Args) == 0 {
			continue
		}
		switch f.pathOf(c.expr.Func) {
		case "table.insert", "table.remove", "table.sort", "rawset":
			f.checkTable(c.expr.Args[0], f.start(c.expr.Args[0]))
		}
	}
}

// checkTable checks a table that a handler modifies.
func (f *file) checkTable(e ast.Expr, at place) {
	id, ok := root(e).(*ast.IdentExpr)
	if !ok {
		return
	}
	l := f.refs[id]
	if l == nil {
		if g := f.pack.globals[id.Value]; g != nil && g.table {
			f.forgotten(at, id.Value)
		}
		return
	}
	if !l.topmost || l.kind == parameter {
		return
	}
	if l.writes == 0 {
		switch init := l.init.(type) {
		case *ast.TableExpr:
		case *ast.FuncCallExpr:
			if f.pathOf(init.Func) != "setmetatable" && !strings.HasPrefix(f.pathOf(init), "require:") {
				return // a table that other code made
			}
		default:
			return
		}
	}
	f.forgotten(at, l.name)
}

func (f *file) forgotten(at place, name string) {
	f.warn(codeForgotten, at, "store it in ev.state, for one chat, or in kv", "%s is a file-level variable: changes made in a handler are lost on reload and not shared between workers", name)
}

// checkRelations finds comparisons whose result is certain, and those that Lua groups
// in another way than they read.
func (f *file) checkRelations() {
	for _, c := range f.choices {
		f.checkChoice(c)
	}
	for _, r := range f.relations {
		f.checkNegated(r.expr)
		f.checkRelation(r.expr, r.expr.Lhs, r.expr.Rhs)
		f.checkRelation(r.expr, r.expr.Rhs, r.expr.Lhs)
	}
}

// checkChoice finds a == "b" or "c": the string alone is true, whatever a is.
func (f *file) checkChoice(e *ast.LogicalOpExpr) {
	before := e.Lhs
	for {
		earlier, ok := before.(*ast.LogicalOpExpr)
		if !ok || earlier.Operator != "or" {
			break
		}
		before = earlier.Rhs
	}
	left, ok := before.(*ast.RelationalOpExpr)
	if !ok {
		return
	}
	switch e.Rhs.(type) {
	case *ast.StringExpr, *ast.NumberExpr:
		f.warn(codeCompare, f.start(e.Rhs), fmt.Sprintf("compare with each value: a %s x or a %s y", left.Operator, left.Operator),
			"the right side of or is not a comparison, and is always true")
	}
}

// checkNegated finds not a == "b", which compares true or false with the string.
func (f *file) checkNegated(e *ast.RelationalOpExpr) {
	if _, ok := e.Lhs.(*ast.UnaryNotOpExpr); !ok || e.Operator != "==" && e.Operator != "~=" {
		return
	}
	if got := f.typeOf(e.Rhs); got == "string" || got == "number" {
		outcome := map[string]string{"==": "false", "~=": "true"}[e.Operator]
		f.warn(codeCompare, f.start(e.Lhs), "write a ~= b, or not (a == b)", "not applies only to the left operand: true or false is compared with a %s, which is always %s", got, outcome)
	}
}

// checkRelation checks a field of the event on one side against a known value on the
// other.
func (f *file) checkRelation(e *ast.RelationalOpExpr, left, right ast.Expr) {
	path := f.pathOf(left)
	it := luabind.Lookup(path)
	if it == nil || !strings.HasPrefix(path, "ev.") || it.Type == "any" {
		return
	}
	declared := strings.TrimSuffix(it.Type, "?")
	got := f.typeOf(right)
	equality := e.Operator == "==" || e.Operator == "~="
	outcome := "always " + map[string]string{"==": "false", "~=": "true"}[e.Operator]
	if !equality {
		outcome = "an error"
	}
	if declared != "string" && declared != "number" && declared != "boolean" {
		return
	}
	switch {
	case got == "":
	case got == "nil":
		if !strings.HasSuffix(it.Type, "?") && equality && path == "ev.text" {
			f.warn(codeCompare, f.start(left), `it is "" if there is no text`, "%s is always a string: comparing it with nil is %s", path, outcome)
		}
	case got != declared:
		hint := ""
		if declared == "number" && path != "ev.action.code" {
			hint = "times are Unix seconds: compare with chert.now(), or format them with chert.date"
		}
		f.warn(codeCompare, f.start(left), hint, "%s is a %s: comparing it with a %s is %s", path, declared, got, outcome)
	case equality && (path == "ev.message.direction"):
		if s, ok := f.constOf(right).(string); ok && s != "inbound" && s != "outbound" {
			f.warn(codeCompare, f.start(right), diag.DidYouMean("", s, []string{"inbound", "outbound"}),
				`%s is "inbound" or "outbound": comparing it with %q is %s`, path, s, outcome)
		}
	}
}

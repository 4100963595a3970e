package lint

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/yuin/gopher-lua/ast"
)

// absentUse is how a value that may be absent is used.
type absentUse int

const (
	option absentUse = iota
	condition
	compared
)

func useOf(isCondition bool) absentUse {
	if isCondition {
		return condition
	}
	return option
}

// checkAbsent finds keys that a data file or a setting does not have, where the value
// goes into a table, to a function of the pack, or into a comparison. The value is nil
// there. A nil condition matches every event: a rule for the people in a list would run
// for everybody. That is an error. Elsewhere it is a warning: a key may be optional,
// and an edit of data that removes the last row with the key must go live.
func (f *file) checkAbsent() {
	const leftOut = "a condition or an option that is nil is ignored"
	reported := map[place]bool{}
	f.compared = map[ast.Expr]bool{}
	for _, r := range f.relations {
		if f.typeOf(r.expr.Lhs) != "nil" && f.typeOf(r.expr.Rhs) != "nil" {
			f.compared[r.expr.Lhs], f.compared[r.expr.Rhs] = true, true
		}
	}
	conditions := f.pack.conditionValues()
	strict := true // errors first: each key is reported once
	check := func(e ast.Expr, in *function, use absentUse, then string) {
		get, d, key := f.absent(e, maxFollow)
		if get == nil {
			return
		}
		at, here := f.at[get.Key]
		read := ast.Expr(get)
		if !here {
			at, read = f.start(e), e // it is read in a file of lib/
		}
		fails := use == condition && !d.own && !d.row || use != option && d.row && f.respelled(d, key)
		if fails != strict || reported[at] || f.guarded(in, e, get) {
			return
		}
		reported[at] = true
		code, say := codeMissing, f.warn
		switch {
		case d.own:
			code = codeField
		case d.config:
			code = codeSetting
		}
		if fails {
			say = f.fail
		}
		missing := "write `(" + shown(read) + " or nil)`"
		if use == condition {
			missing = "check it first: `if " + shown(read) + " then`"
		}
		say(code, at, d.hint(key, missing), "%s has no %s: it is nil here, and %s", d.from, key, then)
	}
	for range 2 {
		for _, t := range f.tables {
			for _, field := range t.expr.Fields {
				check(field.Value, t.fn, useOf(conditions[field.Value]), leftOut)
			}
		}
		for _, r := range f.relations {
			if r.expr.Operator != "==" && r.expr.Operator != "~=" || f.typeOf(r.expr.Lhs) == "nil" || f.typeOf(r.expr.Rhs) == "nil" {
				continue
			}
			check(r.expr.Lhs, r.fn, compared, "never equal to the other side")
			check(r.expr.Rhs, r.fn, compared, "never equal to the other side")
		}
		for _, a := range f.assigns {
			if _, ok := a.target.(*ast.AttrGetExpr); ok && a.value != nil {
				check(a.value, a.fn, useOf(conditions[a.value]), leftOut)
			}
		}
		for _, c := range f.calls {
			if c.expr.Func == nil {
				continue
			}
			fn := f.functionOf(c.expr.Func)
			for i, arg := range c.expr.Args {
				switch {
				case conditions[arg]: // the where of chert.on itself
					check(arg, c.fn, condition, leftOut)
				case fn != nil:
					check(arg, c.fn, useOf(i < len(fn.params) && f.pack.conditionParams[fn.params[i]]), leftOut)
				}
			}
		}
		strict = false
	}
}

// conditionValues returns the expressions whose values become conditions of rules. It
// also records the parameters that do, in conditionParams.
func (p *pack) conditionValues() map[ast.Expr]bool {
	if p.conditions != nil {
		return p.conditions
	}
	p.conditions, p.conditionParams = map[ast.Expr]bool{}, map[*local]bool{}
	for _, r := range p.handlers {
		f, args := r.call.file, r.call.expr.Args
		switch {
		case r.path == "chert.on" && len(args) > 2:
			f.condition(args[1], maxFollow)
		case r.path == "chert.rule":
			f.conditionsIn(single(args), maxFollow, "where", "during", "outside", "not_on")
		}
	}
	return p.conditions
}

// condition records an expression that is a condition, and those in its table.
func (f *file) condition(e ast.Expr, depth int) {
	f.pack.conditions[e] = true
	if id, ok := e.(*ast.IdentExpr); ok && f.refs[id] != nil && f.refs[id].kind == parameter {
		f.pack.conditionParams[f.refs[id]] = true
	}
	f.conditionsIn(e, depth)
}

// conditionsIn records the fields of a table with these names, or all fields if names
// is empty. It skips items of a list: if one is nil, the others remain.
func (f *file) conditionsIn(e ast.Expr, depth int, names ...string) {
	wanted := func(key ast.Expr) bool {
		name, ok := key.(*ast.StringExpr)
		return ok && (len(names) == 0 || slices.Contains(names, name.Value))
	}
	if depth == 0 {
		return
	}
	switch e := e.(type) {
	case *ast.TableExpr:
		for _, field := range e.Fields {
			if wanted(field.Key) {
				f.condition(field.Value, depth-1)
			}
		}
	case *ast.IdentExpr:
		l := f.refs[e]
		if l == nil || l.kind != variable {
			return
		}
		f.conditionsIn(l.init, depth-1, names...)
		for _, a := range f.assigns {
			if t, ok := a.target.(*ast.AttrGetExpr); ok && a.value != nil && wanted(t.Key) {
				if id, ok := t.Object.(*ast.IdentExpr); ok && f.refs[id] == l {
					f.condition(a.value, depth-1)
				}
			}
		}
	}
}

// absent returns where an expression reads a key that certainly does not exist, the
// datum that it reads, and the key; nil if the key may have a value.
func (f *file) absent(e ast.Expr, depth int) (*ast.AttrGetExpr, *datum, string) {
	if depth == 0 {
		return nil, nil, ""
	}
	switch e := e.(type) {
	case *ast.IdentExpr:
		if l := f.refs[e]; l != nil && l.kind == variable && l.constant() {
			return f.absent(l.init, depth-1)
		}
	case *ast.AttrGetExpr:
		key := f.constOf(e.Key)
		if name, ok := key.(string); ok {
			if own := f.ownTable(e.Object); own != nil {
				if _, found := own.values[0].(map[string]any)[name]; !found {
					return e, own, fmt.Sprintf("%q", name)
				}
				in, value := f.ownField(e.Object, name)
				return in.absent(value, depth-1)
			}
		}
		d := f.dataIn(e.Object, depth-1)
		if d == nil || key == nil || len(d.at(key).values) > 0 {
			return nil, nil, ""
		}
		for _, v := range d.values {
			switch v.(type) {
			case map[string]any, []any:
			default:
				return nil, nil, "" // reading a key of it fails
			}
		}
		if s, ok := key.(string); ok {
			return e, d, fmt.Sprintf("%q", s)
		}
		return e, d, fmt.Sprintf("[%v]", key)
	}
	return nil, nil, ""
}

// guarded reports whether a function, or one around it, tests the value.
func (f *file) guarded(fn *function, e ast.Expr, get *ast.AttrGetExpr) bool {
	for ; fn != nil; fn = fn.outer {
		for _, g := range fn.guards {
			if f.compared[g] {
				continue
			}
			if x, y := g.(*ast.IdentExpr); y && f.same(x, e) {
				return true
			}
			if found, _, _ := f.absent(g, maxFollow); found != nil && f.written(found) == f.written(get) {
				return true
			}
		}
	}
	return false
}

// written returns an expression of names and constant keys in a form that can be
// compared.
func (f *file) written(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.IdentExpr:
		return e.Value
	case *ast.AttrGetExpr:
		return fmt.Sprintf("%s[%v]", f.written(e.Object), f.constOf(e.Key))
	case *ast.FuncCallExpr:
		if len(e.Args) == 1 {
			return fmt.Sprintf("%s(%v)", f.written(e.Func), f.constOf(e.Args[0]))
		}
	}
	return ""
}

// shown returns an expression of names and constant keys as a rule writes it, and "…"
// for any other.
func shown(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.IdentExpr:
		return e.Value
	case *ast.StringExpr:
		return fmt.Sprintf("%q", e.Value)
	case *ast.NumberExpr:
		return e.Value
	case *ast.AttrGetExpr:
		if key, ok := e.Key.(*ast.StringExpr); ok && plainName.MatchString(key.Value) {
			return shown(e.Object) + "." + key.Value
		}
		return shown(e.Object) + "[" + shown(e.Key) + "]"
	case *ast.FuncCallExpr:
		if e.Func != nil && len(e.Args) == 1 {
			return shown(e.Func) + "(" + shown(e.Args[0]) + ")"
		}
	}
	return "…"
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

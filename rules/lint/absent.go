package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind"
)

// datum is what data.load or config gives, or a part of it. In a loop it is one of
// several values.
type datum struct {
	from   string // as a rule writes it: data.load("vips").phones
	config bool
	values []any
	own    bool // a table that the pack's code makes
}

// checkAbsent finds keys that a data file or a setting does not have, where the value
// goes into a table or to a function of the pack, or is compared. It is nil there, and a
// condition of where that is nil is none: a rule for the people of a list would run for
// everybody.
func (f *file) checkAbsent() {
	const leftOut = "a condition or an option that is nil is left out"
	told := map[place]bool{}
	f.compared = map[ast.Expr]bool{}
	for _, r := range f.relations {
		if f.typeOf(r.expr.Lhs) != "nil" && f.typeOf(r.expr.Rhs) != "nil" {
			f.compared[r.expr.Lhs], f.compared[r.expr.Rhs] = true, true
		}
	}
	check := func(e ast.Expr, in *function, then string) {
		get, d, key := f.absent(e, maxFollow)
		if get == nil || told[f.at[get.Key]] || f.guarded(in, e, get) {
			return
		}
		told[f.at[get.Key]] = true
		if d.own {
			f.warn(codeField, f.at[get.Key], d.hint(key), "%s has no %s: it is nil here, and %s", d.from, key, then)
			return
		}
		code := codeMissing
		if d.config {
			code = codeSetting
		}
		f.fail(code, f.at[get.Key], d.hint(key), "%s has no %s: it is nil here, and %s", d.from, key, then)
	}
	for _, t := range f.tables {
		for _, field := range t.expr.Fields {
			check(field.Value, t.fn, leftOut)
		}
	}
	for _, r := range f.relations {
		if r.expr.Operator != "==" && r.expr.Operator != "~=" || f.typeOf(r.expr.Lhs) == "nil" || f.typeOf(r.expr.Rhs) == "nil" {
			continue
		}
		check(r.expr.Lhs, r.fn, "never equal to what it is compared with")
		check(r.expr.Rhs, r.fn, "never equal to what it is compared with")
	}
	for _, a := range f.assigns {
		if _, ok := a.target.(*ast.AttrGetExpr); ok && a.value != nil {
			check(a.value, a.fn, leftOut)
		}
	}
	for _, c := range f.calls {
		if c.expr.Func == nil || f.functionOf(c.expr.Func) == nil {
			continue
		}
		for _, arg := range c.expr.Args {
			check(arg, c.fn, leftOut)
		}
	}
}

// absent is where an expression reads a key that is certainly not there, what it reads
// it of, and the key; nil if it may have a value.
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
				return nil, nil, ""
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

// guarded reports whether a function, or one it stands in, looks whether the value is
// there.
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

// written is an expression of names and constant keys as it is written.
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

// dataIn is the datum that an expression gives; nil if it is not certain.
func (f *file) dataIn(e ast.Expr, depth int) *datum {
	if depth == 0 {
		return nil
	}
	switch e := e.(type) {
	case *ast.IdentExpr:
		l := f.refs[e]
		switch {
		case l == nil || l.writes > 0:
			return nil
		case l.list != nil:
			return f.dataIn(l.list, depth-1).each()
		case l.table != nil:
			return f.dataIn(l.table, depth-1).each()
		case l.kind == variable && l.init != nil:
			return f.dataIn(l.init, depth-1)
		}
	case *ast.AttrGetExpr:
		if name, ok := strings.CutPrefix(f.pathIn(e, depth-1), "config."); ok && !strings.Contains(name, ".") {
			if v, ok := f.pack.tried.Settings()[name]; ok {
				return &datum{from: "config." + name, config: true, values: []any{v}}
			}
			return nil
		}
		d := f.dataIn(e.Object, depth-1)
		key := f.constOf(e.Key)
		switch {
		case d == nil:
			return nil
		case key == nil:
			return d.each() // rows[i] is one of them, or reading a key of it fails
		}
		if d = d.at(key); len(d.values) > 0 {
			return d
		}
	case *ast.FuncCallExpr:
		if e.Func == nil || len(e.Args) != 1 || f.pathIn(e.Func, depth-1) != "data.load" {
			return nil
		}
		if name, ok := f.constOf(e.Args[0]).(string); ok {
			if v, ok := f.pack.tried.Data(name); ok {
				return &datum{from: fmt.Sprintf("data.load(%q)", name), values: []any{v}}
			}
		}
	}
	return nil
}

// at is what is at a key of the datum; it has no values if nothing is.
func (d *datum) at(key any) *datum {
	under := &datum{config: d.config}
	for _, v := range d.values {
		switch v := v.(type) {
		case map[string]any:
			if name, ok := key.(string); ok {
				under.from = d.from + "." + name
				if inner, ok := v[name]; ok {
					under.values = append(under.values, inner)
				}
			}
		case []any:
			if n, ok := key.(float64); ok {
				under.from = fmt.Sprintf("%s[%v]", d.from, n)
				if i := int(n); float64(i) == n && i >= 1 && i <= len(v) {
					under.values = append(under.values, v[i-1])
				}
			}
		}
	}
	return under
}

// each is any item of a list or a table; nil if there is none.
func (d *datum) each() *datum {
	if d == nil {
		return nil
	}
	items := &datum{from: "each item of " + d.from, config: d.config}
	for _, v := range d.values {
		switch v := v.(type) {
		case []any:
			items.values = append(items.values, v...)
		case map[string]any:
			for _, item := range v {
				items.values = append(items.values, item)
			}
		}
	}
	if len(items.values) == 0 {
		return nil
	}
	return items
}

// hint says what to write for a key that is not there.
func (d *datum) hint(key string) string {
	const meant = "; if it may be missing, write `or nil` behind it"
	known, list := map[string]bool{}, false
	for _, v := range d.values {
		switch v := v.(type) {
		case map[string]any:
			for k := range v {
				known[k] = true
			}
		case []any:
			list = true
		}
	}
	keys := slices.Sorted(maps.Keys(known))
	switch {
	case len(keys) > 0:
	case list:
		return "it is a list" + meant
	default:
		return "it is empty" + meant
	}
	if near := luabind.Suggest(strings.Trim(key, `"`), keys); near != "" {
		return "did you mean " + near + "?"
	}
	if len(keys) > 10 {
		keys = append(keys[:10:10], "…")
	}
	return "it has " + strings.Join(keys, ", ") + meant
}

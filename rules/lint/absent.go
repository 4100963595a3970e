package lint

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind/diag"
)

// datum is what data.load or config gives, or a part of it. In a loop it is one of
// several values.
type datum struct {
	from   string // as a rule writes it: data.load("vips").phones
	config bool
	values []any
	own    bool // a table that the pack's code makes
	row    bool // an item of a list or table, or a part of one
}

// absentUse is what a value that may be absent is for.
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
// goes into a table or to a function of the pack, or is compared. It is nil there. A
// condition that is nil is none: a rule for the people of a list would run for everybody.
// That is an error. Elsewhere it is a warning: a key may be optional, and an edit of data
// that removes the last row that has it must go live.
func (f *file) checkAbsent() {
	const leftOut = "a condition or an option that is nil is ignored"
	told := map[place]bool{}
	f.compared = map[ast.Expr]bool{}
	for _, r := range f.relations {
		if f.typeOf(r.expr.Lhs) != "nil" && f.typeOf(r.expr.Rhs) != "nil" {
			f.compared[r.expr.Lhs], f.compared[r.expr.Rhs] = true, true
		}
	}
	conditions := f.pack.conditionValues()
	strict := true // first the errors: a key is told once
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
		if fails != strict || told[at] || f.guarded(in, e, get) {
			return
		}
		told[at] = true
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

// conditionValues are the expressions whose values become conditions of rules, by name.
// It also notes the parameters that do: conditionParams.
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

// condition notes an expression that is a condition, and those in its table.
func (f *file) condition(e ast.Expr, depth int) {
	f.pack.conditions[e] = true
	if id, ok := e.(*ast.IdentExpr); ok && f.refs[id] != nil && f.refs[id].kind == parameter {
		f.pack.conditionParams[f.refs[id]] = true
	}
	f.conditionsIn(e, depth)
}

// conditionsIn notes the fields of a table with these names, or with any. Items of a list
// are none: one that is nil leaves the others.
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

// shown is an expression of names and constant keys as a rule writes it; "…" for others.
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

// dataIn is the datum that an expression gives; nil if it is not certain.
func (f *file) dataIn(e ast.Expr, depth int) *datum {
	if depth == 0 {
		return nil
	}
	switch e := e.(type) {
	case *ast.IdentExpr:
		l := f.refs[e]
		switch {
		case l == nil:
			if g := f.pack.globals[e.Value]; g != nil && g.writes == 1 && g.value != nil && !f.pack.opaque {
				return g.first.file.dataIn(g.value, depth-1)
			}
			return nil
		case l.writes > 0:
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
		if name, ok := strings.CutPrefix(f.pathIn(e, depth-1), "require:"); ok {
			if m := f.pack.modules[name]; m != nil {
				return m.dataIn(m.returned(), depth-1)
			}
			return nil
		}
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
	under := &datum{config: d.config, row: d.row}
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
				under.from, under.row = fmt.Sprintf("%s[%v]", d.from, n), true
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
	items := &datum{from: "each item of " + d.from, config: d.config, row: true}
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

// hint says what to write for a key that is not there; missing: if that may be.
func (d *datum) hint(key, missing string) string {
	meant := "; if it may be missing, " + missing
	keys, list := d.keys()
	switch {
	case len(keys) > 0:
	case list:
		return "it is a list" + meant
	default:
		return "it is empty" + meant
	}
	if near := diag.Suggest(strings.Trim(key, `"`), keys); near != "" {
		return "did you mean " + near + "?"
	}
	if len(keys) > 10 {
		keys = append(keys[:10:10], "…")
	}
	return "it has " + strings.Join(keys, ", ") + meant
}

// keys are the names of what the datum has, and whether some of it is a list.
func (d *datum) keys() (names []string, list bool) {
	known := map[string]bool{}
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
	return slices.Sorted(maps.Keys(known)), list
}

// respelled reports whether the datum has the key but for case, spaces and punctuation,
// as a column that is named Phone, and the file does not read it so, too. Then the key is
// no optional one: it is misspelled, in all rows.
func (f *file) respelled(d *datum, key string) bool {
	names, _ := d.keys()
	return slices.ContainsFunc(names, func(name string) bool {
		return letters(name) == letters(key) && !slices.ContainsFunc(f.gets, func(g getUse) bool { return f.constOf(g.expr.Key) == name })
	})
}

func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind/diag"
)

// datum is a value from data.load or config, or a part of one. In a loop it is one of
// several values.
type datum struct {
	from   string // as a rule writes it, like data.load("vips").phones
	config bool
	values []any
	own    bool // a table that the pack's code makes
	row    bool // an item of a list or table, or a part of one
}

// dataIn returns the datum that an expression evaluates to; nil if that is not
// certain.
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

// at returns what the datum has under a key, without values if it has nothing there.
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

// each returns any item of a list or table; nil if it has none.
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

// hint returns what to write for a key that does not exist. missing is what to write
// if the key is optional.
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
	if hint := diag.DidYouMean("", strings.Trim(key, `"`), keys); hint != "" {
		return hint
	}
	if len(keys) > 10 {
		keys = append(keys[:10:10], "…")
	}
	return "it has " + strings.Join(keys, ", ") + meant
}

// keys returns the names in the datum, and whether part of it is a list.
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

// respelled reports whether the datum has the key except for case, spaces and
// punctuation, as in a column named Phone, and the file never reads that name. Then
// the key is not optional: it is misspelled in every row.
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

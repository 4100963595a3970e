package lint

import (
	"slices"
	"strconv"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind"
	"chertd/luabind/tree"
)

// maxFollow is how many names in a row are followed to their values.
const maxFollow = 20

// maxConst is the longest string that constant concatenation is followed to.
const maxConst = 4096

// pathOf returns the name of the rule API that an expression evaluates to, like
// "chert.hold", "ev.chat" or "ev.chat.handles[]", or "require:phones"; "" if that is
// not certain. The value may be nil: checkNil decides that.
func (f *file) pathOf(e ast.Expr) string { return f.pathIn(e, maxFollow) }

func (f *file) pathIn(e ast.Expr, depth int) string {
	if depth == 0 {
		return ""
	}
	switch e := e.(type) {
	case *ast.IdentExpr:
		l := f.refs[e]
		switch {
		case l == nil && f.pack.globals[e.Value] == nil:
			return e.Value
		case l == nil || l.writes > 0:
			return ""
		case l.kind == parameter:
			return l.path
		case l.list != nil:
			if list := f.pathIn(l.list, depth-1); strings.HasPrefix(list, "ev.") && luabind.Lookup(element(list)+".type") != nil || list == "ev.chat.handles" {
				return element(list)
			}
			return ""
		case l.init != nil:
			return f.pathIn(l.init, depth-1)
		}
	case *ast.AttrGetExpr:
		base := f.pathIn(e.Object, depth-1)
		switch key := e.Key.(type) {
		case *ast.StringExpr:
			if base == "" || strings.HasPrefix(base, "require:") {
				return ""
			}
			return f.member(base, key.Value)
		case *ast.NumberExpr:
			if base == "ev.chat.handles" || base == "ev.message.parts" || base == "ev.message.media" {
				return element(base)
			}
		}
	case *ast.FuncCallExpr:
		if fn, ok := e.Func.(*ast.IdentExpr); ok && fn.Value == "require" && f.refs[fn] == nil && len(e.Args) == 1 {
			if name, ok := f.constOf(e.Args[0]).(string); ok {
				return "require:" + name
			}
		}
	}
	return ""
}

// element returns the path of an item of an event's list.
func element(list string) string {
	if list == "ev.message.media" {
		list = "ev.message.parts"
	}
	return list + "[]"
}

// member returns the path of a field; "" if the fields of the table are not known.
func (f *file) member(base, key string) string {
	if base == "_G" {
		if f.pack.globals[key] == nil {
			return key
		}
		return ""
	}
	if base == "config" || len(luabind.Fields(base)) > 0 {
		return base + "." + key
	}
	return ""
}

// constOf returns the value of a constant expression, a string, float64 or bool; nil
// if it is not certain.
func (f *file) constOf(e ast.Expr) any { return f.constIn(e, maxFollow) }

func (f *file) constIn(e ast.Expr, depth int) any {
	if depth == 0 {
		return nil
	}
	switch e := e.(type) {
	case *ast.StringExpr:
		return e.Value
	case *ast.NumberExpr:
		if n, err := strconv.ParseFloat(e.Value, 64); err == nil {
			return n
		}
	case *ast.TrueExpr:
		return true
	case *ast.FalseExpr:
		return false
	case *ast.UnaryMinusOpExpr:
		if n, ok := f.constIn(e.Expr, depth-1).(float64); ok {
			return -n
		}
	case *ast.StringConcatOpExpr:
		a, okA := f.constIn(e.Lhs, depth-1).(string)
		b, okB := f.constIn(e.Rhs, depth-1).(string)
		if okA && okB && len(a)+len(b) <= maxConst {
			return a + b
		}
	case *ast.IdentExpr:
		if l := f.refs[e]; l != nil && l.kind == variable && l.constant() {
			return f.constIn(l.init, depth-1)
		}
	}
	return nil
}

// typeOf returns the Lua type of an expression's value; "" if it is not certain.
func (f *file) typeOf(e ast.Expr) string { return f.typeIn(e, maxFollow) }

func (f *file) typeIn(e ast.Expr, depth int) string {
	if depth == 0 {
		return ""
	}
	switch e := e.(type) {
	case *ast.StringExpr, *ast.StringConcatOpExpr:
		return "string"
	case *ast.NumberExpr, *ast.UnaryMinusOpExpr, *ast.UnaryLenOpExpr:
		return "number"
	case *ast.ArithmeticOpExpr:
		if !f.pack.metatables {
			return "number"
		}
	case *ast.TrueExpr, *ast.FalseExpr, *ast.UnaryNotOpExpr, *ast.RelationalOpExpr:
		return "boolean"
	case *ast.NilExpr:
		return "nil"
	case *ast.TableExpr:
		return "table"
	case *ast.FunctionExpr:
		return "function"
	case *ast.LogicalOpExpr:
		if a := f.typeIn(e.Lhs, depth-1); a != "" && a == f.typeIn(e.Rhs, depth-1) {
			return a
		}
	case *ast.IdentExpr:
		if l := f.refs[e]; l != nil && l.kind != parameter && l.kind != loopVariable && l.constant() {
			return f.typeIn(l.init, depth-1)
		}
		return f.typeOfPath(f.pathIn(e, depth-1))
	case *ast.AttrGetExpr:
		return f.typeOfPath(f.pathIn(e, depth-1))
	case *ast.FuncCallExpr:
		return f.typeOfCall(e, depth)
	}
	return ""
}

func (f *file) typeOfCall(e *ast.FuncCallExpr, depth int) string {
	if e.Func == nil {
		if f.typeIn(e.Receiver, depth-1) == "string" {
			return stringResults[e.Method]
		}
		return ""
	}
	path := f.pathIn(e.Func, depth-1)
	if name, ok := strings.CutPrefix(path, "string."); ok {
		return stringResults[name]
	}
	if path == "tostring" {
		return "string"
	}
	if it := luabind.Lookup(path); it != nil && it.Func {
		return plainType(it.Type)
	}
	return ""
}

// stringResults has the functions of string that always return one type.
var stringResults = map[string]string{
	"format": "string", "gsub": "string", "len": "number", "lower": "string", "rep": "string", "reverse": "string",
	"sub": "string", "upper": "string",
}

func (f *file) typeOfPath(path string) string {
	if path == "" {
		return ""
	}
	if name, ok := strings.CutPrefix(path, "config."); ok {
		switch f.pack.tried.Settings()[name].(type) {
		case string:
			return "string"
		case float64:
			return "number"
		case bool:
			return "boolean"
		case nil:
			return ""
		}
		return "table"
	}
	it := luabind.Lookup(path)
	switch {
	case it != nil && it.Func:
		return "function"
	case it != nil:
		return plainType(it.Type)
	}
	if module, name, ok := strings.Cut(path, "."); ok && slices.Contains([]string{"string", "table"}, module) && slices.Contains(luabind.Fields(module), name) {
		return "function"
	}
	return ""
}

// plainType returns a LuaCATS type that is a single Lua type and never nil; else "".
func plainType(t string) string {
	switch t {
	case "string", "number", "boolean", "table":
		return t
	}
	return ""
}

// fieldOf returns the value of a key in a table constructor; nil if the key is not
// there.
func fieldOf(t *ast.TableExpr, key string) ast.Expr {
	for _, field := range t.Fields {
		if k, ok := field.Key.(*ast.StringExpr); ok && k.Value == key {
			return field.Value
		}
	}
	return nil
}

// tableOf returns the constructor of an expression's value if nothing modifies the
// table later; else nil.
func (f *file) tableOf(e ast.Expr) *ast.TableExpr {
	switch e := e.(type) {
	case *ast.TableExpr:
		return e
	case *ast.IdentExpr:
		if l := f.refs[e]; l != nil && l.kind == variable && l.constant() && !f.pack.changed[l] {
			return f.tableOf(l.init)
		}
	}
	return nil
}

// start returns where an expression begins.
func (f *file) start(e ast.Expr) place {
	if at, ok := f.at[e]; ok {
		return at
	}
	var parts []ast.Expr
	tree.Visitor{Expr: func(part ast.Expr) ast.Expr { parts = append(parts, part); return part }}.InExpr(e)
	if len(parts) == 0 {
		return place{line: e.Line()}
	}
	return f.start(parts[0])
}

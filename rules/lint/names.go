package lint

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// checkNames finds names that rules don't have.
func (f *file) checkNames() {
	if !f.pack.opaque {
		f.checkGlobals()
	}
	for _, g := range f.gets {
		f.checkField(g)
	}
	for _, c := range f.calls {
		f.checkMethod(c)
		f.checkCallee(c)
	}
	for _, a := range f.assigns {
		f.checkAssignment(a)
	}
}

// maxHints is how many unknown names of a file get a suggestion. A file with more is
// not a rule file.
const maxHints = 100

func (f *file) checkGlobals() {
	known := f.pack.known()
	hints := 0
	for _, u := range f.idents {
		name := u.expr.Value
		if u.role == set || f.refs[u.expr] != nil {
			continue
		}
		if _, found := slices.BinarySearch(known, name); found {
			continue
		}
		hint := ""
		if hints++; hints <= maxHints {
			hint = luabind.GlobalHint(name, append(f.localsAt(u), known...))
		}
		f.mistake(codeGlobal, f.at[u.expr], luabind.NotDefined(name, hint))
	}
}

// localsAt returns the locals that may have been meant at a place.
func (f *file) localsAt(u identUse) []string {
	var names []string
	at := f.at[u.expr]
	for _, l := range f.locals {
		if l.at.line > at.line {
			continue
		}
		for fn := u.fn; fn != nil; fn = fn.outer {
			if l.fn == fn && !slices.Contains(names, l.name) {
				names = append(names, l.name)
			}
		}
	}
	return names
}

// checkField checks a.b where all fields of a are known.
func (f *file) checkField(g getUse) {
	key, ok := g.expr.Key.(*ast.StringExpr)
	base := f.pathOf(g.expr.Object)
	if !ok || base == "" || g.role == set {
		return
	}
	at := f.at[g.expr.Key]
	if base == "config" {
		f.checkSetting(key.Value, at)
		return
	}
	fields := luabind.Fields(base)
	if len(fields) == 0 && g.role != called && f.typeOf(g.expr.Object) == "string" && !slices.Contains(luabind.Fields("string"), key.Value) {
		hint := stringHint(key.Value)
		if name := strings.ToLower(key.Value); name == "length" || name == "size" || name == "count" {
			hint = "write #" + base
		}
		f.fail(codeField, at, hint, "strings have no field %q", key.Value)
		return
	}
	if len(fields) == 0 || slices.Contains(fields, key.Value) {
		return
	}
	m := luabind.NoMember(base, key.Value, fields)
	switch {
	case base == "ev" || strings.HasPrefix(base, "ev."):
		m = luabind.NoField(base, key.Value)
		if strings.HasSuffix(base, "[]") {
			// For an item of a list, only the item's own fields are suggested.
			m.Hint = cmp.Or(diag.DidYouMean("", key.Value, fields), "it has "+strings.Join(fields, ", "))
		}
	case slices.Contains([]string{"string", "table", "math"}, base) && g.role != called:
		return // a rule may test whether a library of Lua has a function
	}
	f.mistake(codeField, at, m)
}

// checkSetting checks config.NAME. A pack without a pack.yaml gets its settings from
// chertd.yaml alone, and without a configuration they are not known.
func (f *file) checkSetting(name string, at place) {
	settings := f.pack.tried.Settings()
	if _, ok := settings[name]; ok {
		return
	}
	known := slices.Sorted(maps.Keys(settings))
	hint := diag.DidYouMean("config.", name, known)
	if f.pack.manifest() == nil {
		if hint == "" {
			hint = "set it in chertd.yaml, rules.packs: {" + f.pack.report.Name + ": {config: {" + name + ": …}}}; or make the pack a folder with a pack.yaml that declares its default"
		}
		f.warn(codeSetting, at, hint, "config.%s is not set: the rule fails where it reads it", name)
		return
	}
	if f.pack.manifestBroken() {
		return // the declared settings are not known
	}
	if hint == "" {
		hint = "declare it with its default in pack.yaml: config: { " + name + ": … }"
	}
	f.fail(codeSetting, at, hint, "config has no setting %q", name)
}

// checkMethod checks s:name() where s is a string or a module.
func (f *file) checkMethod(c *call) {
	e := c.expr
	if e.Func != nil {
		return
	}
	base := f.pathOf(e.Receiver)
	fields := luabind.Fields(base)
	switch {
	case strings.HasPrefix(base, "ev.") || base == "ev":
		if len(fields) > 0 && !slices.Contains(fields, e.Method) {
			f.mistake(codeField, c.method, luabind.NoField(base, e.Method))
			return
		}
	case len(fields) > 0 && slices.Contains(fields, e.Method):
		f.mistake(codeColon, c.method, luabind.CalledWithColon(base+"."+e.Method))
		return
	case len(fields) > 0:
		f.mistake(codeField, c.method, luabind.NoMember(base, e.Method, fields))
		return
	}
	if f.typeOf(e.Receiver) == "string" && !slices.Contains(luabind.Fields("string"), e.Method) {
		f.fail(codeField, c.method, stringHint(e.Method), "strings have no function %s", e.Method)
	}
}

// stringHint returns what to write instead of a function that strings don't have.
func stringHint(name string) string {
	if hint := elsewhere[strings.ToLower(strings.ReplaceAll(name, "_", ""))]; hint != "" {
		return hint
	}
	return diag.DidYouMean(":", name, luabind.Fields("string"))
}

// elsewhere has the functions that strings have in other languages.
var elsewhere = map[string]string{
	"contains": "write s:find(part, 1, true)", "includes": "write s:find(part, 1, true)", "indexof": "write s:find(part, 1, true)",
	"startswith": "write s:sub(1, #part) == part", "hasprefix": "write s:sub(1, #part) == part",
	"endswith": "write s:sub(-#part) == part", "hassuffix": "write s:sub(-#part) == part",
	"trim": `write s:match("^%s*(.-)%s*$")`, "strip": `write s:match("^%s*(.-)%s*$")`,
	"split": `write for word in s:gmatch("[^,]+") do`, "replace": "write s:gsub(pattern, replacement)",
	"tolower": "did you mean :lower?", "lowercase": "did you mean :lower?", "toupper": "did you mean :upper?", "uppercase": "did you mean :upper?",
	"length": "write #s", "size": "write #s", "count": "write #s", "substring": "did you mean :sub?", "substr": "did you mean :sub?",
}

// checkCallee finds calls of values that are not functions.
func (f *file) checkCallee(c *call) {
	path := f.pathOf(c.expr.Func)
	if path == "" {
		return
	}
	it := luabind.Lookup(path)
	switch {
	case it != nil && !it.Func && it.Type != "any" && !strings.HasSuffix(path, ".state") && !strings.HasSuffix(path, ".raw"):
		f.fail(codeField, f.start(c.expr), "write it without parentheses", "%s is not a function: it is %s", path, fieldType(it.Type))
	case it == nil && (len(luabind.Fields(path)) > 0 || path == "config"):
		hint := ""
		if path == "log" {
			hint = "did you mean log.info?"
		}
		f.fail(codeField, f.start(c.expr), hint, "%s is a table of functions, not a function", path)
	}
}

// fieldType returns the type of an event field in words.
func fieldType(declared string) string {
	declared = strings.TrimSuffix(declared, "?")
	switch {
	case strings.HasSuffix(declared, "[]"):
		return "a list"
	case strings.HasPrefix(declared, "Event"):
		return "a table"
	}
	return "a " + strings.ReplaceAll(declared, "|", " or a ")
}

// checkLoops finds loops over a table without pairs or ipairs.
func (f *file) checkLoops() {
	for _, e := range f.loops {
		path := f.pathOf(e)
		it := luabind.Lookup(path)
		what := ""
		switch {
		case it != nil && !it.Func && it.Type != "any":
			what = path + " is " + fieldType(it.Type)
		case f.typeOf(e) == "table" && !f.pack.metatables, f.typeOf(e) == "string", f.typeOf(e) == "number", f.typeOf(e) == "boolean":
			what = "this is a " + f.typeOf(e)
		default:
			continue
		}
		f.fail(codeArgument, f.start(e), luabind.LoopHint, "for … in needs an iterator, but %s", what)
	}
}

// checkAssignment finds assignments to read-only names.
func (f *file) checkAssignment(a assignment) {
	switch t := a.target.(type) {
	case *ast.IdentExpr:
		if f.refs[t] == nil && a.fn.inHandler() {
			f.mistake(codeSetGlobal, f.at[t], luabind.GlobalSet(t.Value))
		}
	case *ast.AttrGetExpr:
		base := f.pathOf(t.Object)
		key := "[…]"
		if k, ok := t.Key.(*ast.StringExpr); ok {
			key = "." + k.Value
		}
		switch {
		case base == "_G":
			if a.fn.inHandler() && strings.HasPrefix(key, ".") {
				f.mistake(codeSetGlobal, f.start(t), luabind.GlobalSet(key[1:]))
			}
		case base == "ev" && key == ".state":
		case base == "ev" || strings.HasPrefix(base, "ev.") && len(luabind.Fields(base)) > 0:
			f.fail(codeReadOnly, f.start(t), "to remember something about this chat, write it to ev.state", "%s%s can't be assigned: the event is read-only", base, key)
		case base == "config":
			f.fail(codeReadOnly, f.start(t), "change settings in pack.yaml or, for one installation, in chertd.yaml", "config%s can't be assigned: settings are read-only", key)
		case len(luabind.Fields(base)) > 0:
			f.mistake(codeReadOnly, f.start(t), luabind.LibrarySet(base, strings.TrimPrefix(key, ".")))
		}
	}
}

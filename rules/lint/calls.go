package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// checkCalls checks calls of functions that rules see: when they are made, and their
// arguments.
func (f *file) checkCalls() {
	for _, c := range f.calls {
		if c.expr.Func == nil {
			f.checkStandard(c, "string."+c.expr.Method, 1)
			continue
		}
		path := f.pathOf(c.expr.Func)
		if it := luabind.Lookup(path); it != nil && it.Func {
			f.checkCall(c, it)
			continue
		}
		switch path {
		case "require":
			f.checkRequire(c)
		case "":
			f.checkDot(c)
		default:
			f.checkStandard(c, path, 0)
		}
	}
}

func (f *file) checkCall(c *call, it *luabind.Symbol) {
	at := f.start(c.expr)
	if handling := c.fn.inHandler(); handling || c.fn == f.top && f.module == "" {
		if m, wrong := it.WrongPhase(handling); wrong {
			f.mistake(codePhase, at, m)
			return
		}
	}
	args := c.expr.Args
	given, more := len(args), false
	if given > 0 && multiple(args[given-1]) {
		given, more = given-1, true
	}
	if given > len(it.Params) {
		f.mistake(codeCount, f.start(args[len(it.Params)]), it.TooManyArguments(given))
		return
	}
	if it.When == luabind.Loading {
		return // loading has checked the arguments
	}
	for i := range it.Params {
		p := &it.Params[i]
		switch {
		case i < given:
			f.checkArgument(it, p, args[i])
		case !p.Optional && !more:
			f.fail(codeCount, at, "usage: "+it.Signature(), "%s: %s is missing", it.Name, p.Name)
			return
		}
	}
	switch it.Name {
	case "chert.mark_read":
		f.checkMarkRead(c)
	case "chert.postpone":
		f.checkPostpone(c)
	case "chert.set_timer", "chert.cancel_timer":
		if worst, typ := worstOf(c.fn.contexts, "ev.chat"); worst == never {
			f.fail(codeNil, at, "store it in kv, and check it in chert.every", "%s: timers belong to a chat, and a %q event has none", it.Name, typ)
		}
	case "data.load":
		f.checkData(c)
	}
}

// checkMarkRead checks the options of a read together.
func (f *file) checkMarkRead(c *call) {
	f.checkUnseen(c)
	if len(c.expr.Args) < 2 {
		return
	}
	t := f.tableOf(c.expr.Args[1])
	if t == nil {
		return
	}
	if f.checkTime("chert.mark_read", t) {
		return
	}
	if f.given(t, "at_most") && !slices.ContainsFunc(t.Fields, func(field *ast.Field) bool {
		key, plain := field.Key.(*ast.StringExpr)
		return !plain || key.Value == "after" || key.Value == "at"
	}) {
		f.mistake(codeArgument, f.start(fieldOf(t, "at_most")), luabind.AtMostWithoutDelay())
	}
	if (f.given(t, "after") && !f.noDelay(fieldOf(t, "after")) || f.given(t, "at")) && c.fn.runsFor(func(r *registration) bool { return r.unnamed }) {
		f.fail(codeUnnamed, f.start(c.expr), `write the rule as chert.rule { name = "…", on = …, run = … }`,
			"a delayed read needs a rule with a name, by which a later one replaces it")
	}
}

// checkTime reports whether the options after, at and tz contradict each other.
func (f *file) checkTime(function string, t *ast.TableExpr) bool {
	switch {
	case f.given(t, "after") && f.given(t, "at"):
		f.mistake(codeArgument, f.start(t), luabind.AfterAndAt(function))
	case f.given(t, "tz") && fieldOf(t, "at") == nil:
		f.mistake(codeArgument, f.start(t), luabind.ZoneWithoutAt(function, f.typeOf(fieldOf(t, "after")) == "table"))
	default:
		return false
	}
	return true
}

// checkPostpone finds a postponement without after or at.
func (f *file) checkPostpone(c *call) {
	if len(c.expr.Args) < 2 {
		return
	}
	t := f.tableOf(c.expr.Args[1])
	if t == nil || f.checkTime("chert.postpone", t) {
		return
	}
	f.checkAnyHour(c, t)
	// Another key may be one of them, computed or misspelled.
	if !slices.ContainsFunc(t.Fields, func(field *ast.Field) bool {
		key, plain := field.Key.(*ast.StringExpr)
		return !plain || key.Value != "tz" && key.Value != "reason"
	}) {
		f.mistake(codeArgument, f.start(t), luabind.PostponeWithoutTime())
	}
}

// checkAnyHour finds a postponement to a time of day in a rule that runs at all hours:
// an event just after that time waits for a day.
func (f *file) checkAnyHour(c *call, t *ast.TableExpr) {
	e := fieldOf(t, "at")
	if e == nil || !c.fn.runsFor(func(r *registration) bool { return r.anyHour }) {
		return
	}
	at, ok := f.constOf(e).(string)
	if _, err := luabind.ParseOpening(at, nil); !ok || err != nil {
		return
	}
	if _, err := luabind.ParseWindow(at, nil); err == nil {
		return // a window: nothing is postponed within it
	}
	for _, other := range f.calls {
		if other.expr.Func == nil {
			continue
		}
		if path := f.pathOf(other.expr.Func); path == "chert.within" || path == "chert.date" || path == "chert.now" {
			return // the rule may check the time itself
		}
	}
	f.warn(codeAnyHour, f.start(e), `write a window, in which nothing is postponed: at = "Mon-Fri 09:00-17:30"; or add outside = … to the rule`,
		"chert.postpone: the rule runs at all hours, and just after %q reads wait until the next such time", at)
}

// noDelay reports whether a value is a duration of 0.
func (f *file) noDelay(e ast.Expr) bool {
	d, ok, err := luabind.DurationOf(f.constOf(e))
	return ok && err == nil && d == 0
}

// given reports whether a key certainly has a value.
func (f *file) given(t *ast.TableExpr, key string) bool {
	v := fieldOf(t, key)
	return v != nil && f.typeOf(v) != "" && f.typeOf(v) != "nil"
}

func (f *file) checkData(c *call) {
	if len(c.expr.Args) == 0 {
		return
	}
	name, ok := f.constOf(c.expr.Args[0]).(string)
	known := f.pack.tried.DataNames()
	if !ok || slices.Contains(known, name) {
		return
	}
	hint := diag.DidYouMean("", name, known)
	if hint == "" {
		bare := name
		for _, ending := range []string{".yaml", ".txt", ".csv"} {
			bare = strings.TrimSuffix(bare, ending)
		}
		hint = "data.load reads data/" + bare + ".yaml, .txt or .csv in the pack's folder"
		if bare != name {
			hint = "omit the extension: " + hint
		}
	}
	f.fail(codeMissing, f.start(c.expr.Args[0]), hint, "there is no data %q", name)
}

func (f *file) checkRequire(c *call) {
	if len(c.expr.Args) == 0 {
		return
	}
	name, ok := f.constOf(c.expr.Args[0]).(string)
	if !ok {
		return
	}
	var known []string
	for i := range f.pack.tried.Files {
		if m := f.pack.tried.Files[i].Module(); m != "" {
			known = append(known, m)
		}
	}
	if !slices.Contains(known, name) {
		f.mistake(codeMissing, f.start(c.expr.Args[0]), luabind.NoModule(name, known))
	}
}

// checkDot finds s.find(…) where s:find(…) was meant.
func (f *file) checkDot(c *call) {
	get, ok := c.expr.Func.(*ast.AttrGetExpr)
	if !ok {
		return
	}
	key, ok := get.Key.(*ast.StringExpr)
	if !ok || f.typeOf(get.Object) != "string" {
		return
	}
	object := f.pathOf(get.Object)
	if !slices.Contains(luabind.Fields("string"), key.Value) {
		f.fail(codeField, f.at[get.Key], stringHint(key.Value), "strings have no function %s", key.Value)
		return
	}
	// s.find(s, …) is correct: only a call that certainly lacks the string is wrong.
	if object == "" || len(c.expr.Args) > 0 && (f.pathOf(c.expr.Args[0]) == object || f.constOf(c.expr.Args[0]) == nil) {
		return
	}
	f.fail(codeColon, f.at[get.Key], fmt.Sprintf("write %s:%s(…), with a colon", object, key.Value), "%s.%s was called with a dot", object, key.Value)
}

// arity is how many arguments a function of Lua takes. most is -1 if there is no
// limit.
type arity struct{ least, most int }

// standardArity has the functions for which a missing argument is always an error.
var standardArity = map[string]arity{
	"string.byte": {1, 3}, "string.find": {2, 4}, "string.format": {1, -1}, "string.gmatch": {2, 2}, "string.gsub": {3, 4},
	"string.len": {1, 1}, "string.lower": {1, 1}, "string.match": {2, 3}, "string.rep": {2, 2}, "string.reverse": {1, 1},
	"string.sub": {2, 3}, "string.upper": {1, 1},
	"table.concat": {1, 4}, "table.insert": {2, 3}, "table.remove": {1, 2}, "table.sort": {1, 2},
	"math.abs": {1, 1}, "math.ceil": {1, 1}, "math.floor": {1, 1}, "math.fmod": {2, 2}, "math.max": {1, -1}, "math.min": {1, -1},
	"math.pow": {2, 2}, "math.random": {0, 2}, "math.sqrt": {1, 1},
	"ipairs": {1, 1}, "pairs": {1, 1}, "pcall": {1, -1}, "rawget": {2, 2}, "rawset": {3, 3}, "select": {1, -1},
	"setmetatable": {2, 2}, "tonumber": {1, 2}, "tostring": {1, 1}, "type": {1, 1}, "unpack": {1, 3},
}

// checkStandard checks a call of one of Lua's functions. before is 1 for a call with a
// colon, whose first argument is the string before it.
func (f *file) checkStandard(c *call, path string, before int) {
	if before == 1 && f.typeOf(c.expr.Receiver) != "string" {
		return
	}
	name, known := path, standardArity[path]
	if known == (arity{}) {
		return
	}
	args := c.expr.Args
	given, more := len(args)+before, false
	if len(args) > 0 && multiple(args[len(args)-1]) {
		given, more = given-1, true
	}
	at := f.start(c.expr)
	switch {
	case given < known.least && !more:
		f.fail(codeCount, at, "", "%s takes %s, got %s", name, numbered(known.least, known.most), arguments(given))
	case known.most >= 0 && given > known.most:
		extra := args[known.most-before]
		if name == "table.insert" {
			f.fail(codeCount, f.start(extra), "", "%s takes %s, got %s", name, numbered(known.least, known.most), arguments(given))
			return
		}
		f.warn(codeCount, f.start(extra), "Lua ignores the extra arguments", "%s takes %s, got %s", name, numbered(known.least, known.most), arguments(given))
	}
	f.checkLuaPattern(name, args, before)
}

func numbered(least, most int) string {
	switch {
	case most == least:
		return arguments(least)
	case most < 0:
		return "at least " + arguments(least)
	}
	return fmt.Sprintf("%d to %s", least, arguments(most))
}

func arguments(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

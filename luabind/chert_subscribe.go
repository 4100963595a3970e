package luabind

import (
	"fmt"
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// chertOn is chert.on(type, [where,] fn).
func chertOn(vm *VM, L *lua.LState) int {
	const name = "chert.on"
	types, ok := stringList(L.Get(1))
	if !ok {
		wrong(L, name, "", 1, `a type of event, like "message.received"`)
	}
	s := Subscription{Call: name, Types: types}
	if L.GetTop() >= 3 {
		s.Where, s.Data = whereOf(L, name, L.Get(2))
		vm.subscribe(L, s, wantFunction(L, name, 3))
		return 0
	}
	fn, ok := L.Get(2).(*lua.LFunction)
	if !ok {
		raise(L, "usage: "+Lookup(name).Signature(), "%s: the handler is missing: expected a function(ev)", name)
	}
	vm.subscribe(L, s, ofFile(L, name, fn))
	return 0
}

// chertRule is chert.rule { … }.
func chertRule(vm *VM, L *lua.LState) int {
	const name = "chert.rule"
	o := wantTable(L, name, 1)
	s := Subscription{
		Call: name, Name: o.text("name"),
		During: o.text("during"), Outside: o.text("outside"), TZ: o.text("tz"),
		Cooldown: o.duration("cooldown"),
	}
	if o.get("on") == lua.LNil {
		raise(L, `add the event types: on = "message.received"`, "%s: on is missing", name)
	}
	s.Types = o.texts("on")
	if v := o.get("where"); v != lua.LNil {
		s.Where, s.Data = whereOf(L, name, v)
	}
	if v := o.get("sample"); v != lua.LNil {
		n, ok := v.(lua.LNumber)
		if !ok || !(n > 0 && n <= 1) {
			o.wrong("sample", "a share of the chats above 0 and up to 1, like 0.1")
		}
		s.Sample = float64(n)
	}
	s.NotOn = o.calendar("not_on")
	if o.get("max_age") != lua.LNil {
		if s.MaxAge = o.duration("max_age"); s.MaxAge == 0 {
			raise(L, `for example max_age = "6h"`, "%s: max_age must be greater than 0", name)
		}
	}
	if s.During != "" && s.Outside != "" {
		raise(L, "keep one; a window may have several spans: \"09:00-12:00,13:00-17:00\"", "%s: during and outside exclude each other", name)
	}
	fn, ok := o.get("run").(*lua.LFunction)
	if !ok {
		if o.get("run") == lua.LNil {
			raise(L, "add the handler: run = function(ev) … end", "%s: run is missing", name)
		}
		o.wrong("run", "a function(ev)")
	}
	vm.subscribe(L, s, ofFile(L, name, fn))
	return 0
}

// chertEvery is chert.every(schedule, [options,] fn).
func chertEvery(vm *VM, L *lua.LState) int {
	const name = "chert.every"
	s := Subscription{Call: name}
	switch v := L.Get(1).(type) {
	case lua.LString:
		s.Every = string(v)
	case lua.LNumber:
		s.Every = numberText(v)
	}
	if s.Every == "" {
		wrong(L, name, "", 1, scheduleForms)
	}
	if fn, ok := L.Get(2).(*lua.LFunction); ok && L.GetTop() == 2 {
		vm.subscribe(L, s, ofFile(L, name, fn))
		return 0
	}
	o := wantTable(L, name, 2)
	s.Name, s.TZ, s.Missed = o.text("name"), o.text("tz"), o.text("missed")
	vm.subscribe(L, s, wantFunction(L, name, 3))
	return 0
}

// whereOf returns the conditions of a where as data, and the sources of those that
// come from data.load or config. The Registrar checks the conditions.
func whereOf(L *lua.LState, function string, v lua.LValue) (map[string]any, map[string]string) {
	t, ok := v.(*lua.LTable)
	if !ok {
		raise(L, `write a table: { is_group = false }`, "%s: where must be a table, got %s", function, described(v))
	}
	r := goReader{L: L, values: maxJSONValues, bytes: math.MaxInt, shared: true}
	data, err := r.value(v)
	if err != nil {
		hint := ""
		if r.values < 0 {
			hint = fmt.Sprintf("a where may have %d values: put a longer list into a file in data/, and pass what data.load returns", maxJSONValues)
		}
		raise(L, hint, "%s: where: %v", function, err)
	}
	fields, ok := data.(map[string]any)
	if !ok && len(data.([]any)) > 0 {
		raise(L, `name each condition: { text = "code" }`, "%s: where is a list, not conditions by name", function)
	}
	if fields == nil {
		fields = map[string]any{}
	}
	loaded := map[string]string{}
	loadedIn(t, "where", loaded)
	return fields, loaded
}

// loadedIn adds the sources of the values in a where that come from data.load or
// config. The table contains no cycle: it has been converted to data.
func loadedIn(t *lua.LTable, path string, loaded map[string]string) {
	t.ForEach(func(k, v lua.LValue) {
		at := path + "." + k.String()
		if _, isItem := k.(lua.LNumber); isItem {
			at = path + "[" + k.String() + "]"
		}
		if inner, ok := v.(*lua.LTable); ok {
			if strings.HasPrefix(at, "where.except") {
				loadedIn(inner, at, loaded)
			}
			return
		}
		if t, ok := asView(v); ok {
			if c, ok := t.(*constant); ok {
				loaded[at] = c.name
			}
		}
	})
}

// ofFile returns a handler that is a Lua function. It refuses library functions,
// which have no line and take no event.
func ofFile(L *lua.LState, function string, fn *lua.LFunction) *lua.LFunction {
	if fn.IsG {
		raise(L, "wrap it: function(ev) … end", "%s: the handler must be a function of the file, not a library's", function)
	}
	return fn
}

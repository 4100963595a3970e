package luabind

import (
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// lockedKey is the field of the metatable of a locked table that holds the table
// that it shows.
//
// Scripts see the table env as _G. It is a locked table: always empty, so that its
// metatable handles every global that is read or set. While files load, both go to
// the table globals; afterwards setting a global is an error. Library tables are
// locked too, and shared by all VMs. Scripts can't get at the metatables, which have
// a __metatable.
const lockedKey = "(locked)"

// lockedMark is the result of getmetatable for a locked table.
const lockedMark = lua.LString("locked")

// openGlobals makes the tables of a new VM and adds the libraries.
func (vm *VM) openGlobals() {
	L := vm.L
	vm.globals = L.CreateTable(0, 64)
	for name, v := range standard().globals {
		vm.globals.RawSetString(name, v)
	}
	undefined := L.CreateTable(0, 1)
	undefined.RawSetString("__index", goFunction(undefinedGlobal))
	vm.globals.Metatable = undefined

	vm.env = &lua.LTable{Metatable: lock(vm.globals, vm.globals)}
	vm.globals.RawSetString("_G", vm.env)
	L.Env, L.G.Global = vm.env, vm.env
	L.SetMetatable(lua.LString(""), standard().stringMeta)
}

// lockGlobals ends loading: no global can be set any more.
func (vm *VM) lockGlobals() {
	vm.env.Metatable = lock(vm.globals, goFunction(setGlobalLate))
}

// setGlobal defines a global for every file, before they load.
func (vm *VM) setGlobal(name string, v lua.LValue) { vm.globals.RawSetString(name, v) }

// lock returns the metatable of a locked table that shows another table.
func lock(shown *lua.LTable, newindex lua.LValue) *lua.LTable {
	mt := &lua.LTable{Metatable: lua.LNil}
	mt.RawSetString("__index", shown)
	mt.RawSetString("__newindex", newindex)
	mt.RawSetString("__metatable", lockedMark)
	mt.RawSetString(lockedKey, shown)
	return mt
}

// library returns a read-only table of functions and values. Setting a field is an
// error. If strict, reading a field that does not exist is an error too, with the
// nearest name as its hint.
func library(name string, fields map[string]lua.LValue, strict bool) *lua.LTable {
	shown := &lua.LTable{Metatable: lua.LNil}
	names := make([]string, 0, len(fields))
	for field := range fields {
		names = append(names, field)
	}
	slices.Sort(names) // pairs gives the order of setting
	for _, field := range names {
		shown.RawSetString(field, fields[field])
	}
	if strict {
		mt := &lua.LTable{Metatable: lua.LNil}
		mt.RawSetString("__index", goFunction(func(L *lua.LState) int {
			raiseMistake(L, NoMember(name, toText(L, L.Get(2)), names))
			return 0
		}))
		shown.Metatable = mt
	}
	refuse := goFunction(func(L *lua.LState) int {
		raiseMistake(L, LibrarySet(name, toText(L, L.Get(2))))
		return 0
	})
	return &lua.LTable{Metatable: lock(shown, refuse)}
}

// functions returns Go functions as fields for library.
func functions(fns map[string]lua.LGFunction) map[string]lua.LValue {
	fields := make(map[string]lua.LValue, len(fns))
	for name, fn := range fns {
		fields[name] = goFunction(fn)
	}
	return fields
}

func goFunction(fn lua.LGFunction) *lua.LFunction {
	return &lua.LFunction{IsG: true, GFunction: fn}
}

// shownBy returns the table that a locked table shows, or nil if t is not locked.
func shownBy(t *lua.LTable) *lua.LTable {
	mt, ok := t.Metatable.(*lua.LTable)
	if !ok || mt.RawGetString("__metatable") != lua.LValue(lockedMark) {
		return nil
	}
	shown, _ := mt.RawGetString(lockedKey).(*lua.LTable)
	return shown
}

// undefinedGlobal raises the error of reading a global that is not defined.
func undefinedGlobal(L *lua.LState) int {
	vm := vmOf(L)
	name, ok := L.Get(2).(lua.LString)
	if !ok {
		L.Push(lua.LNil)
		return 1
	}
	raiseMistake(L, NotDefined(string(name), GlobalHint(string(name), vm.globalNames())))
	return 0
}

// setGlobalLate raises the error of setting a global after loading.
func setGlobalLate(L *lua.LState) int {
	raiseMistake(L, GlobalSet(toText(L, L.Get(2))))
	return 0
}

// globalNames returns the defined globals, sorted.
func (vm *VM) globalNames() []string {
	var names []string
	for _, key := range keysOf(vm.globals) {
		if s, ok := key.(lua.LString); ok && vm.globals.RawGetString(string(s)) != lua.LNil && !strings.HasPrefix(string(s), "_") {
			names = append(names, string(s))
		}
	}
	slices.Sort(names)
	return names
}

// missing has hints for globals that people expect and rules don't have.
var missing = map[string]string{
	"null": "write nil", "None": "write nil", "NULL": "write nil", "undefined": "write nil",
	"True": "write true", "False": "write false",
	"os":    "rules have no os: the time is chert.now(), dates are chert.date(format)",
	"io":    "rules do no input or output: use log for messages, data.load for files of the pack",
	"debug": "rules have no debug library: use log", "coroutine": "rules have no coroutines: to continue later, use chert.set_timer",
	"load": "rules can't compile strings", "loadstring": "rules can't compile strings",
	"dofile": "use require for files in lib/", "loadfile": "use require for files in lib/", "module": "return a table from the file in lib/",
	"package": "use require for files in lib/", "collectgarbage": "memory is managed automatically",
	"getfenv": "rules have no environments", "setfenv": "rules have no environments", "newproxy": "use setmetatable",
	"event": "the handler's argument is the event, usually named ev", "ev": "only inside the handler, as its argument: function(ev) … end",
	"this": "methods get self", "console": "use log.info or print", "utf8": "rules have no utf8 library: chert.cut(s, n) returns the first letters, chert.normalize(s) the form for comparing without case",
	"bit": "rules have no bit operations", "bit32": "rules have no bit operations",
}

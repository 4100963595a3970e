package luabind

import (
	"maps"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// moduleTable holds the modules that require has loaded in one VM.
type moduleTable struct {
	loaded  map[string]lua.LValue
	loading []string // outermost first
}

// baseRequire runs a file of the pack's lib folder once, and returns its result, or
// true if it has none.
func baseRequire(L *lua.LState) int {
	vm := vmOf(L)
	name := stringArg(L, 1)
	if vm.modules == nil {
		vm.modules = &moduleTable{loaded: map[string]lua.LValue{}}
	}
	m := vm.modules
	if v, ok := m.loaded[name]; ok {
		L.Push(v)
		return 1
	}
	p := vm.cfg.Lib[name]
	if p == nil {
		names := slices.Sorted(maps.Keys(vm.cfg.Lib))
		raiseMistake(L, NoModule(name, names))
	}
	if slices.Contains(m.loading, name) {
		raise(L, "move the shared code to a third file", "module %q requires itself: %s → %s", name, strings.Join(m.loading, " → "), name)
	}
	m.loading = append(m.loading, name)
	L.Push(vm.chunk(p))
	L.Push(concatFunction)
	// If the file fails, its name stays in loading: a second try would repeat effects
	// of the first, which can't be undone.
	L.Call(1, 1)
	v := L.Get(-1)
	m.loading = m.loading[:len(m.loading)-1]
	if v == lua.LNil {
		v = lua.LTrue
	}
	m.loaded[name] = v
	L.Push(v)
	return 1
}

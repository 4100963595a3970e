package luabind

import (
	"strconv"

	lua "github.com/yuin/gopher-lua"
)

// Until their bounded versions are in: gopher-lua's own libraries.
func borrowed(open lua.LGFunction, name string, not ...string) map[string]lua.LValue {
	L := lua.NewState(lua.Options{SkipOpenLibs: true})
	open(L)
	out := map[string]lua.LValue{}
	L.GetGlobal(name).(*lua.LTable).ForEach(func(k, v lua.LValue) { out[k.String()] = v })
	for _, n := range not {
		delete(out, n)
	}
	return out
}

func stringLibrary() map[string]lua.LValue {
	return borrowed(lua.OpenString, "string", "dump", "__index")
}
func tableLibrary() map[string]lua.LValue { return borrowed(lua.OpenTable, "table") }
func mathLibrary() map[string]lua.LValue  { return borrowed(lua.OpenMath, "math", "randomseed") }

type random struct{ state uint64 }

func (r *random) seed(s uint64) { r.state = s }

func (vm *VM) keep() {}

func formatG(f float64, prec int, _ bool) string { return strconv.FormatFloat(f, 'g', prec, 64) }

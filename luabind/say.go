package luabind

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// say logs a line of a script, within its quota: it goes to Config.Print while
// loading, to the call's Effects in a handler. Long lines are cut.
func (vm *VM) say(L *lua.LState, level, msg string, fields map[string]any) {
	msg = legibleLine(msg)
	size := len(msg) + sizeOf(fields)
	charge(L, 20+logSteps*size, size)
	m := &vm.meter
	m.logged += size
	if m.logged > maxLogged {
		m.prints = max(m.prints, maxPrints) // this line and all after it are beyond
	}
	if m.prints++; m.prints > maxPrints {
		if m.prints > maxPrints+1 {
			return
		}
		level, msg, fields = "warn", fmt.Sprintf("more than %d lines or %d KiB logged: the rest is dropped", maxPrints, maxLogged>>10), nil
	}
	switch {
	case vm.call != nil:
		vm.call.Effects.Log(level, msg, fields)
	case vm.cfg.Print != nil:
		vm.cfg.Print(level, msg, fields)
	}
}

// sizeOf is about how many bytes a line's fields are.
func sizeOf(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		n := 0
		for _, e := range v {
			n += 8 + sizeOf(e)
		}
		return n
	case map[string]any:
		n := 0
		for k, e := range v {
			n += 8 + len(k) + sizeOf(e)
		}
		return n
	}
	return 8
}

package luabind

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// say logs a line of a script, within its quota: it goes to Config.Print while
// loading, to the call's Effects in a handler. Long lines are cut.
func (vm *VM) say(L *lua.LState, level, msg string, fields map[string]any) {
	charge(L, 20, len(msg))
	m := &vm.meter
	if m.prints++; m.prints > maxPrints {
		if m.prints > maxPrints+1 {
			return
		}
		level, msg, fields = "warn", fmt.Sprintf("more than %d lines: the rest is dropped", maxPrints), nil
	}
	msg = cut(msg)
	switch {
	case vm.call != nil:
		vm.call.Effects.Log(level, msg, fields)
	case vm.cfg.Print != nil:
		vm.cfg.Print(level, msg, fields)
	}
}

package luabind

import lua "github.com/yuin/gopher-lua"

// bound is what the modules keep of the call that runs.
type bound struct{}

// installModules gives a VM the modules rules see.
func installModules(vm *VM) {}

// newEvent is the handler's argument.
func newEvent(vm *VM, c *Call) lua.LValue { return lua.LNil }

// finishEvent hands over what the handler left, after it went well.
func finishEvent(vm *VM, L *lua.LState) error { return nil }

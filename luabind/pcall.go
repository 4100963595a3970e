package luabind

import (
	"errors"

	lua "github.com/yuin/gopher-lua"
)

// pcall and xpcall run their function on a separate Lua thread. On the caller's
// thread, gopher-lua would close the upvalues of every frame when an error is raised,
// also of the frames that continue after it is caught: their closures and their
// locals would then be different variables (gopher-lua issue 448). After a panic of
// Go code it would close none, and closures would refer to registers that are reused.
//
// Threads are reused, because one costs 20 KB. A thread that failed by a panic of Go
// code is dropped.

func basePcall(L *lua.LState) int {
	if L.GetTop() == 0 {
		argError(L, 1, "value expected")
	}
	th, err := vmOf(L).protected(L, 1)
	if err != nil {
		L.Push(lua.LFalse)
		L.Push(errorValue(err))
		return 2
	}
	return give(L, th)
}

// maxHandlerErrors is the maximum number of errors in the handler of xpcall, equal to
// the limit of nested C calls in Lua 5.1.
const maxHandlerErrors = 200

// baseXpcall calls its handler after the failed function has returned. A traceback
// would be empty, but rules have no debug.traceback.
func baseXpcall(L *lua.LState) int {
	handle := L.Get(2)
	if L.GetTop() < 2 {
		argError(L, 2, "value expected")
	}
	fn := L.Get(1)
	L.SetTop(0)
	L.Push(handle)
	L.Push(fn)
	th, err := vmOf(L).protected(L, 2)
	if err != nil {
		// The handler also handles its own errors, up to a limit.
		for n := 0; err != nil; n++ {
			if n == maxHandlerErrors {
				L.Push(lua.LFalse)
				L.Push(lua.LString("error in error handling"))
				return 2
			}
			value := errorValue(err)
			L.SetTop(0)
			L.Push(handle)
			L.Push(value)
			th, err = vmOf(L).protected(L, 1)
		}
		L.Push(lua.LFalse)
		L.Push(th.Get(1)) // the first value only, as in Lua
		th.SetTop(0)
		vmOf(L).giveBack(th)
		return 2
	}
	return give(L, th)
}

// protected calls the value at index n on another thread, with the values above it as
// arguments. It returns the thread with the results, or nil and an error. It does not
// catch an overrun, but raises it again.
func (vm *VM) protected(L *lua.LState, n int) (*lua.LState, error) {
	if len(vm.running) >= maxPcall {
		L.RaiseError("stack overflow: pcall nests more than %d deep", maxPcall)
	}
	charge(L, 10, 0)
	th := vm.borrow(L)
	th.Push(vm.enter)
	for i := n; i <= L.GetTop(); i++ {
		th.Push(L.Get(i))
	}
	vm.running = append(vm.running, th)
	err := th.PCall(L.GetTop()-n+1, lua.MultRet, nil)
	vm.running = vm.running[:len(vm.running)-1]
	th.Context().(*thread).chargeGrowth()
	if vm.meter.trip != "" {
		L.RaiseError("%s", overrun(vm.meter.trip).Error())
	}
	if err == nil {
		return th, nil
	}
	var ae *lua.ApiError
	if errors.As(err, &ae) && ae.Type == lua.ApiErrorPanic {
		vm.broken = "a library function failed"
		return nil, err
	}
	charge(L, 100, 500+lengthOf(errorValue(err))) // for unwinding, and the message
	vm.giveBack(th)
	return nil, err
}

// give pushes true and the results of a call, which it moves from its thread.
func give(L, th *lua.LState) int {
	vm := vmOf(L)
	n := th.GetTop()
	charge(L, n/16, 0)
	L.Push(lua.LTrue)
	for i := 1; i <= n; i++ {
		L.Push(th.Get(i))
	}
	th.SetTop(0)
	vm.giveBack(th)
	return n + 1
}

const (
	// maxIdle is the maximum number of threads that wait for the next pcall.
	maxIdle = 4
	// maxIdleRegisters is the maximum number of registers of such a thread.
	maxIdleRegisters = 2048
)

func (vm *VM) borrow(L *lua.LState) *lua.LState {
	if n := len(vm.idle); n > 0 {
		th := vm.idle[n-1]
		vm.idle = vm.idle[:n-1]
		return th
	}
	if len(vm.running) >= maxIdle {
		// The first maxIdle threads are reused. They are not charged, so that the charge
		// does not depend on whether they exist.
		charge(L, 200, 24<<10)
	}
	// NewThread would derive a context, with a goroutine, from that of the parent. So
	// the parent has none while it makes the thread.
	ctx := vm.L.RemoveContext()
	th, _ := vm.L.NewThread()
	vm.L.SetContext(ctx)
	th.Env = vm.env
	newThread(vm, th, maxIdleRegisters)
	return th
}

// giveBack returns an empty thread for reuse, unless its registers have grown.
func (vm *VM) giveBack(th *lua.LState) {
	if array, _ := registers(th); len(vm.idle) < maxIdle && len(array) <= maxIdleRegisters {
		vm.idle = append(vm.idle, th)
	}
}

// errorValue returns the value with which a script catches an error.
func errorValue(err error) lua.LValue {
	var ae *lua.ApiError
	if errors.As(err, &ae) {
		if ae.Type == lua.ApiErrorPanic {
			return lua.LString("a library function failed")
		}
		return ae.Object
	}
	return lua.LString(err.Error())
}

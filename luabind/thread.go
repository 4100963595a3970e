package luabind

import (
	"context"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// thread is the context of one Lua thread. It replaces the context that gopher-lua
// would derive, with a goroutine, for each thread.
type thread struct {
	vm *VM
	m  *meter
	L  *lua.LState

	registers int   // number of registers that have been charged
	open      int   // number of open upvalues at the last check
	refused   error // raised once, in place of an instruction that must not run
	hidden    hidden
}

var _ context.Context = (*thread)(nil)

func newThread(vm *VM, L *lua.LState, free int) *thread {
	t := &thread{vm: vm, m: &vm.meter, L: L, registers: free}
	L.SetContext(t)
	return t
}

// chargeGrowth charges for registers beyond those that a thread may retain between
// calls, so that the charge of a call does not depend on earlier calls.
func (t *thread) chargeGrowth() {
	if array, _ := registers(t.L); len(array) > t.registers {
		// They have grown by RegistryGrowStep at a time, copied each time.
		t.m.take(t, int64(len(array)*len(array)-t.registers*t.registers)/int64(2*stateOptions.RegistryGrowStep)*16)
		t.registers = len(array)
	}
}

// Done charges for the instruction that is about to run and what it allocates. It
// returns nil, or a closed channel if the instruction must not run.
func (t *thread) Done() <-chan struct{} {
	m := t.m
	m.left--
	f := topFrame(t.L)
	inst := f.fn().Proto.Code[f.pc()-1]
	if chargedByOperands[inst>>26] {
		if m.chargeOperands(t, f, inst); t.refused != nil {
			return tripped
		}
	}
	if m.left < m.nextCheck {
		m.checkLimits(t)
		if m.trip != "" {
			return tripped
		}
	}
	return nil
}

// Err returns the error that gopher-lua raises when Done is closed.
func (t *thread) Err() error {
	if t.m.trip == "" {
		err := t.refused
		t.refused = nil
		return err
	}
	return overrun(t.m.trip)
}

func (t *thread) Deadline() (time.Time, bool) { return time.Time{}, false }
func (t *thread) Value(any) any               { return nil }

// place returns the current line of Lua.
func (t *thread) place() place {
	f := topFrame(t.L).luaFrame()
	if f.p == nil {
		return place{}
	}
	return place{f.fn().Proto.SourceName, f.line()}
}

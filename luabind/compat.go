package luabind

import lua "github.com/yuin/gopher-lua"

// Two instructions of gopher-lua differ from Lua 5.1. The meter sees them and their
// operands before they run, and corrects them.

// readBounds converts the bounds of a loop that are strings to numbers, as Lua does;
// gopher-lua raises an error. It writes registers of the loop that no script can
// read. It returns the cost in steps.
func (t *thread) readBounds(f frame, a int) int {
	array, _ := registers(t.L)
	steps := 0
	for i := f.base() + a; i <= f.base()+a+2 && i < len(array); i++ {
		if s, ok := array[i].(lua.LString); ok {
			steps += len(s) / 16
			if n, ok := parseNumber(string(s)); ok {
				array[i] = n
			}
		}
	}
	return steps
}

// hidden is a table whose metatable is removed for one instruction.
type hidden struct {
	table *lua.LTable
	meta  lua.LValue
}

// hideLen makes # return the length of a table whose metatable has a __len: Lua 5.1
// uses __len only for userdata. Without a metatable # runs no other code, so the next
// instruction is one of the same thread. It runs checkLimits, which restores the
// metatable.
func (t *thread) hideLen(tb *lua.LTable) {
	if metaOf(tb, "__len") == lua.LNil || t.m.trip != "" {
		return
	}
	t.hidden = hidden{tb, tb.Metatable}
	tb.Metatable = lua.LNil
	t.m.nextCheck = t.m.left
}

func (t *thread) showHidden() {
	if t.hidden.table != nil {
		t.hidden.table.Metatable = t.hidden.meta
		t.hidden = hidden{}
	}
}

package luabind

import lua "github.com/yuin/gopher-lua"

// Two instructions do what Lua 5.1 does not. The meter sees them before they
// run, on which operands, and helps them.

// readBounds turns strings that are a loop's bounds into the numbers they are
// in Lua, where gopher-lua raises an error. The loop's own registers are written,
// which no script sees. It returns the steps this costs.
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

// hidden is a table whose metatable is out of sight for one instruction.
type hidden struct {
	table *lua.LTable
	meta  lua.LValue
}

// hideLen makes # give a table's length though its metatable has a __len, of
// which Lua 5.1 asks strings and userdata only. Without a metatable # runs no
// other code, so the next instruction is of the same thread: it looks closer,
// and there the metatable is put back.
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

package luabind

import (
	"fmt"
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"
)

// view is the Value of a userdata that rules use as a read-only table:
// ev and its parts, config, what data.load gives. Lua 5.1 has no __pairs, so
// whatever walks tables (pairs, next, ipairs, table.concat, unpack,
// json.encode, print) asks for this interface too; fields and # work by the
// userdata's metatable.
//
// Nothing here runs Lua code. A view belongs to the VM that made it.
type view interface {
	// index gives the field's value, LNil where it has none. It raises an
	// error for a name that no such value can have.
	index(L *lua.LState, key lua.LValue) lua.LValue
	// next gives the key and value that follow key, in a fixed order; LNil as
	// key begins, and is given at the end. It raises an error for a key the
	// value does not have.
	next(L *lua.LState, key lua.LValue) (lua.LValue, lua.LValue)
	// length is what # gives.
	length() int
	// list reports whether the keys are 1 to length.
	list() bool
	retainer
	// label names the value for errors and tostring: "ev.chat".
	label() string
}

// asView is v's view, if v is such a userdata.
func asView(v lua.LValue) (view, bool) {
	ud, ok := v.(*lua.LUserData)
	if !ok {
		return nil, false
	}
	t, ok := ud.Value.(view)
	return t, ok
}

// viewText is what tostring gives of a view: its label, if it has no more
// to say.
func viewText(t view) string {
	if s, ok := t.(fmt.Stringer); ok {
		return s.String()
	}
	return t.label()
}

// viewMeta is the metatable of every view userdata, of all VMs.
var viewMeta = sync.OnceValue(func() *lua.LTable {
	mt := &lua.LTable{Metatable: lua.LNil}
	mt.RawSetString("__index", goFunction(func(L *lua.LState) int {
		charge(L, 2, 32)
		t, _ := asView(L.Get(1))
		L.Push(t.index(L, L.Get(2)))
		return 1
	}))
	mt.RawSetString("__newindex", goFunction(func(L *lua.LState) int {
		t, _ := asView(L.Get(1))
		if ev, ok := t.(*eventView); ok && L.Get(2) == lua.LString("state") {
			ev.assignState(L, L.Get(3))
			return 0
		}
		hint := "copy it into a table of your own"
		if strings.HasPrefix(t.label(), "ev") {
			hint = "to store something for this chat, use ev.state"
		}
		raise(L, hint, "%s can't be changed", t.label())
		return 0
	}))
	mt.RawSetString("__len", goFunction(func(L *lua.LState) int {
		t, _ := asView(L.Get(1))
		L.Push(lua.LNumber(t.length()))
		return 1
	}))
	mt.RawSetString("__metatable", lockedMark)
	return mt
})

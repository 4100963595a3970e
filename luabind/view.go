package luabind

import (
	"fmt"
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"
)

// view is the Value of a userdata that rules read like a table: ev and its parts,
// config, lists, and the results of data.load. Lua 5.1 has no __pairs, so each function that
// walks tables (pairs, next, ipairs, table.concat, unpack, json.encode, print)
// handles views too. Fields and # work through the metatable of the userdata.
//
// The methods run no Lua code. A view belongs to the VM that made it.
type view interface {
	// index returns the value of a field, or LNil if it has none. It raises an error
	// for a name that no such view has.
	index(L *lua.LState, key lua.LValue) lua.LValue
	// next returns the key and value after key, in a fixed order. The walk begins
	// with LNil and ends when next returns LNil. It raises an error for a key that
	// the view does not have.
	next(L *lua.LState, key lua.LValue) (lua.LValue, lua.LValue)
	// length returns the result of #.
	length() int
	// list reports whether the keys are 1 to length.
	list() bool
	retainer
	// label returns the name of the view for errors and tostring: "ev.chat".
	label() string
}

// asView returns the view of a userdata.
func asView(v lua.LValue) (view, bool) {
	ud, ok := v.(*lua.LUserData)
	if !ok {
		return nil, false
	}
	t, ok := ud.Value.(view)
	return t, ok
}

// viewText returns the result of tostring for a view: its String, or else its label.
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
		if _, ok := t.(*memberList); ok {
			hint = "operators change it: chertd list"
		}
		if strings.HasPrefix(t.label(), "ev") {
			hint = "to store something for this chat, use ev.state"
		}
		raise(L, hint, "%s can't be changed", t.label())
		return 0
	}))
	mt.RawSetString("__len", goFunction(func(L *lua.LState) int {
		t, _ := asView(L.Get(1))
		if m, ok := t.(*memberList); ok {
			m.refuse(L)
		}
		L.Push(lua.LNumber(t.length()))
		return 1
	}))
	mt.RawSetString("__metatable", lockedMark)
	return mt
})

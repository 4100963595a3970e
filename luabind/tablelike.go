package luabind

import lua "github.com/yuin/gopher-lua"

// tablelike is the Value of a userdata that rules use as a read-only table:
// ev and its parts, config, what data.load gives. Lua 5.1 has no __pairs, so
// whatever walks tables (pairs, next, ipairs, table.concat, unpack,
// json.encode, print) asks for this interface too; fields and # work by the
// userdata's metatable.
//
// Nothing here runs Lua code. A tablelike belongs to the VM that made it.
type tablelike interface {
	// index gives the field's value, LNil where it has none. It raises an
	// error for a name that no such value can have.
	index(L *lua.LState, key lua.LValue) lua.LValue
	// next gives the key and value that follow key, in a fixed order; LNil as
	// key begins, and is given at the end. It raises an error for a key the
	// value does not have.
	next(L *lua.LState, key lua.LValue) (lua.LValue, lua.LValue)
	// length is what # gives.
	length() int
	// label names the value for errors and tostring: "ev.chat".
	label() string
}

// asTablelike is v's tablelike, if v is such a userdata.
func asTablelike(v lua.LValue) (tablelike, bool) {
	ud, ok := v.(*lua.LUserData)
	if !ok {
		return nil, false
	}
	t, ok := ud.Value.(tablelike)
	return t, ok
}

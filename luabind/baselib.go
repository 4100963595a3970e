package luabind

import (
	"fmt"
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"
)

// standardLibrary holds Lua's own globals. It is made once and shared by all VMs.
// Nothing writes to it.
type standardLibrary struct {
	globals    map[string]lua.LValue
	stringMeta *lua.LTable // of all strings
}

// standard returns the standard library. It is an allow-list, which leaves out load,
// loadstring, dofile, loadfile, module, collectgarbage, newproxy, getfenv, setfenv,
// _printregs, string.dump, math.randomseed, os, io, debug, channel and coroutine.
var standard = sync.OnceValue(func() *standardLibrary {
	s := &standardLibrary{globals: functions(map[string]lua.LGFunction{
		"assert": baseAssert, "error": baseError, "getmetatable": baseGetMetatable, "ipairs": baseIpairs,
		"next": baseNext, "pairs": basePairs, "pcall": basePcall, "print": basePrint, "rawequal": baseRawEqual,
		"rawget": baseRawGet, "rawset": baseRawSet, "require": baseRequire, "select": baseSelect,
		"setmetatable": baseSetMetatable, "tonumber": baseToNumber, "tostring": baseToString, "type": baseType,
		"unpack": baseUnpack, "xpcall": baseXpcall,
	})}
	s.globals["_VERSION"] = lua.LString("Lua 5.1")
	str := stringLibrary()
	s.globals["string"] = library("string", str, false)
	s.globals["table"] = library("table", tableLibrary(), false)
	s.globals["math"] = library("math", mathLibrary(), false)

	shown := &lua.LTable{Metatable: lua.LNil}
	for name, fn := range str {
		shown.RawSetString(name, fn)
	}
	s.stringMeta = &lua.LTable{Metatable: lua.LNil}
	s.stringMeta.RawSetString("__index", shown)
	s.stringMeta.RawSetString("__metatable", lockedMark)
	for event := range arithmetic {
		s.stringMeta.RawSetString(event, stringArithmetic(event))
	}
	return s
})

func baseAssert(L *lua.LState) int {
	if L.GetTop() == 0 {
		argError(L, 1, "value expected")
	}
	if lua.LVAsBool(L.Get(1)) {
		return L.GetTop()
	}
	if L.GetTop() < 2 {
		L.RaiseError("assertion failed!")
	}
	// Lua 5.1 puts the position before a string. It accepts no other type. Here a
	// table is raised unchanged, as in later versions.
	if lua.LVCanConvToString(L.Get(2)) {
		charge(L, 0, lengthOf(L.Get(2))+100)
		throw(L, lua.LString(whereIs(L, 1)+text(L.Get(2))))
	}
	throw(L, L.Get(2))
	return 0
}

func baseError(L *lua.LState) int {
	level := 1
	if L.Get(2) != lua.LNil {
		level = intArg(L, 2)
	}
	charge(L, 10, 0)
	charge(L, 0, lengthOf(L.Get(1))+100)
	if lua.LVCanConvToString(L.Get(1)) && level > 0 {
		// A number becomes a string, as in Lua 5.1.
		throw(L, lua.LString(whereIs(L, level)+text(L.Get(1))))
	}
	throw(L, L.Get(1))
	return 0
}

// whereIs returns "file:line: " for the function that many levels above a Go
// function, or "" if it is not a Lua function.
func whereIs(L *lua.LState, level int) string {
	f := topFrame(L)
	for ; level > 0 && f.p != nil; level-- {
		f = f.caller()
	}
	if f.p == nil || f.line() == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d: ", f.fn().Proto.SourceName, f.line())
}

func baseGetMetatable(L *lua.LState) int {
	if L.GetTop() == 0 {
		argError(L, 1, "value expected")
	}
	// The metatables of our own values are hidden: they have a __metatable.
	L.Push(L.GetMetatable(L.Get(1)))
	return 1
}

func baseSetMetatable(L *lua.LState) int {
	t := L.CheckTable(1)
	mt := L.Get(2)
	if L.GetTop() < 2 || (mt != lua.LNil && mt.Type() != lua.LTTable) {
		argError(L, 2, "nil or table expected")
	}
	if old, ok := t.Metatable.(*lua.LTable); ok && old.RawGetString("__metatable") != lua.LNil {
		L.RaiseError("cannot change a protected metatable")
	}
	t.Metatable = mt
	L.Push(t)
	return 1
}

func baseRawEqual(L *lua.LState) int {
	if L.GetTop() < 2 {
		argError(L, L.GetTop()+1, "value expected")
	}
	charge(L, lengthOf(L.Get(1))/64, 0)
	L.Push(lua.LBool(L.RawEqual(L.Get(1), L.Get(2))))
	return 1
}

func baseRawGet(L *lua.LState) int {
	t := L.CheckTable(1)
	if shown := shownBy(t); shown != nil {
		t = shown
	}
	charge(L, lengthOf(L.Get(2))/64, 0)
	L.Push(t.RawGet(L.Get(2)))
	return 1
}

func baseRawSet(L *lua.LState) int {
	t := ownTable(L, 1)
	key := L.Get(2)
	bytes, steps := growth(t, key)
	charge(L, lengthOf(key)/64+steps, bytes)
	vmOf(L).noteSuspectWrite(L, t, key, L.Get(3))
	L.RawSet(t, key, L.Get(3))
	L.Push(t)
	return 1
}

// ownTable returns a table argument that the script may change.
func ownTable(L *lua.LState, n int) *lua.LTable {
	t := L.CheckTable(n)
	if shownBy(t) != nil {
		raise(L, "use a local table of your own", "libraries and _G can't be changed this way")
	}
	if frozen(t) {
		raise(L, lateHint, "%s", errFrozen.Error())
	}
	return t
}

func baseSelect(L *lua.LState) int {
	top := L.GetTop()
	if s, ok := L.Get(1).(lua.LString); ok && s == "#" {
		L.Push(lua.LNumber(top - 1))
		return 1
	}
	n := intArg(L, 1)
	charge(L, top/16, 0)
	switch {
	case n < 0:
		n += top
		if n < 1 {
			argError(L, 1, "index out of range")
		}
		return top - n
	case n == 0:
		argError(L, 1, "index out of range")
	case n >= top:
		return 0
	}
	return top - n
}

func baseType(L *lua.LState) int {
	if L.GetTop() == 0 {
		argError(L, 1, "value expected")
	}
	if _, ok := asView(L.Get(1)); ok {
		// A view behaves like a table.
		L.Push(lua.LString("table"))
		return 1
	}
	L.Push(lua.LString(L.Get(1).Type().String()))
	return 1
}

func baseToString(L *lua.LState) int {
	if L.GetTop() == 0 {
		argError(L, 1, "value expected")
	}
	v := L.Get(1)
	if _, ok := v.(lua.LString); !ok {
		v = lua.LString(toText(L, v))
		charge(L, 1, len(v.(lua.LString))+16)
	}
	L.Push(v)
	return 1
}

func baseToNumber(L *lua.LState) int {
	if L.GetTop() == 0 {
		argError(L, 1, "value expected")
	}
	v := L.Get(1)
	base := 10
	if L.Get(2) != lua.LNil {
		base = intArg(L, 2)
		if base < 2 || base > 36 {
			argError(L, 2, "base out of range")
		}
	}
	switch v := v.(type) {
	case lua.LNumber:
		if base == 10 {
			L.Push(v)
			return 1
		}
		v2 := lua.LString(numberText(v))
		L.Push(digits(string(v2), base))
		return 1
	case lua.LString:
		charge(L, len(v)/16, 0)
		if base != 10 {
			L.Push(digits(string(v), base))
			return 1
		}
		if n, ok := parseNumber(string(v)); ok {
			L.Push(n)
			return 1
		}
	}
	L.Push(lua.LNil)
	return 1
}

func basePrint(L *lua.LState) int {
	var b strings.Builder
	for i := 1; i <= L.GetTop() && b.Len() <= maxMessage; i++ {
		if i > 1 {
			b.WriteByte('\t')
		}
		b.WriteString(toText(L, L.Get(i)))
	}
	vmOf(L).log(L, "info", b.String(), nil)
	return 0
}

// toText returns the string that tostring returns for a value. It calls __tostring,
// and raises an error if that does not return a string.
func toText(L *lua.LState, v lua.LValue) string {
	switch v := v.(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return numberText(v)
	case *lua.LTable:
		mt, _ := v.Metatable.(*lua.LTable)
		if mt == nil {
			break
		}
		if fn := mt.RawGetString("__tostring"); fn != lua.LNil {
			L.Push(fn)
			L.Push(v)
			L.Call(1, 1)
			s := L.Get(-1)
			L.Pop(1)
			switch s := s.(type) {
			case lua.LString:
				return string(s)
			case lua.LNumber:
				return numberText(s)
			}
			L.RaiseError("'tostring' must return a string to 'print'")
		}
	case *lua.LUserData:
		if t, ok := asView(v); ok {
			return viewText(t)
		}
	}
	return v.String()
}

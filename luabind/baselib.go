package luabind

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"
)

// standardLibrary is what every script sees of Lua itself. It is made once and
// shared by all VMs: nothing in it can be written, by scripts or by us.
type standardLibrary struct {
	globals    map[string]lua.LValue
	stringMeta *lua.LTable // of all strings
}

// standard is an allow-list. Not in it, on purpose: load, loadstring, dofile,
// loadfile, module, collectgarbage, newproxy, getfenv, setfenv, _printregs,
// string.dump, math.randomseed, os, io, debug, channel, coroutine.
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
	// As in Lua, the message is raised as it is, without a position.
	L.Error(L.Get(2), 0)
	return 0
}

func baseError(L *lua.LState) int {
	level := 1
	if L.Get(2) != lua.LNil {
		level = intArg(L, 2)
	}
	charge(L, 10, 0)
	if s, ok := L.Get(1).(lua.LString); ok {
		L.Error(lua.LString(whereIs(L, level)+cut(string(s))), 0)
	}
	L.Error(L.Get(1), 0)
	return 0
}

// whereIs is "file:line: " of the function that many levels above a Go function,
// or "" if that is none of Lua's.
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
	mt := L.GetMetatable(L.Get(1))
	if _, ok := L.Get(1).(*lua.LUserData); ok {
		mt = lockedMark // how values of ours work is not for scripts to change
	}
	L.Push(mt)
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
	charge(L, lengthOf(key)/64, growth(t, key))
	L.RawSet(t, key, L.Get(3))
	L.Push(t)
	return 1
}

// ownTable is a table argument that scripts may change directly.
func ownTable(L *lua.LState, n int) *lua.LTable {
	t := L.CheckTable(n)
	if shownBy(t) != nil {
		raise(L, "use a local table of your own", "libraries and _G can't be changed this way")
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
	if _, ok := asTablelike(L.Get(1)); ok {
		// What behaves like a table is one, for those who ask.
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

// parseNumber reads a number as Lua 5.1 does: decimal or 0x hexadecimal, with
// space around it. inf, nan, digits with _ and octal or binary literals, which
// Go would take, are no numbers.
func parseNumber(s string) (lua.LNumber, bool) {
	s = strings.Trim(s, " \t\n\v\f\r")
	if s == "" || len(s) > 1000 {
		return 0, false
	}
	body := strings.TrimLeft(s, "+-")
	if len(s)-len(body) > 1 {
		return 0, false
	}
	if len(body) > 2 && body[0] == '0' && (body[1] == 'x' || body[1] == 'X') {
		n, err := strconv.ParseUint(body[2:], 16, 64)
		if err != nil {
			return 0, false
		}
		if s[0] == '-' {
			return -lua.LNumber(n), true
		}
		return lua.LNumber(n), true
	}
	for i := 0; i < len(body); i++ {
		if c := body[i]; (c < '0' || c > '9') && c != '.' && c != 'e' && c != 'E' && c != '+' && c != '-' {
			return 0, false
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(n, 0) {
		return 0, false
	}
	return lua.LNumber(n), true
}

// digits reads an integer in a base; LNil if it is none.
func digits(s string, base int) lua.LValue {
	s = strings.Trim(s, " \t\n\v\f\r")
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	if base == 16 && len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		s = s[2:]
	}
	if strings.HasPrefix(s, "+") || len(s) > 1000 {
		return lua.LNil
	}
	n, err := strconv.ParseUint(s, base, 64)
	if err != nil {
		return lua.LNil
	}
	if neg {
		return -lua.LNumber(n)
	}
	return lua.LNumber(n)
}

func baseUnpack(L *lua.LState) int {
	get, length := elements(L, 1)
	i, j := 1, length
	if L.Get(2) != lua.LNil {
		i = intArg(L, 2)
	}
	if L.Get(3) != lua.LNil {
		j = intArg(L, 3)
	}
	if i > j {
		return 0
	}
	// i and j may be of opposite sign and far apart.
	if j-i < 0 || j-i >= maxResults {
		raise(L, fmt.Sprintf("at most %d; use a loop, or pass the table itself", maxResults), "too many results to unpack")
	}
	charge(L, j-i+1, 0)
	for k := i; k <= j; k++ {
		L.Push(get(k))
	}
	return j - i + 1
}

// elements reads a list argument: a table, or a value of ours that is like one.
func elements(L *lua.LState, n int) (get func(int) lua.LValue, length int) {
	if t, ok := asTablelike(L.Get(n)); ok {
		return func(i int) lua.LValue { return t.index(L, lua.LNumber(i)) }, t.length()
	}
	t := L.CheckTable(n)
	return func(i int) lua.LValue { return t.RawGet(lua.LNumber(i)) }, lengthOfTable(L, t)
}

// lengthOfTable is #t, charged.
func lengthOfTable(L *lua.LState, t *lua.LTable) int {
	if array := arrayPart(t); len(array) > 0 && array[len(array)-1] == lua.LNil {
		charge(L, len(array)/16, 0)
	}
	return t.Len()
}

func basePrint(L *lua.LState) int {
	var b strings.Builder
	for i := 1; i <= L.GetTop() && b.Len() <= maxMessage; i++ {
		if i > 1 {
			b.WriteByte('\t')
		}
		b.WriteString(toText(L, L.Get(i)))
	}
	vmOf(L).say(L, "info", b.String(), nil)
	return 0
}

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

// argError raises that an argument is not what it must be, as Lua words it.
func argError(L *lua.LState, n int, message string) {
	L.ArgError(n, message)
}

// intArg is an integer argument; numbers are truncated, as in Lua 5.1.
func intArg(L *lua.LState, n int) int {
	return toInt(float64(numberArg(L, n)))
}

// toInt truncates and clamps: Go leaves conversions out of range undefined,
// and they differ between machines.
func toInt(f float64) int {
	switch {
	case f != f:
		return 0
	case f >= 1<<53:
		return 1 << 53
	case f <= -(1 << 53):
		return -(1 << 53)
	}
	return int(f)
}

// numberArg is a number argument, or a string that is one.
func numberArg(L *lua.LState, n int) lua.LNumber {
	switch v := L.Get(n).(type) {
	case lua.LNumber:
		return v
	case lua.LString:
		if f, ok := parseNumber(string(v)); ok {
			return f
		}
	}
	argError(L, n, "number expected, got "+typeName(L, n))
	return 0
}

// textArg is a string argument, or a number as text.
func textArg(L *lua.LState, n int) string {
	switch v := L.Get(n).(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return numberText(v)
	}
	argError(L, n, "string expected, got "+typeName(L, n))
	return ""
}

// typeName is an argument's type, for errors.
func typeName(L *lua.LState, n int) string {
	if n > L.GetTop() {
		return "no value"
	}
	if t, ok := asTablelike(L.Get(n)); ok {
		return t.label()
	}
	return L.Get(n).Type().String()
}

// toText is a value as tostring gives it. A __tostring runs as Lua, on the
// meter; one that gives no string is an error.
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
		if t, ok := asTablelike(v); ok {
			return shownAs(t)
		}
	}
	return v.String()
}

// numberText writes integers in full as gopher-lua does, up to 2^53 where they
// are exact, and everything else as Lua 5.1: with 14 digits, so that 0.1 + 0.2
// is 0.3.
func numberText(n lua.LNumber) string {
	f := float64(n)
	if f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
		return strconv.FormatInt(int64(f), 10)
	}
	return formatG(f, 14)
}

func baseNext(L *lua.LState) int {
	k, v := nextPair(L, L.Get(1), L.Get(2))
	if k == lua.LNil {
		L.Push(lua.LNil)
		return 1
	}
	L.Push(k)
	L.Push(v)
	return 2
}

// nextPair walks tables, libraries and values of ours that are like tables.
func nextPair(L *lua.LState, of, key lua.LValue) (lua.LValue, lua.LValue) {
	if t, ok := asTablelike(of); ok {
		charge(L, 5, 0)
		return t.next(L, key)
	}
	t, ok := of.(*lua.LTable)
	if !ok {
		argError(L, 1, "table expected, got "+typeName(L, 1))
	}
	if shown := shownBy(t); shown != nil {
		t = shown
	}
	// Next passes over nils in the array and over keys that are set to nil,
	// which gopher-lua keeps for good, in one call: charged for half of them,
	// a walk over all costs a few times its length.
	if dead := len(keysOf(t)); dead > 64 || len(arrayPart(t)) > 64 {
		charge(L, skipped(t, key)/4, 0)
	}
	return t.Next(key)
}

func basePairs(L *lua.LState) int {
	v := L.Get(1)
	if _, ok := asTablelike(v); !ok && v.Type() != lua.LTTable {
		hint := ""
		if v == lua.LNil {
			hint = "the value is nil: check it first"
		}
		raise(L, hint, "bad argument #1 to pairs (table expected, got %s)", typeName(L, 1))
	}
	L.Push(nextFunction)
	L.Push(v)
	L.Push(lua.LNil)
	return 3
}

func baseIpairs(L *lua.LState) int {
	v := L.Get(1)
	if _, ok := asTablelike(v); !ok && v.Type() != lua.LTTable {
		hint := ""
		if v == lua.LNil {
			hint = "the value is nil: check it first"
		}
		raise(L, hint, "bad argument #1 to ipairs (table expected, got %s)", typeName(L, 1))
	}
	L.Push(ipairsFunction)
	L.Push(v)
	L.Push(lua.LNumber(0))
	return 3
}

var (
	nextFunction   = goFunction(baseNext)
	ipairsFunction = goFunction(ipairsStep)
)

func ipairsStep(L *lua.LState) int {
	i := intArg(L, 2) + 1
	var v lua.LValue
	if t, ok := asTablelike(L.Get(1)); ok {
		if i > t.length() {
			return 0
		}
		v = t.index(L, lua.LNumber(i))
	} else {
		t := L.CheckTable(1)
		if shown := shownBy(t); shown != nil {
			t = shown
		}
		v = t.RawGet(lua.LNumber(i))
	}
	if v == lua.LNil {
		return 0
	}
	L.Push(lua.LNumber(i))
	L.Push(v)
	return 2
}

// skipped is about how many entries Next passes over to find the one after key.
func skipped(t *lua.LTable, key lua.LValue) int {
	array, keys := arrayPart(t), keysOf(t)
	n := 0
	i := 0
	if k, ok := key.(lua.LNumber); ok && k > 0 && int(k) <= len(array) {
		i = int(k)
	} else if key != lua.LNil {
		i = len(array)
	}
	for ; i < len(array) && array[i] == lua.LNil; i++ {
		n++
	}
	if i < len(array) || len(keys) == 0 {
		return n
	}
	return n + deadAfter(t, keys, key)
}

// deadAfter counts the keys without a value that follow key, looking at no more
// than a few: where those are dead, so are most of the others.
func deadAfter(t *lua.LTable, keys []lua.LValue, key lua.LValue) int {
	if len(keys) > 1024 {
		live := 0
		for _, k := range keys[:64] {
			if t.RawGet(k) != lua.LNil {
				live++
			}
		}
		if live == 0 {
			return len(keys)
		}
	}
	return 0
}

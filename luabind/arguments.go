package luabind

import lua "github.com/yuin/gopher-lua"

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

// stringArg is a string argument, or a number as text.
func stringArg(L *lua.LState, n int) string {
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
	if t, ok := asView(L.Get(n)); ok {
		return t.label()
	}
	return L.Get(n).Type().String()
}

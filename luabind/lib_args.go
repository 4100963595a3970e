package luabind

import lua "github.com/yuin/gopher-lua"

// argError raises the error of a wrong argument in the words of Lua.
func argError(L *lua.LState, n int, message string) {
	L.ArgError(n, message)
}

// intArg returns an integer argument. Numbers are truncated, as in Lua 5.1.
func intArg(L *lua.LState, n int) int {
	return toInt(float64(numberArg(L, n)))
}

// toInt truncates and clamps a number. Go's conversions of numbers out of range
// differ between machines.
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

// numberArg returns an argument that is a number or a string that holds one.
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

// stringArg returns an argument that is a string or a number, as a string.
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

// typeName returns the type of an argument, for errors.
func typeName(L *lua.LState, n int) string {
	if n > L.GetTop() {
		return "no value"
	}
	if t, ok := asView(L.Get(n)); ok {
		return t.label()
	}
	return L.Get(n).Type().String()
}

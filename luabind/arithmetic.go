package luabind

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

// arithmetic has the functions of the strings' metatable for + - * / % ^ and the
// unary minus. Without them gopher-lua would read strings as Go reads numbers:
// "0123" as octal, and "1_000" and "0b1", which are not numbers in Lua. The machine
// looks at the metatable first, so that every string operand comes here.
var arithmetic = map[string]func(a, b lua.LNumber) lua.LNumber{
	"__add": func(a, b lua.LNumber) lua.LNumber { return a + b },
	"__sub": func(a, b lua.LNumber) lua.LNumber { return a - b },
	"__mul": func(a, b lua.LNumber) lua.LNumber { return a * b },
	"__div": func(a, b lua.LNumber) lua.LNumber { return a / b },
	"__mod": modulo,
	"__pow": func(a, b lua.LNumber) lua.LNumber { return lua.LNumber(math.Pow(float64(a), float64(b))) },
	"__unm": func(a, _ lua.LNumber) lua.LNumber { return -a },
}

// modSteps returns the steps of a remainder, which takes time for each bit between
// the exponents: 30 µs for 1e308 by 1e-308.
func modSteps(a, b float64) int {
	exponent := func(f float64) int { return int(math.Float64bits(f) >> 52 & 0x7ff) }
	x, y := exponent(a), exponent(b)
	if x == 0x7ff || y == 0x7ff || b == 0 {
		return 0
	}
	return max(x-y, 0) / 2
}

// modulo returns a remainder with the sign of the divisor.
func modulo(a, b lua.LNumber) lua.LNumber {
	m := math.Mod(float64(a), float64(b))
	if b > 0 && m < 0 || b < 0 && m > 0 {
		m += float64(b)
	}
	return lua.LNumber(m)
}

// stringArithmetic returns the function for an event such as __add.
func stringArithmetic(event string) *lua.LFunction {
	do := arithmetic[event]
	return goFunction(func(L *lua.LState) int {
		x, y := L.Get(1), L.Get(2)
		if L.GetTop() < 2 {
			y = x
		}
		charge(L, (lengthOf(x)+lengthOf(y))/16, 0)
		a, aOK := toNumber(x)
		b, bOK := toNumber(y)
		if aOK && bOK {
			if event == "__mod" {
				charge(L, modSteps(float64(a), float64(b)), 0)
			}
			L.Push(do(a, b))
			return 1
		}
		// In Lua, strings have no such events: the other operand's event decides.
		op := metaOf(x, event)
		if op == lua.LNil {
			op = metaOf(y, event)
		}
		if op == lua.LNil {
			culprit := x
			if aOK {
				culprit = y
			}
			raise(L, "expected a number: check for nil first; use tonumber(…) to convert strings", "attempt to perform arithmetic (%s) on a %s value", event[2:], kindOf(culprit))
		}
		L.SetTop(0)
		L.Push(op)
		L.Push(x)
		L.Push(y)
		L.Call(2, 1)
		return 1
	})
}

// toNumber returns a number, or a string that is a number in Lua.
func toNumber(v lua.LValue) (lua.LNumber, bool) {
	switch v := v.(type) {
	case lua.LNumber:
		return v, true
	case lua.LString:
		return parseNumber(string(v))
	}
	return 0, false
}

package luabind

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// concatFunction is the function of `..`: see rewrite.
var concatFunction = goFunction(concat)

// concat joins its arguments as the operator does, right to left, with
// __concat where an operand is neither a string nor a number.
func concat(L *lua.LState) int {
	n := L.GetTop()
	size, plain := 0, true
	for i := 1; i <= n && plain; i++ {
		switch v := L.Get(i).(type) {
		case lua.LString:
			size += len(v)
		case lua.LNumber:
			size += 24
		default:
			plain = false
		}
	}
	if plain {
		L.Push(lua.LString(joined(L, 1, n, size)))
		return 1
	}
	rhs := L.Get(n)
	for i := n - 1; i >= 1; i-- {
		rhs = concatTwo(L, L.Get(i), rhs)
	}
	L.Push(rhs)
	return 1
}

// joined charges for a string of about size bytes and joins the arguments i to j,
// which are strings and numbers.
func joined(L *lua.LState, i, j, size int) string {
	grow(L, size)
	if j == i+1 {
		return text(L.Get(i)) + text(L.Get(j))
	}
	var b strings.Builder
	b.Grow(size)
	for ; i <= j; i++ {
		b.WriteString(text(L.Get(i)))
	}
	return b.String()
}

// grow charges for a new string, and refuses one that is too long.
func grow(L *lua.LState, size int) {
	if size > maxString {
		raise(L, "join less at a time", "a string of %s is too long: at most %s are allowed", megabytes(int64(size)), megabytes(maxString))
	}
	charge(L, size/64, size+16)
}

func concatTwo(L *lua.LState, lhs, rhs lua.LValue) lua.LValue {
	if lua.LVCanConvToString(lhs) && lua.LVCanConvToString(rhs) {
		a, b := text(lhs), text(rhs)
		grow(L, len(a)+len(b))
		return lua.LString(a + b)
	}
	op := metaOf(lhs, "__concat")
	if op == lua.LNil {
		op = metaOf(rhs, "__concat")
	}
	if op == lua.LNil {
		culprit := lhs
		if lua.LVCanConvToString(lhs) {
			culprit = rhs
		}
		hint := "use tostring(…), or check for nil first"
		if culprit != lua.LNil {
			hint = "use tostring(…)"
		}
		raise(L, hint, "attempt to concatenate a %s value", kindOf(culprit))
	}
	L.Push(op)
	L.Push(lhs)
	L.Push(rhs)
	L.Call(2, 1)
	v := L.Get(-1)
	L.Pop(1)
	return v
}

// metaOf returns a field of the metatable of a table or userdata.
func metaOf(v lua.LValue, event string) lua.LValue {
	var mt lua.LValue
	switch v := v.(type) {
	case *lua.LTable:
		mt = v.Metatable
	case *lua.LUserData:
		mt = v.Metatable
	}
	if t, ok := mt.(*lua.LTable); ok {
		return t.RawGetString(event)
	}
	return lua.LNil
}

// kindOf returns a value's type for errors, or its label if it is like a table.
func kindOf(v lua.LValue) string {
	if t, ok := asView(v); ok {
		return t.label()
	}
	return v.Type().String()
}

// text returns a string or number as a string.
func text(v lua.LValue) string {
	switch v := v.(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return numberText(v)
	}
	return ""
}

package luabind

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

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

// nextPair is next for tables, libraries and views.
func nextPair(L *lua.LState, of, key lua.LValue) (lua.LValue, lua.LValue) {
	if t, ok := asView(of); ok {
		charge(L, 5, 2*boxBytes)
		return t.next(L, key)
	}
	t, ok := of.(*lua.LTable)
	if !ok {
		argError(L, 1, "table expected, got "+typeName(L, 1))
	}
	if shown := shownBy(t); shown != nil {
		t = shown
	}
	return nextOfTable(L, t, key)
}

// nextOfTable is LTable.Next, charged for the nils of the array and the keys without a
// value that it skips.
func nextOfTable(L *lua.LState, t *lua.LTable, key lua.LValue) (lua.LValue, lua.LValue) {
	array, keys := arrayPart(t), keysOf(t)
	passed, i, k := 0, 0, 0
	if n, ok := key.(lua.LNumber); ok && n > 0 && n == lua.LNumber(int(n)) && int(n) <= len(array) {
		i = int(n)
	} else if key != lua.LNil {
		i = len(array)
		at, known := keyIndex(t, key)
		switch {
		case known:
			k = at + 1
		case !ok || n < 1 || n >= lua.LNumber(lua.MaxArrayIndex):
			// A number may have been in the array until table.remove shortened the array.
			// No other key disappears.
			L.RaiseError("invalid key to 'next'")
		}
	}
	for ; i < len(array); i++ {
		if array[i] != lua.LNil {
			charge(L, passed/8, boxBytes)
			return lua.LNumber(i + 1), array[i]
		}
		passed++
	}
	for ; k < len(keys); k++ {
		if v := t.RawGetH(keys[k]); v != lua.LNil {
			charge(L, passed/8, 0)
			return keys[k], v
		}
		if passed += 8; passed >= 8192 {
			charge(L, passed/8, 0)
			passed = 0
		}
	}
	charge(L, passed/8, 0)
	return lua.LNil, lua.LNil
}

func basePairs(L *lua.LState) int  { return iterate(L, "pairs", nextFunction, lua.LNil) }
func baseIpairs(L *lua.LState) int { return iterate(L, "ipairs", ipairsFunction, lua.LNumber(0)) }

// iterate pushes what a generic for takes: the function that steps, the table,
// and the key to start from.
func iterate(L *lua.LState, function string, step *lua.LFunction, start lua.LValue) int {
	v := L.Get(1)
	if _, ok := asView(v); !ok && v.Type() != lua.LTTable {
		hint := ""
		if v == lua.LNil {
			hint = "the value is nil: check it first"
		}
		raise(L, hint, "bad argument #1 to %s (table expected, got %s)", function, typeName(L, 1))
	}
	if t, ok := asView(v); ok {
		if m, ok := t.(*memberList); ok {
			m.refuse(L)
		}
	}
	L.Push(step)
	L.Push(v)
	L.Push(start)
	return 3
}

var (
	nextFunction   = goFunction(baseNext)
	ipairsFunction = goFunction(ipairsStep)
)

func ipairsStep(L *lua.LState) int {
	i := intArg(L, 2) + 1
	charge(L, 0, boxBytes)
	var v lua.LValue
	if t, ok := asView(L.Get(1)); ok {
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
	// The difference of i and j may overflow.
	if j-i < 0 || j-i >= maxResults {
		raise(L, fmt.Sprintf("at most %d; use a loop, or pass the table itself", maxResults), "too many results to unpack")
	}
	charge(L, j-i+1, 0)
	for k := i; k <= j; k++ {
		L.Push(get(k))
	}
	return j - i + 1
}

// elements returns the length and the values of a list argument: a table or a view.
func elements(L *lua.LState, n int) (get func(int) lua.LValue, length int) {
	if t, ok := asView(L.Get(n)); ok {
		if m, ok := t.(*memberList); ok {
			m.refuse(L)
		}
		return func(i int) lua.LValue { return t.index(L, lua.LNumber(i)) }, t.length()
	}
	t := L.CheckTable(n)
	return func(i int) lua.LValue { return t.RawGet(lua.LNumber(i)) }, lengthOfTable(L, t)
}

// lengthOfTable returns #t, charged.
func lengthOfTable(L *lua.LState, t *lua.LTable) int {
	if array := arrayPart(t); len(array) > 0 && array[len(array)-1] == lua.LNil {
		charge(L, len(array)/16, 0)
	}
	return t.Len()
}

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

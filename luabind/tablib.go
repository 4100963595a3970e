package luabind

import (
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// tableLibrary returns Lua 5.1's table library. Functions that only read also accept
// views.
func tableLibrary() map[string]lua.LValue {
	return functions(map[string]lua.LGFunction{
		"concat": tableConcat, "getn": tableGetN, "insert": tableInsert, "maxn": tableMaxN, "remove": tableRemove, "sort": tableSort,
	})
}

func tableConcat(L *lua.LState) int {
	get, length := elements(L, 1)
	sep := ""
	if L.Get(2) != lua.LNil {
		sep = stringArg(L, 2)
	}
	i, j := optInt(L, 3, 1), optInt(L, 4, length)
	// Two passes over the list: the first one computes the size, to charge for it.
	size := 0
	for k := i; k <= j; k++ {
		v := get(k)
		if !lua.LVCanConvToString(v) {
			hint := "only strings and numbers can be joined: use tostring(…)"
			if v == lua.LNil {
				hint = "the list has a hole there"
			}
			raise(L, hint, "invalid value (%s) at index %d in table for 'concat'", kindOf(v), k)
		}
		if size += len(text(v)); k < j {
			size += len(sep)
		}
		if size > maxString {
			raise(L, "", "the result of table.concat is too long: at most %s", megabytes(maxString))
		}
		if (k-i)%64 == 63 {
			charge(L, 64, 0)
		}
	}
	charge(L, (max(j-i, 0)%64)+1+size/64, size+boxBytes)
	var out strings.Builder
	out.Grow(size)
	for k := i; k <= j; k++ {
		out.WriteString(text(get(k)))
		if k < j {
			out.WriteString(sep)
		}
	}
	L.Push(lua.LString(out.String()))
	return 1
}

func tableGetN(L *lua.LState) int {
	_, n := elements(L, 1)
	L.Push(lua.LNumber(n))
	return 1
}

func tableMaxN(L *lua.LState) int {
	t := L.CheckTable(1)
	keys := keysOf(t)
	charge(L, len(arrayPart(t))/16+len(keys)/4, 0)
	most := lua.LNumber(t.MaxN())
	for _, k := range keys {
		if n, ok := k.(lua.LNumber); ok && n > most && t.RawGet(k) != lua.LNil {
			most = n
		}
	}
	L.Push(most)
	return 1
}

func tableInsert(L *lua.LState) int {
	t := ownTable(L, 1)
	end := lengthOfTable(L, t) + 1
	switch L.GetTop() {
	case 2:
		v := L.Get(2)
		setElement(L, t, end, v)
		return 0
	case 3:
	default:
		raise(L, "write table.insert(list, value) or table.insert(list, position, value)", "wrong number of arguments to 'insert'")
	}
	at, v := intArg(L, 2), L.Get(3)
	if at > end {
		end = at
	}
	charge(L, (end-at)/8, 0)
	if array := arrayPart(t); at >= 1 && at < end && len(array) == end-1 && end < lua.MaxArrayIndex {
		charge(L, 0, boxBytes+arrayGrowth(cap(array), end))
		t.Insert(at, v)
		return 0
	}
	for i := end; i > at; i-- {
		charge(L, 1, 0)
		setElement(L, t, i, t.RawGet(lua.LNumber(i-1)))
	}
	setElement(L, t, at, v)
	return 0
}

// setElement sets t[i] and charges for it.
func setElement(L *lua.LState, t *lua.LTable, i int, v lua.LValue) {
	key := lua.LNumber(i)
	if v != lua.LNil {
		if full(t, key) {
			L.RaiseError("%s", errFull.Error())
		}
		bytes, steps := growth(t, key)
		charge(L, steps, bytes)
	} else if i > len(arrayPart(t)) {
		t.RawSetH(key, lua.LNil)
		return
	}
	t.RawSet(key, v)
}

func tableRemove(L *lua.LState) int {
	t := ownTable(L, 1)
	end := lengthOfTable(L, t)
	at := optInt(L, 2, end)
	if at < 1 || at > end {
		return 0
	}
	charge(L, (end-at)/8, 0)
	v := t.RawGet(lua.LNumber(at))
	if len(arrayPart(t)) == end {
		t.Remove(at) // shortens the array, so that # stays fast
	} else {
		for i := at; i < end; i++ {
			charge(L, 1, 0)
			t.RawSet(lua.LNumber(i), t.RawGet(lua.LNumber(i+1)))
		}
		t.RawSet(lua.LNumber(end), lua.LNil)
	}
	L.Push(v)
	return 1
}

// tableSort is a merge sort, which works with any comparison function: one that
// contradicts itself results in some order, and one that fails leaves the table
// unchanged. Lua's own sort raises "invalid order function for sorting" or crashes.
func tableSort(L *lua.LState) int {
	t := ownTable(L, 1)
	n := lengthOfTable(L, t)
	s := sorter{L: L}
	if L.Get(2) != lua.LNil {
		fn, ok := L.Get(2).(*lua.LFunction)
		if !ok {
			argError(L, 2, fmt.Sprintf("function expected, got %s", typeName(L, 2)))
		}
		s.less = fn
	}
	if n < 2 {
		return 0
	}
	charge(L, n/4, 2*16*n)
	values := make([]lua.LValue, n)
	for i := range values {
		values[i] = t.RawGet(lua.LNumber(i + 1))
	}
	for i, v := range s.sort(values, make([]lua.LValue, n)) {
		t.RawSet(lua.LNumber(i+1), v)
	}
	return 0
}

type sorter struct {
	L    *lua.LState
	less *lua.LFunction
}

// sort sorts a, using b as a buffer, and returns the one that holds the result.
func (s *sorter) sort(a, b []lua.LValue) []lua.LValue {
	n := len(a)
	for width := 1; width < n; width *= 2 {
		for lo := 0; lo < n; lo += 2 * width {
			mid, hi := min(lo+width, n), min(lo+2*width, n)
			i, j, k := lo, mid, lo
			for i < mid && j < hi {
				if s.before(a[j], a[i]) {
					b[k] = a[j]
					j++
				} else {
					b[k] = a[i]
					i++
				}
				k++
			}
			k += copy(b[k:], a[i:mid])
			copy(b[k:], a[j:hi])
		}
		a, b = b, a
	}
	return a
}

func (s *sorter) before(x, y lua.LValue) bool {
	L := s.L
	if s.less != nil {
		charge(L, 4, 0)
		L.Push(s.less)
		L.Push(x)
		L.Push(y)
		L.Call(2, 1)
		v := L.Get(-1)
		L.Pop(1)
		return lua.LVAsBool(v)
	}
	charge(L, 1+min(lengthOf(x), lengthOf(y))/64, 0)
	if a, ok := x.(lua.LString); ok {
		if b, ok := y.(lua.LString); ok {
			return a < b
		}
	}
	if x.Type() != y.Type() || x == lua.LNil {
		raise(L, "pass table.sort a function that compares such values", "attempt to compare %s with %s", kindOf(x), kindOf(y))
	}
	return L.LessThan(x, y)
}

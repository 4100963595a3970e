package luabind

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Sizes of values in memory, in bytes, as gopher-lua 1.1.2 and Go 1.26 allocate them
// on a 64-bit machine: measured and rounded up. TestEveryFunctionIsCharged compares
// charges with the heap.
const (
	tableBytes    = 144  // an LTable and the head of its map of names
	firstKeyBytes = 600  // the first group of that map, of the index, and the list of keys
	keyBytes      = 72   // a further key, while the maps have room
	slotBytes     = 16   // a place in a list
	boxBytes      = 16   // a string or number as a value: the interface points to it
	defaultMap    = 2400 // gopher-lua's map of names, for 32 of them, if no size is given
	defaultArray  = 32   // values in gopher-lua's list, if no size is given
	closureBytes  = 96
	upvalueBytes  = 72
	viewBytes     = 192 // one of our userdata, as ev.chat
)

// tableCost returns the size of a table that is made for array values of a list and
// hash names, and filled with them.
func tableCost(array, hash int) int {
	bytes := tableBytes + array*(slotBytes+2)
	switch {
	case hash == 0:
	case hash <= 8:
		bytes += firstKeyBytes + hash*keyBytes
	default:
		bytes += 290 * hash
	}
	return bytes
}

// newTable makes a table of known size, and charges for it first. Every table that
// Go code makes comes from here: one of LState.NewTable takes 3 KB.
func newTable(L *lua.LState, array, hash int) *lua.LTable {
	charge(L, 5+hash*5+array/8, tableCost(array, hash))
	// Room for one name costs 48 bytes. Without it the first name that a script
	// adds would cost defaultMap.
	return L.CreateTable(array, max(hash, 1))
}

// growth returns the bytes that setting a key adds to a table, and its steps.
func growth(tb *lua.LTable, key lua.LValue) (bytes, steps int) {
	if n, ok := key.(lua.LNumber); ok {
		if i := int(n); lua.LNumber(i) == n && i > 0 && i < lua.MaxArrayIndex {
			array := arrayPart(tb)
			if i <= len(array) {
				return 0, 0
			}
			// The array is filled with nils up to the key.
			return boxBytes + arrayGrowth(cap(array), i), i - len(array)
		}
	}
	if tb.RawGet(key) != lua.LNil {
		return 0, 0
	}
	if _, known := keyIndex(tb, key); known {
		return boxBytes, 5 // a removed key still has its place
	}
	_, isName := key.(lua.LString)
	return boxBytes + hashGrowth(len(keysOf(tb)), isName && !hasNames(tb), !isName && !hasOthers(tb)), 5
}

// arrayGrowth returns the bytes that append allocates, one value after another, until
// a list has room for need values.
func arrayGrowth(room, need int) int {
	bytes := 0
	for room < need {
		switch {
		case room == 0:
			room = defaultArray
		case room < 256:
			room *= 2
		default:
			room += (room + 3*256) / 4
		}
		if room > 32 {
			room += room / 16 // Go rounds up to what its allocator has
		}
		bytes += room * slotBytes
	}
	return bytes
}

// hashGrowth returns the bytes that a table of n keys allocates for one more. noNames
// and noOthers tell that the map for the key does not exist yet.
func hashGrowth(n int, noNames, noOthers bool) int {
	bytes := keyBytes
	switch {
	case n == 0:
		bytes += firstKeyBytes
	case n == 8:
		bytes += 1400 // a map of one group becomes one with a directory
	case n >= 14 && n%14 == 0 && (n/14)&(n/14-1) == 0:
		// 14, 28, 56 …: maps double when seven eighths of their places are taken.
		bytes += 165 * n
	}
	switch {
	case noNames:
		bytes += defaultMap
	case noOthers:
		bytes += 48 + 90*n // made as large as that of the names
	}
	return bytes
}

// substring returns s[i:j], copied if it is a part: a slice would keep all of s in
// memory, and one letter of an 8 MB string would take 8 MB.
func substring(L *lua.LState, s string, i, j int) lua.LValue {
	if i == 0 && j == len(s) {
		charge(L, 0, boxBytes)
		return lua.LString(s)
	}
	charge(L, (j-i)/64, j-i+2*boxBytes)
	return lua.LString(strings.Clone(s[i:j]))
}

// hops follows a chain of __index or __newindex to the table in which the key is
// found or set. It returns that table, or nil if a function decides, and the number
// of tables it passed. gopher-lua follows up to 100 in one instruction.
func hops(tb *lua.LTable, key lua.LValue, event string) (last *lua.LTable, n int) {
	for n = 0; n < lua.MaxTableGetLoop; n++ {
		mt, ok := tb.Metatable.(*lua.LTable)
		if !ok || tb.RawGet(key) != lua.LNil {
			return tb, n
		}
		switch next := mt.RawGetString(event).(type) {
		case *lua.LTable:
			tb = next
		case *lua.LNilType:
			return tb, n
		default:
			return nil, n
		}
	}
	return tb, n
}

// hopSteps is the cost of each table in such a chain: two map lookups.
const hopSteps = 2

// indexValue returns v[key], including metamethods, for library functions.
func indexValue(L *lua.LState, v, key lua.LValue) lua.LValue {
	if tb, ok := v.(*lua.LTable); ok && tb.Metatable != lua.LNil {
		_, n := hops(tb, key, "__index")
		charge(L, hopSteps*n, 0)
	}
	return L.GetTable(v, key)
}

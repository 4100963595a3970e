package luabind

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// What values take in memory, in bytes, as gopher-lua 1.1.2 and Go 1.26 allocate
// on a 64-bit machine: measured, and rounded up. TestEveryFunctionIsCharged
// compares what is charged by them with the heap.
const (
	tableBytes    = 144  // an LTable and the head of its map of names
	firstKeyBytes = 600  // the first group of that map, of the index, and the list of keys
	keyBytes      = 72   // a further key, while the maps have room
	slotBytes     = 16   // a place in a list
	boxBytes      = 16   // a string or number as a value: the interface points to it
	defaultMap    = 2400 // gopher-lua makes its map for 32 names where nobody said how many
	defaultArray  = 32   // and its list for so many
	closureBytes  = 96
	upvalueBytes  = 72
	viewBytes     = 192 // one of our userdata, as ev.chat
)

// tableCost is what a table takes that is made with room for a list of array
// values and hash names, and is then filled with them.
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

// newTable makes a table of known size and charges for it first. Every table
// that is made in Go comes from here: LState.NewTable takes 3 KB.
func newTable(L *lua.LState, array, hash int) *lua.LTable {
	charge(L, 5+hash*5+array/8, tableCost(array, hash))
	// Room for one name costs 48 bytes. Without it the first name that a script
	// adds would cost defaultMap.
	return L.CreateTable(array, max(hash, 1))
}

// growth is what setting a key adds to a table: bytes, and steps for the work.
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
		return boxBytes, 5 // it was removed and comes back: its place was kept
	}
	_, isName := key.(lua.LString)
	return boxBytes + hashGrowth(len(keysOf(tb)), isName && !hasNames(tb), !isName && !hasOthers(tb)), 5
}

// arrayGrowth is what append allocates, one value after another, until a list
// has room for need values.
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

// hashGrowth is what a table of n keys allocates for one more. noNames and
// noOthers say that the map the key goes to does not exist yet.
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

// substring is s[i:j] as a value of its own. A part that shared the memory of
// the whole would keep it: one letter of an 8 MB text, 8 MB.
func substring(L *lua.LState, s string, i, j int) lua.LValue {
	if i == 0 && j == len(s) {
		charge(L, 0, boxBytes)
		return lua.LString(s)
	}
	charge(L, (j-i)/64, j-i+2*boxBytes)
	return lua.LString(strings.Clone(s[i:j]))
}

// hops follows a chain of __index or __newindex from a table to where the key
// is found or set: the last table, nil if a function decides, and how many
// tables were passed. gopher-lua follows 100 within one instruction.
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

// hopSteps is what a table in such a chain costs: two lookups in maps.
const hopSteps = 2

// indexValue is v[key] with its metamethods, for library functions.
func indexValue(L *lua.LState, v, key lua.LValue) lua.LValue {
	if tb, ok := v.(*lua.LTable); ok && tb.Metatable != lua.LNil {
		_, n := hops(tb, key, "__index")
		charge(L, hopSteps*n, 0)
	}
	return L.GetTable(v, key)
}

package luabind

import (
	"math"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

const (
	// maxKey is the maximum length of a key of kv, in bytes.
	maxKey = 512
	// maxValue is the maximum size of a value of kv as JSON, in bytes.
	maxValue = 1 << 20
	// listDefault and listMost are the default and the maximum of limit in kv.list.
	listDefault = 100
	listMost    = 1000
	// listPage is the size of the pages that kv.list reads, in bytes of values.
	listPage = 256 << 10
)

// kvGet is kv.get(key).
func kvGet(vm *VM, L *lua.LState) int {
	const name = "kv.get"
	L.Push(readKey(vm, L, name, wantKey(L, name)))
	return 1
}

// kvSet is kv.set(key, value [, options]).
func kvSet(vm *VM, L *lua.LState) int {
	const name = "kv.set"
	key := wantKey(L, name)
	ttl := wantTTL(L, name, 3)
	if L.GetTop() < 2 {
		raise(L, "to delete the key, write kv.delete(key)", "%s: value is missing", name)
	}
	v := L.Get(2)
	if v == lua.LNil {
		charge(L, kvWriteSteps, 0)
		if err := vm.memory(L, name).Delete(key); err != nil {
			fail(L, name, err)
		}
		return 0
	}
	writeKey(vm, L, name, key, v, ttl)
	return 0
}

// kvIncr is kv.incr(key [, n [, options]]). The ttl counts from the first call, so
// that a counter can mean "how many within an hour".
func kvIncr(vm *VM, L *lua.LState) int {
	const name = "kv.incr"
	key := wantKey(L, name)
	n := lua.LNumber(1)
	if v := L.Get(2); v != lua.LNil {
		given, ok := v.(lua.LNumber)
		if !ok || math.IsNaN(float64(given)) || math.IsInf(float64(given), 0) {
			wrong(L, name, "", 2, "a number")
		}
		n = given
	}
	ttl := wantTTL(L, name, 3)
	switch old := readKey(vm, L, name, key).(type) {
	case *lua.LNilType:
	case lua.LNumber:
		n += old
		ttl = KeepTTL
	default:
		raise(L, "", "%s: %s holds %s, not a number", name, quote(key), described(old))
	}
	writeKey(vm, L, name, key, n, ttl)
	L.Push(n)
	return 1
}

// kvWriteSteps is the cost of a write or deletion in the store, about 30 µs, in steps:
// at 1,000 uncharged writes per event, all packs together handled only 68 events per
// second.
const kvWriteSteps = 1500

// kvDelete is kv.delete(key).
func kvDelete(vm *VM, L *lua.LState) int {
	const name = "kv.delete"
	key := wantKey(L, name)
	charge(L, kvWriteSteps, len(key))
	if err := vm.memory(L, name).Delete(key); err != nil {
		fail(L, name, err)
	}
	return 0
}

// wantKey returns a key argument. Keys are UTF-8 for people and for every store.
func wantKey(L *lua.LState, function string) string {
	key := wantString(L, function, 1, maxKey)
	if i := badUTF8(key); i >= 0 {
		raise(L, "use chert.cut: it cuts between letters, string.sub between bytes", "%s: the key %s is not valid UTF-8 from byte %d on", function, quote(key), i+1)
	}
	if strings.ContainsRune(key, 0) {
		raise(L, "", "%s: the key %s contains a zero byte", function, quote(key))
	}
	return key
}

// kvList is kv.list(prefix [, limit]): a list of { key =, value = }.
func kvList(vm *VM, L *lua.LState) int {
	const name = "kv.list"
	prefix, ok := L.Get(1).(lua.LString)
	if !ok || len(prefix) > maxKey {
		wrong(L, name, `all keys have the prefix ""`, 1, "a string")
	}
	limit := listDefault
	if v := L.Get(2); v != lua.LNil {
		n, ok := v.(lua.LNumber)
		if !ok || !(n >= 1 && n <= listMost) || n != lua.LNumber(int(n)) {
			wrong(L, name, "", 2, "a whole number from 1 to 1000")
		}
		limit = int(n)
	}
	r := jsonReader{L: L} // its stack holds the entries until the list is made
	memory := vm.memory(L, name)
	for after, more := "", true; more && len(r.open) < limit; {
		// The maximum size of a page is charged before it is read.
		m := &vm.meter
		room := int(min(listPage, max(m.bytes, 0)))
		charge(L, 50, room)
		page, next, err := memory.List(string(prefix), after, limit-len(r.open), room)
		if err != nil {
			fail(L, name, err)
		}
		size := 0
		for i := range page {
			size += len(page[i].Key) + len(page[i].Value)
		}
		if size < room {
			m.bytes += int64(room - size)
		}
		charge(L, 40*len(page), 64*len(page)+max(size-room, 0))
		for i := range page {
			v, err := decodeStored(L, page[i].Value, nil)
			if err != nil {
				raise(L, "", "%s: %s: %v", name, quote(page[i].Key), err)
			}
			entry := newTable(L, 0, 2)
			entry.RawSetString("key", lua.LString(page[i].Key))
			entry.RawSetString("value", v)
			r.hold(entry)
		}
		after, more = next, next != ""
	}
	list := newTable(L, len(r.open), 0)
	for i, entry := range r.open {
		list.RawSetInt(i+1, entry)
	}
	L.Push(list)
	return 1
}

// memory returns the Memory of the call.
func (vm *VM) memory(L *lua.LState, function string) Memory {
	charge(L, 50, 200) // reads and writes stay in memory until the commit
	if vm.call.Memory == nil {
		raise(L, "", "%s: kv is not available here", function)
	}
	return vm.call.Memory
}

func readKey(vm *VM, L *lua.LState, function, key string) lua.LValue {
	text, err := vm.memory(L, function).Get(key)
	if err != nil {
		fail(L, function, err)
	}
	if len(text) == 0 {
		return lua.LNil
	}
	charge(L, 0, len(text)) // at most maxValue
	v, err := decodeStored(L, text, nil)
	if err != nil {
		raise(L, "", "%s: %s: %v", function, quote(key), err)
	}
	return v
}

func writeKey(vm *VM, L *lua.LState, function, key string, v lua.LValue, ttl time.Duration) {
	text, err := encodeStored(L, v)
	charge(L, kvWriteSteps, len(text)+len(key))
	if err != nil {
		raise(L, "", "%s: the value of %s can't be stored: %v", function, quote(key), err)
	}
	if len(text) > maxValue {
		raise(L, "split it over several keys", "%s: the value of %s is too large: %d bytes as JSON, at most %d", function, quote(key), len(text), maxValue)
	}
	if err := vm.memory(L, function).Set(key, text, ttl); err != nil {
		fail(L, function, err)
	}
}

// wantTTL returns options.ttl, or 0 if it is not given.
func wantTTL(L *lua.LState, function string, n int) time.Duration {
	o := wantTable(L, function, n)
	d := o.duration("ttl")
	if d == 0 && o.get("ttl") != lua.LNil {
		raise(L, "to delete the key, write kv.delete(key)", "%s: ttl must be greater than 0", function)
	}
	return d
}

package luabind

import (
	"math"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

const (
	// MaxKey is how long a key of kv may be.
	MaxKey = 512
	// MaxValue is how large a value of kv may be, as JSON.
	MaxValue = 1 << 20
	// Limits of kv.list.
	listDefault = 100
	listMost    = 1000
	// listPage is how many bytes of values kv.list reads at once.
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

// kvIncr is kv.incr(key [, n [, options]]). The ttl counts from the first
// count: what is counted is "how many within an hour", which a ttl that began
// anew with each count would not tell.
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

// kvWriteSteps is what a write or deletion costs in the store, about 30 µs, in
// steps of a handler's budget: 1,000 writes for each event let 68 events a
// second through and held up those of every other pack.
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

// wantKey is a key. It is text: people read it, and every store can keep it.
func wantKey(L *lua.LState, function string) string {
	key := wantString(L, function, 1, MaxKey)
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
	if !ok || len(prefix) > MaxKey {
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
	r := jsonReader{L: L} // its stack holds the entries until there is a list
	memory := vm.memory(L, name)
	for after, more := "", true; more && len(r.open) < limit; {
		// What a page may come to is charged before it is read.
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

// memory is what the call may remember.
func (vm *VM) memory(L *lua.LState, function string) Memory {
	charge(L, 50, 200) // what is read and written is kept until the commit
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
	charge(L, 0, len(text)) // it is bounded by MaxValue, and read by now
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
	if len(text) > MaxValue {
		raise(L, "split it over several keys", "%s: the value of %s is too large: %d bytes as JSON, at most %d", function, quote(key), len(text), MaxValue)
	}
	if err := vm.memory(L, function).Set(key, text, ttl); err != nil {
		fail(L, function, err)
	}
}

// wantTTL is options.ttl; 0 where it is not given.
func wantTTL(L *lua.LState, function string, n int) time.Duration {
	o := wantTable(L, function, n)
	d := o.duration("ttl")
	if d == 0 && o.get("ttl") != lua.LNil {
		raise(L, "to delete the key, write kv.delete(key)", "%s: ttl must be greater than 0", function)
	}
	return d
}

package luabind

import (
	lua "github.com/yuin/gopher-lua"
)

const (
	// walkAfter is the number of bytes that are charged between two walks over what
	// a VM retains, unless it retains more than that.
	walkAfter = 1 << 20
	// maxDead is the number of keys without a value that the tables of a VM may have
	// before it is discarded: gopher-lua never frees a key.
	maxDead = 20_000
	// maxRegisters is the maximum size of the stack of a VM that is used again.
	maxRegisters = 8192
)

// checkRetained measures, from time to time, what the VM retains between calls:
// its globals, modules and handlers, and all values that they reference. It breaks
// the VM if that exceeds Limits.Retained, or if most keys of its tables have no value.
// The walk takes time in proportion to what is retained, so it happens only after
// calls have charged at least as many bytes since the last one.
func (vm *VM) checkRetained() {
	if array, _ := registers(vm.L); len(array) > maxRegisters && vm.broken == "" {
		vm.broken = "its stack has grown, and does not shrink"
	}
	if vm.broken != "" || vm.meter.used+vm.meter.allocated()-vm.walked < max(walkAfter, vm.kept) {
		return
	}
	vm.measureRetained()
}

// measureRetained walks what the VM retains, and breaks the VM if that is too much.
func (vm *VM) measureRetained() {
	w := walker{seen: map[any]struct{}{}}
	// All VMs share the libraries: they don't count for this one.
	for _, v := range standard().globals {
		w.seen[v] = struct{}{}
	}
	for _, v := range modules() {
		w.seen[v] = struct{}{}
	}
	w.push(vm.globals)
	for _, h := range vm.handlers {
		w.push(h.fn)
	}
	if vm.modules != nil {
		for _, v := range vm.modules.loaded {
			w.push(v)
		}
	}
	for _, v := range vm.bound.data {
		w.push(v)
	}
	w.run()
	w.bytes += vm.bound.patterns.bytes()
	vm.kept = w.bytes
	vm.setRetained(w.bytes)
	vm.walked = vm.meter.used + vm.meter.allocated()
	switch {
	case w.bytes > vm.limits.Retained:
		vm.broken = "it keeps " + megabytes(w.bytes) + " between events, more than its " + megabytes(vm.limits.Retained)
	case w.dead > maxDead && w.dead > w.live:
		vm.broken = "its tables keep the keys of " + thousands(int64(w.dead)) + " entries that were removed"
	}
}

// retainer is a Go value that scripts can retain: the Value of a userdata, or the
// state of a function made by closure.
type retainer interface {
	// retains returns approximately how many bytes the value retains, without its Lua
	// values, which it pushes.
	retains(push func(lua.LValue)) int64
}

// closure makes a Go function with a state. Every Go function that is made for a
// script comes from here, because the walk can't see variables that a Go closure
// captures. The caller charges for it.
func closure(state retainer, fn lua.LGFunction) *lua.LFunction {
	up := &lua.Upvalue{}
	up.Close()
	up.SetValue(&lua.LUserData{Value: state, Metatable: lua.LNil})
	return &lua.LFunction{IsG: true, GFunction: fn, Upvalues: []*lua.Upvalue{up}}
}

// walker adds up the sizes of all values that are reachable. It has its own stack,
// because scripts can nest values to any depth.
type walker struct {
	seen  map[any]struct{}
	todo  []lua.LValue
	bytes int64
	live  int // keys with a value
	dead  int // keys without a value
}

func (w *walker) push(v lua.LValue) {
	switch v := v.(type) {
	case lua.LString:
		// A shared string counts each time: substrings may be parts of many strings.
		w.bytes += int64(len(v)) + 16
	case *lua.LTable, *lua.LFunction, *lua.LUserData:
		if _, ok := w.seen[v]; !ok {
			w.seen[v] = struct{}{}
			w.todo = append(w.todo, v)
		}
	case lua.LNumber:
		w.bytes += 8
	}
}

func (w *walker) run() {
	for len(w.todo) > 0 {
		v := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		switch v := v.(type) {
		case *lua.LTable:
			w.table(v)
		case *lua.LFunction:
			w.bytes += closureBytes
			for _, up := range v.Upvalues {
				if up != nil {
					w.bytes += upvalueBytes
					w.push(up.Value())
				}
			}
		case *lua.LUserData:
			w.bytes += viewBytes
			if k, ok := v.Value.(retainer); ok {
				w.bytes += k.retains(w.push)
			}
			if v.Metatable != nil {
				w.push(v.Metatable)
			}
		}
	}
}

func (w *walker) table(t *lua.LTable) {
	array, keys := arrayPart(t), keysOf(t)
	w.bytes += int64(tableCost(cap(array), len(keys)))
	for _, v := range array {
		if v != nil {
			w.push(v)
		}
	}
	for _, k := range keys {
		w.push(k)
		v := t.RawGet(k)
		if v == lua.LNil {
			w.dead++
			continue
		}
		w.live++
		w.push(v)
	}
	if t.Metatable != nil {
		w.push(t.Metatable)
	}
}

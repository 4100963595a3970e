package luabind

import (
	lua "github.com/yuin/gopher-lua"
)

const (
	// walkAfter is how many charged bytes pass between two walks over what a VM
	// keeps, unless it keeps more than that.
	walkAfter = 1 << 20
	// maxDead is how many keys without a value a table may drag along before
	// its VM is recycled: gopher-lua never frees a key.
	maxDead = 20_000
	// maxRegisters is how large the stack of a VM that is kept may have grown.
	maxRegisters = 8192
)

// keep looks, now and then, at what the VM keeps between calls: its globals,
// modules, handlers and all that can be reached from them. Over Limits.Kept
// the VM is broken, and so is one whose tables hold more dead keys than
// living. The walk takes time in proportion to what is kept, and happens once
// at least as much was charged since the last one.
func (vm *VM) checkRetained() {
	if array, _ := registers(vm.L); len(array) > maxRegisters && vm.broken == "" {
		vm.broken = "its stack has grown, and does not shrink"
	}
	if vm.broken != "" || vm.meter.used+vm.meter.allocated()-vm.walked < max(walkAfter, vm.kept) {
		return
	}
	vm.measureRetained()
}

// Kept walks now and returns about how many bytes the VM keeps.
func (vm *VM) Kept() int64 {
	vm.measureRetained()
	return vm.kept
}

func (vm *VM) measureRetained() {
	w := walker{seen: map[any]struct{}{}}
	// Libraries are shared by all VMs: none of them is kept by this one.
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
	vm.retains(w.bytes)
	vm.walked = vm.meter.used + vm.meter.allocated()
	switch {
	case w.bytes > vm.limits.Kept:
		vm.broken = "it keeps " + megabytes(w.bytes) + " between events, more than its " + megabytes(vm.limits.Kept)
	case w.dead > maxDead && w.dead > w.live:
		vm.broken = "its tables keep the keys of " + thousands(int64(w.dead)) + " entries that were removed"
	}
}

// retainer is what Go code puts into a value that scripts can keep: the Value of a
// userdata, or what a function made by closure works on.
type retainer interface {
	// keeps is about how many bytes stay in memory as long as the value does,
	// but for Lua values, which it pushes.
	retains(push func(lua.LValue)) int64
}

// closure makes a Go function that works on a state of its own. Every Go function
// that is made for a script comes from here: a state that only the Go function
// knows would be kept behind the back of the walk. The caller charges for it.
func closure(state retainer, fn lua.LGFunction) *lua.LFunction {
	up := &lua.Upvalue{}
	up.Close()
	up.SetValue(&lua.LUserData{Value: state, Metatable: lua.LNil})
	return &lua.LFunction{IsG: true, GFunction: fn, Upvalues: []*lua.Upvalue{up}}
}

// walker adds up what can be reached. It has a stack of its own: values nest as
// deep as scripts like.
type walker struct {
	seen  map[any]struct{}
	todo  []lua.LValue
	bytes int64
	live  int // keys with a value
	dead  int // and without
}

func (w *walker) push(v lua.LValue) {
	switch v := v.(type) {
	case lua.LString:
		// Strings that are shared are counted each time: who keeps many
		// pieces of one text may keep many texts.
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

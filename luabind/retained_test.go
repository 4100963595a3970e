package luabind

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// The walk counts what functions and userdata retain. The test calls every function of
// rules with all kinds of arguments, and retains the functions and userdata that it
// returns.
func TestRetainedCountsFunctionsAndUserdata(t *testing.T) {
	const large, copies = 64 << 10, 8
	for _, name := range callable() {
		vm := hoarder(t)
		var calls [][]int
		for _, args := range hoardedArguments() {
			if len(callFor(vm, name, args, large)) > 0 {
				calls = append(calls, args)
			}
		}
		for _, args := range calls {
			vm := hoarder(t)
			kept := vm.globals.RawGetString("kept").(*lua.LTable)
			callFor(vm, name, args, large) // makes what a VM has but once
			before, seen := heapLive(), retainedBytes(vm)
			for range copies {
				for _, v := range callFor(vm, name, args, large) {
					kept.Append(v)
				}
			}
			real, counted := heapLive()-before, retainedBytes(vm)-seen
			if real > counted+counted/2+copies*2048 {
				t.Errorf("%s with %v keeps %d bytes, of which the walk sees %d", name, args, real, counted)
			}
			runtime.KeepAlive(vm)
		}
	}
}

// An iterator over a large string counts as much as the string.
func TestRetainedCountsIterators(t *testing.T) {
	t.Parallel()
	vm := sandbox(t, Config{}, `
local kept = {}
function handle() kept[#kept + 1] = ("x"):rep(3000000):gmatch("y") end`)
	for n := range 20 {
		if err := vm.Call(0, testCall()); err != nil {
			t.Fatal(err)
		}
		if vm.Broken() {
			if !strings.Contains(vm.broken, "keeps") {
				t.Errorf("after %d events: %s", n, vm.broken)
			}
			return
		}
	}
	t.Errorf("keeps 20 iterators over 3 MB each: %d bytes", retainedBytes(vm))
}

// A retained ev retains the event, and nothing that its handler wrote.
func TestRetainedEventsDoNotRetainTheirCall(t *testing.T) {
	vm := sandbox(t, Config{}, `
local kept = {}
function handle(ev) kept[#kept + 1] = ev end`)
	before := heapLive()
	for range 8 {
		c := testCall()
		c.Memory = &world{kv: map[string]json.RawMessage{"k": make(json.RawMessage, 1<<20)}}
		if err := vm.Call(0, c); err != nil {
			t.Fatal(err)
		}
	}
	if n := heapLive() - before; n > 1<<20 {
		t.Errorf("8 events keep %d bytes", n)
	}
	runtime.KeepAlive(vm)
}

// callable returns the functions that rules can call, such as "string.gmatch" and "kv.get".
func callable() []string {
	var names []string
	for name, v := range standard().globals {
		switch v := v.(type) {
		case *lua.LFunction:
			names = append(names, name)
		case *lua.LTable:
			for _, key := range keysOf(shownBy(v)) {
				if shownBy(v).RawGet(key).Type() == lua.LTFunction {
					names = append(names, name+"."+key.String())
				}
			}
		}
	}
	for name := range bindings() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// hoarder returns a VM in a call, with a global table kept.
func hoarder(t *testing.T) *VM {
	t.Helper()
	cfg := chargedConfig(t, 1)
	vm := sandbox(t, cfg, "kept = {} function handle() end")
	vm.call = chargedCall("ev")
	return vm
}

// hoardedArguments are the kinds of arguments for each function.
func hoardedArguments() (all [][]int) {
	for a := range argumentKinds {
		all = append(all, []int{a})
		for b := range argumentKinds {
			all = append(all, []int{a, b}, []int{a, b, 2})
		}
	}
	return all
}

const argumentKinds = 6

// callFor calls a function and returns its results that are new functions or userdata:
// neither arguments nor shared by all VMs.
func callFor(vm *VM, name string, kinds []int, large int) (made []lua.LValue) {
	fn := vm.globals.RawGetString(name)
	if table, field, ok := strings.Cut(name, "."); ok {
		fn = shownBy(vm.globals.RawGetString(table).(*lua.LTable)).RawGetString(field)
	}
	given := lua.LString(strings.Repeat("x", large))
	one := &lua.LTable{Metatable: lua.LNil}
	one.RawSetInt(1, given)
	args := []lua.LValue{given, lua.LString("x"), lua.LNumber(1), one, newList("list", []lua.LValue{given}),
		goFunction(func(L *lua.LState) int { L.Push(given); return 1 })}
	vm.meter.reset(Limits{Steps: 1 << 40, Memory: 1 << 40, Wall: time.Hour})
	run := goFunction(func(L *lua.LState) int {
		L.SetTop(0)
		L.Push(fn)
		for _, k := range kinds {
			L.Push(args[k])
		}
		th, err := vm.protected(L, 1)
		if err != nil {
			return 0
		}
		for i := 1; i <= th.GetTop(); i++ {
			v := th.Get(i)
			switch v := v.(type) {
			case *lua.LFunction:
				if v == nextFunction || v == ipairsFunction {
					continue
				}
			case *lua.LUserData:
			default:
				continue
			}
			if !slices.Contains(args, v) {
				made = append(made, v)
			}
		}
		th.SetTop(0)
		vm.giveBack(th)
		return 0
	})
	if err := vm.protect(run, lua.LNil); err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	vm.L.SetTop(0)
	return made
}

// retainedBytes measures what a VM retains.
func retainedBytes(vm *VM) int64 {
	vm.measureRetained()
	return vm.kept
}

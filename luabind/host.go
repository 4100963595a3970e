package luabind

import (
	"sync"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind/diag"
)

// Host provides globals to scripts that are not rule files, such as specs. These scripts
// run in the same sandbox as rules, with the same kinds of limits. They have Lua's own
// libraries and the globals of the Host. Scripts on any number of goroutines may share a
// Host. It must not be changed after the first script has been loaded.
type Host struct {
	Modules   []string             // modules of rules that need no event: "json", "re"
	Functions map[string]HostFunc  // global functions
	Tables    map[string]HostTable // global tables of functions
	Hints     map[string]string    // hints for globals that people expect and scripts don't have

	once    sync.Once
	globals map[string]lua.LValue // all globals, shared by all VMs
}

// ownerName is the global that holds the owner of a script. No source can contain it.
const ownerName = "(owner)"

// HostTable is a read-only table of functions and tables.
type HostTable struct {
	Call      HostFunc // function that a call of the table itself runs; nil: it can't be called
	Functions map[string]HostFunc
	Tables    map[string]HostTable
}

// HostFunc is a Go function that scripts can call. It returns its results.
type HostFunc func(u *HostCall) []lua.LValue

// Script is a loaded file with the globals of a Host. Only one goroutine at a time may
// use it.
type Script struct{ vm *VM }

// LoadScript runs a file with the globals of a Host, under the budget of loading a pack.
// It replaces cfg.Files. Functions of the Host get owner from HostCall.Owner. The error is a
// diag.List.
func LoadScript(cfg Config, p *Program, h *Host, owner any) (*Script, error) {
	cfg.Files = []*Program{p}
	vm := newVM(cfg)
	h.install(vm)
	vm.setGlobal(ownerName, &lua.LUserData{Value: owner, Metatable: lua.LNil})
	vm.meter.reset(vm.loadingLimits())
	defer vm.meter.end(vm)
	if err := vm.runFile(p); err != nil {
		return nil, diag.List{vm.failure(err).Diagnostic}
	}
	late := goFunction(func(L *lua.LState) int {
		name := shorten(toText(L, L.Get(2)))
		raise(L, "write `local "+name+"`", "%s is global, and can only be set while the file loads", name)
		return 0
	})
	vm.env.Metatable = lock(vm.globals, late)
	return &Script{vm}, nil
}

// Begin sets the budget of a call, for all calls until the next Begin or End.
func (s *Script) Begin() { s.vm.meter.reset(s.vm.callLimits()) }

// End ends the budget that Begin set. Other scripts of the same memory budget may continue.
func (s *Script) End() { s.vm.meter.end(s.vm) }

// Call runs a function that the script has passed to a function of the Host, without
// arguments. It returns nil if the function succeeded.
func (s *Script) Call(fn *lua.LFunction) *Failure {
	if s.vm.broken != "" {
		return unrunnable("the script can't continue: " + s.vm.broken)
	}
	if err := s.vm.protect(fn, lua.LNil); err != nil {
		return s.vm.failure(err)
	}
	return nil
}

// Broken reports whether the script can't be called any more, because it exceeded a limit.
func (s *Script) Broken() bool { return s.vm.broken != "" }

func (h *Host) install(vm *VM) {
	h.once.Do(func() {
		h.globals = map[string]lua.LValue{}
		for _, name := range h.Modules {
			h.globals[name] = modules()[name]
		}
		for name, w := range h.Functions {
			h.globals[name] = w.function()
		}
		for name, m := range h.Tables {
			h.globals[name] = m.table(name)
		}
	})
	for name, v := range h.globals {
		vm.setGlobal(name, v)
	}
	if vm.cfg.Cover != nil {
		installCover(vm, vm.cfg.Cover)
	}
	undefined := vm.L.CreateTable(0, 1)
	undefined.RawSetString("__index", goFunction(func(L *lua.LState) int {
		if name, ok := L.Get(2).(lua.LString); ok && h.Hints[string(name)] != "" {
			raiseMistake(L, NotDefined(string(name), h.Hints[string(name)]))
		}
		return undefinedGlobal(L)
	}))
	vm.globals.Metatable = undefined
}

func (w HostFunc) function() *lua.LFunction {
	return goFunction(func(L *lua.LState) int {
		charge(L, 5, 0)
		results := w(&HostCall{vm: vmOf(L), L: L})
		for _, v := range results {
			L.Push(v)
		}
		return len(results)
	})
}

func (m HostTable) table(name string) *lua.LTable {
	fields := map[string]lua.LValue{}
	for word, w := range m.Functions {
		fields[word] = w.function()
	}
	for sub, members := range m.Tables {
		fields[sub] = members.table(name + "." + sub)
	}
	t := library(name, fields, true)
	if m.Call != nil {
		call := m.Call.function()
		t.Metatable.(*lua.LTable).RawSetString("__call", goFunction(func(L *lua.LState) int {
			L.Remove(1) // the table itself
			return call.GFunction(L)
		}))
	}
	return t
}

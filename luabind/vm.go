package luabind

import (
	"errors"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind/diag"
)

// VM is one sandboxed Lua state with a pack's files loaded. It is used by one
// goroutine at a time; programs and data may be shared with other VMs.
type VM struct {
	L     *lua.LState
	meter meter
	main  *thread

	cfg     Config
	limits  Limits
	account *Account

	env      *lua.LTable         // what _G is in scripts: always empty, see globals.go
	globals  *lua.LTable         // what the pack's files have defined
	handlers []subscribed        // by Subscription.Index
	modules  *moduleTable        // what require has loaded
	programs map[string]*Program // that have run, by their files

	reg   Registrar // while loading
	diags diag.List // while loading: what subscribing refused
	call  *Call     // the call that runs; nil while loading
	bound bound     // what the modules keep of it

	raised raised // the last error, as it was when it was raised
	enter  *lua.LFunction
	panics func(*lua.LState)

	idle    []*lua.LState // threads for pcall
	running []*lua.LState // threads that pcall is running on, outermost first
	random  random

	broken  string // why the VM must be thrown away; "": it need not
	kept    int64  // bytes kept, at the last walk
	counted int64  // of them in the account
	walked  int64  // meter.used at the last walk
}

// subscribed is a function a file has made a handler.
type subscribed struct {
	fn   *lua.LFunction
	file string
}

// Load makes a VM and runs the files of cfg in it, in order, under ten times
// the budget of a call together. Its error is a diag.List of what went wrong
// in all files: a file that fails does not keep the next from being read.
func Load(cfg Config, reg Registrar) (*VM, error) {
	vm := newVM(cfg)
	vm.reg = reg
	installModules(vm)
	vm.meter.reset(vm.loadingLimits())
	defer vm.meter.end(vm)
	for _, p := range cfg.Files {
		if err := vm.runFile(p); err != nil {
			vm.diags = append(vm.diags, vm.failure(err).Diagnostic)
		}
		if vm.broken != "" {
			break
		}
	}
	vm.reg = nil
	if vm.diags.Errors() {
		return nil, vm.diags
	}
	vm.lockGlobals()
	if vm.checkRetained(); vm.broken != "" {
		return nil, vm.retainsTooMuch()
	}
	return vm, nil
}

// retainsTooMuch is the error of files that fill the memory as they load.
func (vm *VM) retainsTooMuch() diag.List {
	d := diag.Diagnostic{Severity: diag.SeverityError, Message: "after loading, " + vm.broken,
		Hint: "put lists into data/*.yaml, *.txt or *.csv and read them with data.load: they are in memory only once"}
	if len(vm.cfg.Files) > 0 {
		d.File = vm.cfg.Files[0].File
	}
	return append(vm.diags, d)
}

// newVM is a state with the libraries every script sees, and nothing loaded.
func newVM(cfg Config) *VM {
	vm := &VM{L: lua.NewState(stateOptions), cfg: cfg, limits: cfg.Limits.withDefaults(), account: cfg.Account, programs: map[string]*Program{}}
	if vm.account == nil {
		vm.account = NewAccount()
	}
	// The one reading of a clock in this package. It never decides what a rule
	// does, only that one is stopped that would not end in time.
	vm.meter.now = time.Now
	vm.main = newThread(vm, vm.L, maxRegisters)
	vm.panics = vm.onRaise
	vm.enter = goFunction(enter)
	vm.openGlobals()
	return vm
}

// runFile runs a file's chunk.
func (vm *VM) runFile(p *Program) error {
	return vm.protect(vm.chunk(p), concatFunction)
}

// chunk is a program as a function of this VM. It takes the function that `..`
// calls as its argument.
func (vm *VM) chunk(p *Program) *lua.LFunction {
	vm.programs[p.File] = p
	return vm.L.NewFunctionFromProto(p.proto)
}

// Call runs the handler of a subscription. It returns nil or a *Failure. A VM
// that is Broken afterwards must be thrown away.
func (vm *VM) Call(index int, c *Call) (err error) {
	if vm.broken != "" {
		return unrunnable("this VM can't be used any more: " + vm.broken)
	}
	if index < 0 || index >= len(vm.handlers) {
		return unrunnable(fmt.Sprintf("there is no handler %d: the files subscribed %d", index, len(vm.handlers)))
	}
	vm.call = c
	vm.meter.reset(vm.callLimits())
	vm.random.seed(c.Seed)
	h := &vm.handlers[index]
	vm.resetRaised(h)
	defer func() {
		// Lua code runs protected; this is for what runs before and after it.
		if r := recover(); r != nil {
			vm.broken = "a library function failed"
			err = vm.failure(&lua.ApiError{Type: lua.ApiErrorPanic, Object: lua.LString(fmt.Sprint(r))})
		}
		vm.call = nil
		vm.bound.ev.freeze()
		vm.bound.ev = nil
		vm.meter.end(vm)
		if vm.broken != "" {
			vm.Discard()
		}
	}()
	err = vm.protect(h.fn, newEvent(vm, c))
	if err == nil {
		err = vm.storeState()
	}
	vm.checkRetained()
	if err != nil {
		return vm.failure(err)
	}
	return nil
}

// loadingLimits are those of all files together while they load: of the memory
// limit, what the pack's data takes is taken off.
func (vm *VM) loadingLimits() Limits {
	l := vm.limits.forLoading()
	l.Memory = max(l.Memory-vm.account.held, l.Memory/4)
	return l
}

// callLimits are those of a call: of the memory limit, what the pack keeps
// between events is taken off. It keeps three quarters at most.
func (vm *VM) callLimits() Limits {
	l := vm.limits
	l.Memory = max(l.Memory-vm.account.kept.Load(), l.Memory/4)
	return l
}

// Discard gives back what the VM's account counts for it. A VM that is not
// called any more is discarded; one that is broken does it by itself.
func (vm *VM) Discard() { vm.retains(0) }

// keeps notes how many bytes the VM keeps between calls.
func (vm *VM) retains(bytes int64) {
	vm.account.kept.Add(bytes - vm.counted)
	vm.counted = bytes
}

// storeState ends a call that went well: what the handler left in ev.state is
// handed over, still under the call's budget.
func (vm *VM) storeState() error {
	err := finishEvent(vm, vm.L)
	if vm.meter.trip != "" {
		return vm.overran()
	}
	return err
}

// Steps is how many steps the last call, or loading, has used.
func (vm *VM) Steps() int64 { return vm.meter.steps() }

// Allocated is how many bytes the last call, or loading, was charged for.
func (vm *VM) Allocated() int64 { return vm.meter.allocated() }

// Handlers is how many subscriptions the files have made.
func (vm *VM) Handlers() int { return len(vm.handlers) }

// Broken reports whether the VM must be thrown away and loaded anew: after an
// overrun, after a fault in the library, or because of what it has kept. What
// it did until then stands.
func (vm *VM) Broken() bool { return vm.broken != "" }

// Why says in words why the VM is broken; "" if it is not.
func (vm *VM) Why() string { return vm.broken }

// unrunnable is the failure of a call that can't begin.
func unrunnable(message string) *Failure {
	return &Failure{Kind: Raised, Diagnostic: diag.Diagnostic{Severity: diag.SeverityError, Message: message}}
}

// protect calls a Lua function with one argument on the main thread and drops
// its results. The error is nil only if the meter, too, says that all is well:
// a script can make an error look like success.
func (vm *VM) protect(fn *lua.LFunction, arg lua.LValue) error {
	L := vm.L
	L.SetTop(0)
	L.Push(fn)
	L.Push(arg)
	vm.meter.arm()
	err := L.PCall(1, 0, nil)
	if vm.meter.trip != "" {
		return vm.overran()
	}
	if err != nil {
		vm.faulted(err)
	}
	return err
}

// overran says that the meter has tripped, which breaks the VM.
func (vm *VM) overran() error {
	o := overrun(vm.meter.trip)
	vm.broken = o.Error()
	return o
}

// faulted looks for errors that no script can raise: panics of Go code, and
// stacks that overflowed. Either may leave the state inconsistent.
func (vm *VM) faulted(err error) {
	var ae *lua.ApiError
	if !errors.As(err, &ae) {
		vm.broken = "an error of unknown kind"
		return
	}
	if ae.Type == lua.ApiErrorPanic {
		vm.broken = "a library function failed"
	}
}

// enter is the innermost Go function of a call on another thread: its arguments
// are a function, of Lua or Go, and what to call it with. It sets our Panic, as
// meter.arm does for calls of handlers.
func enter(L *lua.LState) int {
	L.Panic = vmOf(L).panics
	L.Call(L.GetTop()-1, lua.MultRet)
	return L.GetTop()
}

// vmOf is the VM a Lua thread belongs to.
func vmOf(L *lua.LState) *VM { return L.Context().(*thread).vm }

// subscribe makes fn a handler and reports it to the Registrar. The place is
// that of the Lua call that is being made. What the Registrar refuses becomes a
// diagnostic there, and loading goes on.
func (vm *VM) subscribe(L *lua.LState, s Subscription, fn *lua.LFunction) {
	if len(vm.handlers) >= maxHandlers {
		raise(L, "put a list of words or numbers into the where of one rule", "a pack may subscribe at most %d times", maxHandlers)
	}
	charge(L, 50, 1000)
	at := L.Context().(*thread).place()
	s.Index, s.File, s.Line = len(vm.handlers), at.file, at.line
	if fn.Proto != nil {
		s.RunLine = fn.Proto.LineDefined
		if vm.reg != nil {
			s.Digest = digest(fn.Proto)
		}
	}
	vm.handlers = append(vm.handlers, subscribed{fn: fn, file: s.File})
	if vm.reg == nil {
		return
	}
	if err := vm.reg.Subscribe(s); err != nil && len(vm.diags) < maxDiagnostics {
		vm.report(at, err)
	}
}

// report adds an error at a place to what Load returns. A diag.List keeps its
// own messages and hints, and gets the place where it has none.
func (vm *VM) report(at place, err error) {
	var ds diag.List
	if !errors.As(err, &ds) {
		ds = diag.List{{Severity: diag.SeverityError, Message: err.Error()}}
	}
	for _, d := range ds {
		if d.File == "" {
			d.File, d.Line, d.Col = at.file, at.line, vm.indent(at.file, at.line)
		}
		vm.diags = append(vm.diags, d)
	}
}

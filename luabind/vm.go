package luabind

import (
	"errors"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind/diag"
)

// VM is a sandboxed Lua state in which the files of a pack are loaded. Only one
// goroutine at a time may use it. Its programs and data may be shared with other
// VMs.
type VM struct {
	L     *lua.LState
	meter meter
	main  *thread

	cfg     Config
	limits  Limits
	account *MemoryBudget

	env      *lua.LTable         // _G of scripts: always empty, see globals.go
	globals  *lua.LTable         // globals that the files have defined
	handlers []subscribed        // by Subscription.Index
	modules  *moduleTable        // modules that require has loaded
	programs map[string]*Program // programs that have run, by file

	reg   Registrar // while files load
	diags diag.List // errors of subscriptions, while files load
	call  *Call     // the current call; nil while files load
	bound bound     // state of the modules

	raised raised // the last error, with its stack
	enter  *lua.LFunction
	panics func(*lua.LState)

	idle    []*lua.LState // threads for pcall
	running []*lua.LState // threads on which pcall is running, outermost first
	random  random

	broken  string // why the VM must be discarded; "": it need not be
	kept    int64  // bytes retained at the last walk
	counted int64  // bytes that the account counts for this VM
	walked  int64  // meter.used at the last walk
}

// subscribed is the handler of a subscription.
type subscribed struct {
	fn   *lua.LFunction
	file string
}

// Load returns a VM in which it has run the files of cfg, in order. All files
// together have ten times the budget of a call. The error is a diag.List with the
// errors of all files: Load continues with the next file when one fails.
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

// retainsTooMuch returns the error of files that retain too much after loading.
func (vm *VM) retainsTooMuch() diag.List {
	d := diag.Diagnostic{Severity: diag.SeverityError, Message: "after loading, " + vm.broken,
		Hint: "put lists into data/*.yaml, *.txt or *.csv and read them with data.load: they are in memory only once"}
	if len(vm.cfg.Files) > 0 {
		d.File = vm.cfg.Files[0].File
	}
	return append(vm.diags, d)
}

// newVM returns a VM with the libraries of Lua, in which no file is loaded.
func newVM(cfg Config) *VM {
	vm := &VM{L: lua.NewState(stateOptions), cfg: cfg, limits: cfg.Limits.withDefaults(), account: cfg.Budget, programs: map[string]*Program{}}
	if vm.account == nil {
		vm.account = NewMemoryBudget()
	}
	// This package reads no other clock. The clock only aborts calls: it decides
	// nothing that a rule does.
	vm.meter.now = time.Now
	vm.main = newThread(vm, vm.L, maxRegisters)
	vm.panics = vm.onRaise
	vm.enter = goFunction(enter)
	vm.openGlobals()
	return vm
}

// runFile runs a file.
func (vm *VM) runFile(p *Program) error {
	return vm.protect(vm.chunk(p), concatFunction)
}

// chunk returns a program as a function of this VM. Its argument is the function
// that the operator .. calls.
func (vm *VM) chunk(p *Program) *lua.LFunction {
	vm.programs[p.File] = p
	return vm.L.NewFunctionFromProto(p.proto)
}

// Call runs the handler of a subscription and returns nil or a *Failure. If the VM
// is Broken afterwards, it can't be called again.
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
		// Lua code runs protected. This is for the Go code before and after it.
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

// loadingLimits returns the limits for loading all files together. The data of the
// pack counts towards the memory limit.
func (vm *VM) loadingLimits() Limits {
	l := vm.limits.forLoading()
	l.Memory = max(l.Memory-vm.account.held, l.Memory/4)
	return l
}

// callLimits returns the limits of a call. What the pack retains between events
// counts towards the memory limit; a quarter is always left.
func (vm *VM) callLimits() Limits {
	l := vm.limits
	l.Memory = max(l.Memory-vm.account.kept.Load(), l.Memory/4)
	return l
}

// Discard releases the VM's share of the pack's memory budget. Its owner calls
// Discard after the last call. A broken VM has released its share already.
func (vm *VM) Discard() { vm.setRetained(0) }

// setRetained sets how many bytes the VM retains between calls.
func (vm *VM) setRetained(bytes int64) {
	vm.account.kept.Add(bytes - vm.counted)
	vm.counted = bytes
}

// storeState stores ev.state after a handler that succeeded. The work counts
// towards the budget of the call.
func (vm *VM) storeState() error {
	err := finishEvent(vm, vm.L)
	if vm.meter.trip != "" {
		return vm.overran()
	}
	return err
}

// Steps returns the number of steps that the last call, or loading, used.
func (vm *VM) Steps() int64 { return vm.meter.steps() }

// Broken reports whether the VM must be discarded and another one loaded: because
// a call exceeded a limit, a library function panicked, or the VM retains too much.
// The result of the last call remains valid.
func (vm *VM) Broken() bool { return vm.broken != "" }

// unrunnable returns the failure of a call that can't begin.
func unrunnable(message string) *Failure {
	return &Failure{Kind: LuaError, Diagnostic: diag.Diagnostic{Severity: diag.SeverityError, Message: message}}
}

// protect calls a Lua function with one argument on the main thread and drops its
// results. It returns an error if the meter has tripped, even if the function
// returned: a script can catch errors.
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

// overran breaks the VM, whose meter has tripped, and returns the error.
func (vm *VM) overran() error {
	o := overrun(vm.meter.trip)
	vm.broken = o.Error()
	return o
}

// faulted breaks the VM after an error that no script can raise, such as a panic
// of Go code: it may have left the state inconsistent.
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

// enter is the Go function with which pcall begins a call on another thread. Its
// arguments are the function to call and that function's arguments. It sets our
// Panic, as meter.arm does for calls of handlers.
func enter(L *lua.LState) int {
	L.Panic = vmOf(L).panics
	L.Call(L.GetTop()-1, lua.MultRet)
	return L.GetTop()
}

// vmOf returns the VM that a Lua thread belongs to.
func vmOf(L *lua.LState) *VM { return L.Context().(*thread).vm }

// subscribe makes fn a handler and reports the subscription to the Registrar. An
// error of the Registrar becomes a diagnostic at the current line, and loading
// continues.
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

// report adds an error to those that Load returns. The diagnostics of a diag.List
// that have no place get this one.
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

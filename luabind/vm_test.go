package luabind

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind/diag"
)

func compiled(t testing.TB, file, src string) *Program {
	t.Helper()
	p, err := Compile(file, []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStepsAreDeterministic(t *testing.T) {
	t.Parallel()
	const src = `
function handle(ev)
  local seen = {}
  for w in ("the quick brown fox"):gmatch("%a+") do seen[w] = (seen[w] or 0) + 1 end
  local t = {}
  for i = 1, 50 do t[i] = math.random(100) end
  table.sort(t)
  local function nest(n) return n == 0 or pcall(nest, n - 1) end
  nest(3)
  pcall(error, "x")
  return table.concat(t, ",")
end`
	steps := map[[2]int64]bool{}
	for range 3 {
		vm := sandbox(t, Config{}, src)
		for range 3 { // the first in a VM is like the others
			if err := vm.Call(0, testCall()); err != nil {
				t.Fatal(err)
			}
			steps[[2]int64{vm.Steps(), vm.meter.allocated()}] = true
		}
	}
	if len(steps) != 1 {
		t.Errorf("the same call used different steps and bytes: %v", steps)
	}
}

// A script whose budget is one step short ends otherwise, and always the same.
func TestBudgetIsExact(t *testing.T) {
	t.Parallel()
	const src = `function handle() for i = 1, 1000 do end end`
	vm := sandbox(t, Config{}, src)
	if err := vm.Call(0, testCall()); err != nil {
		t.Fatal(err)
	}
	need := vm.Steps()
	for _, test := range []struct {
		steps int64
		kind  FailureKind
	}{{need, ""}, {need - 1, OutOfSteps}} {
		vm := sandbox(t, Config{Limits: Limits{Steps: test.steps}}, src)
		err := vm.Call(0, testCall())
		var f *Failure
		if errors.As(err, &f); (f == nil) != (test.kind == "") || f != nil && f.Kind != test.kind {
			t.Errorf("%d steps: %v", test.steps, err)
		}
	}
}

func TestWallAborts(t *testing.T) {
	t.Parallel()
	vm := sandbox(t, Config{Limits: Limits{Steps: 1 << 40, Wall: time.Second}}, "function handle()\n  while true do\n    pcall(function() while true do end end)\n  end\nend")
	now := time.Unix(0, 0)
	vm.meter.now = func() time.Time {
		now = now.Add(10 * time.Millisecond)
		return now
	}
	err := vm.Call(0, testCall())
	var f *Failure
	if !errors.As(err, &f) || f.Kind != TimedOut || f.Line != 3 || !vm.Broken() {
		t.Fatalf("got %v, broken %v", err, vm.Broken())
	}
	if want := "aborted after 1s"; !strings.Contains(f.Message, want) {
		t.Errorf("got %q, want %q", f.Message, want)
	}
	if err := vm.Call(0, testCall()); !errors.As(err, &f) || !strings.Contains(f.Message, "can't be used any more") {
		t.Errorf("a broken VM: %v", err)
	}
}

func TestFailureHasPlaceAndHint(t *testing.T) {
	t.Parallel()
	vm := sandbox(t, Config{}, `local function inner(x)
  return x.chat.id
end
function handle(ev)
  inner({})
end`)
	err := vm.Call(0, testCall())
	var f *Failure
	if !errors.As(err, &f) {
		t.Fatal(err)
	}
	if f.Kind != LuaError || f.File != "rule.lua" || f.Line != 2 || strings.Join(f.Stack, " ") != "rule.lua:2 rule.lua:5" {
		t.Errorf("got %s at %s:%d, stack %v", f.Kind, f.File, f.Line, f.Stack)
	}
	if want := "rule.lua:2:17: error: attempt to index a nil value (x.chat) with key 'id'\n  hint: x.chat is nil here: check it first, as in `if x.chat then`"; f.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", f.Error(), want)
	}
	if vm.Broken() {
		t.Error("an ordinary error broke the VM")
	}
}

func TestOverrunHasTheHottestLine(t *testing.T) {
	t.Parallel()
	vm := sandbox(t, Config{Limits: Limits{Wall: time.Minute}}, `function handle()
  local t = {}
  for i = 1, 100 do t[i] = i end
  while true do
    local x = ("a"):rep(1000):find(".-b")
  end
end`)
	err := vm.Call(0, testCall())
	if err == nil || !strings.Contains(err.Error(), "stopped after 1,000,000 steps, its budget") || !strings.Contains(err.Error(), "of the time went to rule.lua:5") {
		t.Error(err)
	}
}

func TestGlobals(t *testing.T) {
	t.Parallel()
	t.Run("made while loading are shared by the files", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Files: []*Program{compiled(t, "a.lua", "limit = 3 function double(x) return 2 * x end")}}
		vm, err := loadSandbox(cfg, "assert(double(limit) == 6 and _G.limit == 3) function handle() assert(double(limit) == 6) end")
		if err != nil {
			t.Fatal(err)
		}
		if err := vm.Call(0, testCall()); err != nil {
			t.Error(err)
		}
	})
	for _, test := range []struct{ name, body, want string }{
		{"set later", "counter = 1", "counter is global\n  hint: write `local counter`; to remember it between events use `ev.state`"},
		{"one that is there", "handle = nil", "handle is global"},
		{"through _G", "_G.counter = 1", "counter is global"},
		{"through rawset", "rawset(_G, 'counter', 1)", "can't be changed"},
		{"read", "return countre", "countre is not defined"},
		{"misspelt", "hanlde()", "hanlde is not defined\n  hint: did you mean handle?"},
		{"function at run time", "function late() end", "late is global"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			vm := sandbox(t, Config{}, "function handle() "+test.body+" end")
			if err := vm.Call(0, testCall()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	t.Run("the errors of all files are reported", func(t *testing.T) {
		t.Parallel()
		_, err := Load(Config{Files: []*Program{compiled(t, "a.lua", "\nmissing()"), compiled(t, "b.lua", "x = nil + 1")}}, new(subscriptions))
		var ds diag.List
		if !errors.As(err, &ds) || len(ds) != 2 || ds[0].File != "a.lua" || ds[0].Line != 2 || ds[1].File != "b.lua" {
			t.Errorf("got %v", err)
		}
	})
}

func TestRequire(t *testing.T) {
	t.Parallel()
	lib := map[string]*Program{
		"phones": compiled(t, "lib/phones.lua", "local p = { n = 0 } function p.count() p.n = p.n + 1 return p.n end return p"),
		"a":      compiled(t, "lib/a.lua", "return require('b')"),
		"b":      compiled(t, "lib/b.lua", "return require('a')"),
		"none":   compiled(t, "lib/none.lua", "local x = ..."),
		"bad":    compiled(t, "lib/bad.lua", "\nerror('broken')"),
	}
	for _, test := range []struct{ src, want string }{
		{"local p = require 'phones' p.count() assert(require('phones').count() == 2) assert(require 'none' == true)", ""},
		{"require 'a'", `module "a" requires itself: a → b → a`},
		{"require 'phone'", "there is no module \"phone\"\n  hint: did you mean phones?"},
		{"require 'bad'", "lib/bad.lua:2:1: error: broken"},
	} {
		_, err := Load(Config{Files: []*Program{compiled(t, "r.lua", test.src)}, Lib: lib}, new(subscriptions))
		if got := errorText(err); test.want == "" && err != nil || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %v, want %s", test.src, err, test.want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Programs and libraries are shared by VMs on many goroutines, and none can
// change what another sees.
func TestVMsShareNothingTheyCanChange(t *testing.T) {
	t.Parallel()
	p := compiled(t, "rule.lua", `
local n = 0
greeting = "hello"
function handle()
  n = n + 1
  pcall(function() string.format = nil end)
  pcall(rawset, string, "format", print)
  pcall(setmetatable, math, {})
  local t = {}
  for k in pairs(string) do t[#t + 1] = k end
  assert(#t == 14, #t)
  assert(string.format("%s", greeting) == "hello" and ("x"):rep(2) .. n == "xx" .. n)
end`)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			vm, err := Load(Config{Files: []*Program{p}}, new(subscriptions))
			if err != nil {
				t.Error(err)
				return
			}
			vm.handlers = append(vm.handlers, subscribed{fn: vm.globals.RawGetString("handle").(*lua.LFunction)})
			for range 50 {
				if err := vm.Call(0, testCall()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestRandomIsSeededByTheCall(t *testing.T) {
	t.Parallel()
	vm := sandbox(t, Config{}, `drawn = {} function handle() drawn[#drawn + 1] = math.random(1e9) end`)
	c := testCall()
	for _, seed := range []uint64{1, 2, 1} {
		c.Seed = seed
		if err := vm.Call(0, c); err != nil {
			t.Fatal(err)
		}
	}
	drawn := vm.globals.RawGetString("drawn").(*lua.LTable)
	if a, b, c := drawn.RawGetInt(1), drawn.RawGetInt(2), drawn.RawGetInt(3); a != c || a == b {
		t.Errorf("drawn %v, %v, %v with seeds 1, 2, 1", a, b, c)
	}
}

func TestSourceIsMadeReadable(t *testing.T) {
	t.Parallel()
	for _, src := range []string{"\ufefferror('x')", "#!/usr/bin/lua\nerror('x')", "\ufeff#!/x\r\nerror('x')\r\n", "-- é ü 漢\nerror('x')", "#", ""} {
		p := compiled(t, "r.lua", src)
		_, err := Load(Config{Files: []*Program{p}}, new(subscriptions))
		var ds diag.List
		if strings.Contains(src, "error") && (!errors.As(err, &ds) || ds[0].Line != 1+strings.Count(src, "\n")-strings.Count(src, "\r\n")/2) {
			t.Errorf("%q: %v", src, err)
		}
		if string(p.Source) != src {
			t.Errorf("%q: source %q", src, p.Source)
		}
	}
}

// Ordinary handlers retain nothing, so that a VM can be called any number of times.
func TestVMIsReused(t *testing.T) {
	t.Parallel()
	vm := sandbox(t, Config{}, `
local last = {}
function handle(ev)
  last.text = ev.text
  local t = {}
  for w in ev.text:gmatch("%a") do t[#t + 1] = w .. ev.id end
  pcall(error, table.concat(t))
end`)
	for range 2000 {
		if err := vm.Call(0, testCall()); err != nil {
			t.Fatal(err)
		}
	}
	if vm.Broken() || retainedBytes(vm) > 64<<10 {
		t.Errorf("keeps %d bytes; broken: %q", retainedBytes(vm), vm.broken)
	}
}

// What a call of the sandbox itself allocates is nothing.
func TestCallAllocatesNothing(t *testing.T) {
	vm := sandbox(t, Config{}, "function handle(ev) local x = 1 if x == 2 then return ev end end")
	fn := vm.handlers[0].fn
	if n := testing.AllocsPerRun(100, func() {
		vm.meter.reset(vm.limits)
		if err := vm.protect(fn, lua.LNil); err != nil {
			t.Fatal(err)
		}
		vm.checkRetained()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A fault of ours fails the call and the VM, not the process, and shows no Go
// stack.
func TestFaultsAreContained(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, src string
		call      func() *Call
	}{
		{"in a module", "function handle() print('x') end", func() *Call {
			c := testCall()
			c.Effects = nil
			return c
		}},
		{"behind pcall", "function handle() pcall(print, 'x') end", func() *Call {
			c := testCall()
			c.Effects = nil
			return c
		}},
		{"before the handler", "function handle() end", func() *Call { return &Call{} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			vm := sandbox(t, Config{}, test.src)
			err := vm.Call(0, test.call())
			if !vm.Broken() {
				t.Error("the VM is not broken")
			}
			var f *Failure
			if err != nil && (!errors.As(err, &f) || !strings.Contains(f.Message, "a library function failed") || strings.Contains(f.Message, "\n")) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A handler may be one of our own functions.
func TestGoFunctionAsHandler(t *testing.T) {
	t.Parallel()
	vm := sandbox(t, Config{}, "handle = tostring")
	if err := vm.Call(0, testCall()); err != nil {
		t.Error(err)
	}
	vm = sandbox(t, Config{}, "handle = string.rep")
	err := vm.Call(0, testCall())
	var f *Failure
	if !errors.As(err, &f) || !strings.HasPrefix(f.Message, "bad argument #1 to") {
		t.Errorf("got %v", err)
	}
	if vm.Broken() {
		t.Error("an ordinary error broke the VM")
	}
}

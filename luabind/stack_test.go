package luabind

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// watched wraps all functions of a VM, so that each is seen to leave the stack as
// it found it and its results on top: one that leaves more behind at each turn
// of a loop overflows it on a long text.
type watched struct {
	t      *testing.T
	called map[string]bool
}

func (w *watched) wrap(name string, fn *lua.LFunction) *lua.LFunction {
	w.called[name] = false
	return goFunction(func(L *lua.LState) int {
		w.called[name] = true
		args := L.GetTop()
		n := fn.GFunction(L)
		if top := L.GetTop(); top-n > args || n > top {
			w.t.Errorf("%s was called with %d values, gives %d and leaves %d on the stack", name, args, n, top)
		}
		return n
	})
}

// all wraps what scripts see: globals, and the fields of libraries.
func (w *watched) all(vm *VM) {
	for _, key := range keysOf(vm.globals) {
		name := string(key.(lua.LString))
		switch v := vm.globals.RawGetString(name).(type) {
		case *lua.LFunction:
			vm.setGlobal(name, w.wrap(name, v))
		case *lua.LTable:
			from := shownBy(v)
			if from == nil || name == "_G" {
				continue
			}
			lib := vm.L.NewTable()
			for _, field := range keysOf(from) {
				value := from.RawGet(field)
				if fn, ok := value.(*lua.LFunction); ok {
					value = w.wrap(name+"."+field.String(), fn)
				}
				lib.RawSet(field, value)
			}
			vm.setGlobal(name, lib)
		}
	}
}

// everyFunction calls all there is, and what takes a function with one that is
// called several times.
const everyFunction = `
local function each(...) return ... end
local list = { 3, 1, 2 }
chert.on("message.received", function(ev)
  assert(true, 1) pcall(error, "x", 0) getmetatable("") rawequal(1, 2) rawget(list, 1) rawset(list, 4, 4)
  for _ in ipairs(list) do end for _ in pairs(list) do end next(list) pcall(each, 1, 2, 3) pcall(pcall, error)
  print("x", tostring(setmetatable({}, { __tostring = function() return "t" end })), setmetatable({}, { __tostring = function() return "u" end }))
  select("#", 1, 2) select(2, 1, 2, 3) select(-1, 1, 2) tonumber("7") tonumber("7", 8) tostring(1) type(1) unpack(list)
  xpcall(function() return 1, 2 end, each) xpcall(error, each) xpcall(error, error)
  string.byte("abc", 1, -1) string.char(1, 2) string.find("abc", "(b)") string.format("%s%d", "x", 1) string.len("x") string.lower("X")
  for _ in string.gmatch("a b c", "%a") do end for _ in string.gfind("a b c", "%a") do end
  string.gsub(("ab"):rep(20), "(a)(b)", function(a, b) return b .. a end) string.gsub("abc", "%a", { a = 1 }) string.gsub("abc", "%a", "%0%0")
  string.match("abc", "(a)(b)") string.rep("x", 3) string.reverse("abc") string.sub("abc", 2) string.upper("x")
  table.concat(list, ",") table.getn(list) table.insert(list, 5) table.insert(list, 1, 5) table.maxn(list) table.remove(list) table.remove(list, 1)
  table.sort(list) table.sort(list, function(a, b) return a > b end)
  for name, f in pairs(math) do if type(f) == "function" then pcall(f, 1, 2) pcall(f, 1) pcall(f) end end
  re.match("(l+)(o?)", "hello") re.find("l", "hello") re.find("l", "hello", 4)
  re.gsub("(l)(o)?", ("hello "):rep(20), function(a, b) return b and b .. a or a end) re.gsub("l", "hello", { l = "L" }) re.gsub("l", "hello", "$1%0")
  json.decode(json.encode({ a = { 1, 2 }, b = "x" })) json.decode("[1,{}]")
  kv.set("a", 1) kv.get("a") kv.list("") pcall(kv.incr or each, "n") kv.set("b", { 1 }, { ttl = "1h" }) kv.delete("a")
  log.info("x", { a = 1 }) log.debug("x") log.warn("x") log.error("x")
  pcall(data.load, "x")
  for name, f in pairs(chert) do if type(f) == "function" then
    pcall(f) pcall(f, "c1") pcall(f, ev.chat.id, "1m") pcall(f, "n", "1m", { a = 1 }) pcall(f, ev.message.id, "love") pcall(f, "09:00-17:00", "UTC")
  end end
  for k in pairs(ev) do end ev.state.a = { 1 } for k, v in pairs(ev.raw) do end
  local sum = "1" + 2 - "3" * 2 / "2" % 2 ^ "2" + -"1"
  pcall(function() return "1" + setmetatable({}, { __add = each }) end)
  pcall(require, "x")
end)
`

func TestFunctionsLeaveTheStackAsItWas(t *testing.T) {
	t.Parallel()
	p, err := Compile("rule.lua", []byte(everyFunction))
	if err != nil {
		t.Fatal(err)
	}
	granted := map[string]bool{}
	for _, it := range Symbols() {
		granted[it.Grant] = true
	}
	var subs subscriptions
	vm := newVM(Config{Files: []*Program{p}, Grants: granted, Data: func(string) (any, error) { return []any{"x"}, nil }})
	vm.reg = &subs
	installModules(vm)
	w := &watched{t: t, called: map[string]bool{}}
	w.all(vm)
	vm.meter.reset(vm.limits.forLoading())
	if err := vm.runFile(p); err != nil {
		t.Fatal(vm.failure(err))
	}
	vm.lockGlobals()
	err = vm.Call(0, &Call{Event: testEvent("message.received"), Now: time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC), Effects: new(world), Memory: new(world)})
	if err != nil {
		t.Fatal(err)
	}
	var missed []string
	for name, called := range w.called {
		if !called {
			missed = append(missed, name)
		}
	}
	if slices.Sort(missed); len(missed) > 0 {
		t.Errorf("never called: %s", strings.Join(missed, ", "))
	}
}

// Functions that call back, or that walk a text, need no more stack for a long
// text than for a short one.
func TestCallbacksDoNotFillTheStack(t *testing.T) {
	t.Parallel()
	for _, call := range []string{
		`string.gsub(text, "a", function() deepest(1) return "b" end)`,
		`string.gsub(text, "(a)()", function(a, b) deepest(1) return b end)`,
		`string.gsub(text, "a", setmetatable({}, { __index = function() deepest(1) end }))`,
		`re.gsub("a", text, function() deepest(1) return "b" end)`,
		`re.gsub("(a)(b)?", text, function() deepest(1) end)`,
		`re.gsub("a", text, setmetatable({}, { __index = function() deepest(1) end }))`,
		`for a in text:gmatch("a") do deepest(1) end`,
		`local l = {} for i = 1, #text do l[i] = i % 7 end table.sort(l, function(a, b) deepest(1) return a < b end)`,
		`local s = setmetatable({}, { __concat = function(a, b) deepest(1) return b end }) local x = s ` + strings.Repeat(".. s ", 30),
		`for i = 1, #text do pcall(function() deepest(1) error("x") end) end`,
		`for i = 1, #text do local x = "1" + setmetatable({}, { __add = function() deepest(1) end }) end`,
		`for i = 1, #text do tostring(setmetatable({}, { __tostring = function() deepest(1) return "x" end })) end`,
		`print(` + strings.Repeat(`setmetatable({}, { __tostring = function() deepest(1) return "x" end }), `, 30) + ` 1)`,
	} {
		depth := func(n int) (first, most, calls int) {
			p, err := Compile("rule.lua", fmt.Appendf(nil, "local text = ('a'):rep(%d)\n%s", n, call))
			if err != nil {
				t.Fatalf("%s: %v", call, err)
			}
			vm := newVM(Config{Files: []*Program{p}})
			installModules(vm)
			vm.setGlobal("deepest", goFunction(func(L *lua.LState) int {
				_, top := registers(L)
				if calls++; calls == 1 {
					first = top
				}
				most = max(most, top)
				return 0
			}))
			vm.meter.reset(vm.limits.forLoading())
			if err := vm.runFile(p); err != nil {
				t.Errorf("%s: %v", call, vm.failure(err))
			}
			return first, most, calls
		}
		_, few, _ := depth(3)
		first, many, calls := depth(300)
		if calls < 25 {
			t.Errorf("%s: called back %d times", call, calls)
		}
		// Sorting and joining may hold a few values more, not one for each turn.
		if many > first+16 {
			t.Errorf("%s: %d registers at the first turn, %d at a later one", call, first, many)
		}
		if many > few+16 {
			t.Errorf("%s: %d registers for a text of 3, %d for one of 300", call, few, many)
		}
	}
}

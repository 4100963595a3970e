package luabind

import (
	"fmt"
	"strings"
	"sync"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// bound is the state of the modules in one VM: that of the current call, and the
// values that calls have loaded, parsed or compiled.
type bound struct {
	ev       *eventView // of the current call
	actions  int        // that the current call has requested
	payloads int        // bytes of the payloads of its timers
	config   lua.LValue
	data     map[string]lua.LValue
	lists    map[string]lua.LValue
	zones    map[string]*time.Location
	windows  map[windowKey]Window
	patterns patterns
}

// maxActions is the maximum number of actions that one call may request.
const maxActions = 1000

// binding is the Go code of a module's function. bind checks the phase, the grant
// and the number of arguments before it runs.
type binding func(vm *VM, L *lua.LState) int

// bindings returns the functions of all modules by their names in the surface.
func bindings() map[string]binding {
	return map[string]binding{
		"chert.on": chertOn, "chert.rule": chertRule, "chert.every": chertEvery,

		"chert.mark_read": chertMarkRead, "chert.cancel_read": chertCancelRead, "chert.postpone": chertPostpone,
		"chert.keep_unread": chertKeepUnread, "chert.hold": chertHold, "chert.release": chertRelease, "chert.set_timer": chertSetTimer, "chert.cancel_timer": chertCancelTimer,
		"chert.typing": chertTyping, "chert.react": chertReact, "chert.send": chertSend, "chert.notify": chertNotify,

		"chert.now": chertNow, "chert.within": chertWithin, "chert.date": chertDate, "chert.normalize": chertNormalize, "chert.cut": chertCut, "chert.list": chertList,

		"kv.get": kvGet, "kv.set": kvSet, "kv.incr": kvIncr, "kv.delete": kvDelete, "kv.list": kvList,
		"data.load": dataLoad,
		"re.match":  reMatch, "re.find": reFind, "re.gsub": reGsub,
		"json.encode": jsonEncode, "json.decode": jsonDecode,
		"log.debug": logAt("debug"), "log.info": logAt("info"), "log.warn": logAt("warn"), "log.error": logAt("error"),
	}
}

// modules returns the table of each module. The tables are made once, never
// written, and shared by all VMs.
var modules = sync.OnceValue(func() map[string]*lua.LTable {
	fields := map[string]map[string]lua.LValue{}
	for name, fn := range bindings() {
		module, function, _ := strings.Cut(name, ".")
		if fields[module] == nil {
			fields[module] = map[string]lua.LValue{}
		}
		fields[module][function] = bind(Lookup(name), fn)
	}
	tables := map[string]*lua.LTable{}
	for name, f := range fields {
		tables[name] = library(name, f, true)
	}
	return tables
})

// installModules defines the modules of rules in a VM.
func installModules(vm *VM) {
	for name, table := range modules() {
		vm.setGlobal(name, table)
	}
	vm.bound.config = newConfig(vm.cfg.Settings)
	vm.setGlobal("config", vm.bound.config)
	if vm.cfg.Cover != nil {
		installCover(vm, vm.cfg.Cover)
	}
}

// bind makes the Lua function of a module's function.
func bind(it *Symbol, fn binding) *lua.LFunction {
	_, function, _ := strings.Cut(it.Name, ".")
	return goFunction(func(L *lua.LState) int {
		vm := vmOf(L)
		if it.Grant != "" && !vm.cfg.Grants[it.Grant] {
			raise(L, fmt.Sprintf("add `permissions: [%s]` to pack.yaml, and have the operator add `grant: [%s]` to chertd.yaml", it.Grant, it.Grant),
				"%s is not granted to this pack", it.Name)
		}
		if m, wrong := it.WrongPhase(vm.call != nil); wrong {
			raiseMistake(L, m)
		}
		top := L.GetTop()
		if t, ok := L.Get(1).(*lua.LTable); ok {
			if shown := shownBy(t); shown != nil && shown.RawGetString(function) != lua.LNil {
				raiseMistake(L, CalledWithColon(it.Name))
			}
		}
		for top > len(it.Params) && L.Get(top) == lua.LNil {
			top--
		}
		if top > len(it.Params) {
			raiseMistake(L, it.TooManyArguments(top))
		}
		charge(L, 5, 0)
		if it.Action {
			if vm.bound.actions++; vm.bound.actions > maxActions {
				raise(L, "request the rest from a timer: chert.set_timer", "%s: more than %d actions in one handler", it.Name, maxActions)
			}
			charge(L, 50, 500)
		}
		return fn(vm, L)
	})
}

// requested ends a function that requests an action: it raises the error with
// which Effects refused the action, if any. It returns no results to Lua.
func requested(L *lua.LState, function string, err error) int {
	if err != nil {
		fail(L, function, err)
	}
	return 0
}

// fail raises an error of Effects or Memory.
func fail(L *lua.LState, function string, err error) {
	raise(L, HintOf(err), "%s: %v", function, err)
}

package luabind

import (
	"math"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// windowKey identifies a parsed window: its text and the name of its zone.
type windowKey struct{ text, zone string }

// maxCached is the maximum number of windows, zones and patterns that a VM caches, of
// each kind. Rules use few, unless they generate them.
const maxCached = 200

// chertNow is chert.now().
func chertNow(vm *VM, L *lua.LState) int {
	L.Push(unixTime(vm.call.Now))
	return 1
}

// chertWithin is chert.within(window [, tz]).
func chertWithin(vm *VM, L *lua.LState) int {
	const name = "chert.within"
	text := wantString(L, name, 1, maxName)
	tz := ""
	if L.Get(2) != lua.LNil {
		tz = wantString(L, name, 2, maxName)
	}
	w, err := vm.opening(L, text, tz)
	if err == nil && w.moments() {
		_, err = ParseWindow(text, nil) // returns the error of a moment
	}
	if err != nil {
		raise(L, "", "%s: %v", name, err)
	}
	L.Push(lua.LBool(w.Contains(vm.call.Now)))
	return 1
}

// chertDate is chert.date(format [, time [, tz]]).
func chertDate(vm *VM, L *lua.LState) int {
	const name = "chert.date"
	format := wantString(L, name, 1, maxName)
	var at time.Time
	switch v := L.Get(2).(type) {
	case lua.LNumber:
		if math.IsNaN(float64(v)) || math.Abs(float64(v)) > 1<<38 {
			raise(L, "", "%s: time %s is out of range: it is in Unix seconds", name, numberText(v))
		}
		at = time.UnixMilli(int64(math.Floor(float64(v) * 1000)))
	case *lua.LNilType:
		if vm.call == nil {
			raise(L, "pass a time: chert.date(format, time)", "%s: there is no current time while the file loads", name)
		}
		at = vm.call.Now
	default:
		wrong(L, name, "", 2, "a number of Unix seconds")
	}
	tz := ""
	if L.Get(3) != lua.LNil {
		tz = wantString(L, name, 3, maxName)
	}
	loc, err := vm.zone(L, tz)
	if err != nil {
		raise(L, "", "%s: %v", name, err)
	}
	s, err := formatTime(format, at.In(loc))
	if err != nil {
		raise(L, "", "%s: %v", name, err)
	}
	charge(L, len(s), len(s))
	L.Push(lua.LString(s))
	return 1
}

// zone returns a time zone by name, and the configured one for "".
func (vm *VM) zone(L *lua.LState, name string) (*time.Location, error) {
	if name == "" {
		if vm.cfg.Zone == nil {
			return time.UTC, nil
		}
		return vm.cfg.Zone, nil
	}
	if loc := vm.bound.zones[name]; loc != nil {
		return loc, nil
	}
	charge(L, 500, 10_000) // LoadZone reads a file
	loc, err := LoadZone(name)
	if err != nil {
		charge(L, 35_000, 0) // it has tried several files and searched for near names
		return nil, err
	}
	if vm.bound.zones == nil || len(vm.bound.zones) >= maxCached {
		vm.bound.zones = map[string]*time.Location{}
	}
	vm.bound.zones[name] = loc
	return loc, nil
}

// opening returns a window or moment, parsed or from the cache.
func (vm *VM) opening(L *lua.LState, text, tz string) (Window, error) {
	key := windowKey{text, tz}
	if w, ok := vm.bound.windows[key]; ok {
		return w, nil
	}
	charge(L, 50, 500)
	loc, err := vm.zone(L, tz)
	if err != nil {
		return Window{}, err
	}
	w, err := ParseOpening(text, loc)
	if err != nil {
		return Window{}, err
	}
	if vm.bound.windows == nil || len(vm.bound.windows) >= maxCached {
		vm.bound.windows = map[windowKey]Window{}
	}
	vm.bound.windows[key] = w
	return w, nil
}

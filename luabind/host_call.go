package luabind

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// HostCall is one call of a HostFunc.
type HostCall struct {
	vm *VM
	L  *lua.LState
}

// Owner returns the owner that LoadScript was called with.
func (u *HostCall) Owner() any {
	return u.vm.globals.RawGetString(ownerName).(*lua.LUserData).Value
}

// N returns the number of arguments.
func (u *HostCall) N() int { return u.L.GetTop() }

// Arg returns an argument, counted from 1; LNil if there is none.
func (u *HostCall) Arg(n int) lua.LValue { return u.L.Get(n) }

// Raise ends the call with an error at its place in the script.
func (u *HostCall) Raise(hint, format string, args ...any) { raise(u.L, hint, format, args...) }

// Charge charges the script's budget with steps for work done on its behalf.
func (u *HostCall) Charge(steps int) { charge(u.L, steps, 0) }

// Place returns the file and line of the call.
func (u *HostCall) Place() (file string, line int) {
	at := u.L.Context().(*thread).place()
	return at.file, at.line
}

// Described returns a value as error texts name it.
func (u *HostCall) Described(v lua.LValue) string { return described(v) }

// Data returns a value as Go data: nil, bool, float64, string, []any or map[string]any.
func (u *HostCall) Data(v lua.LValue) (any, error) { return goValue(u.L, v) }

// Decode returns stored JSON as a Lua value that the script may change; LNil for none.
func (u *HostCall) Decode(text json.RawMessage) (lua.LValue, error) {
	if len(text) == 0 {
		return lua.LNil, nil
	}
	return decodeStored(u.L, text, nil)
}

// Duration parses a number of seconds or a string like "90s". ok is false for other
// types.
func (u *HostCall) Duration(v lua.LValue) (d time.Duration, ok bool, err error) { return durationOf(v) }

// Function returns an argument that is a function; ok is false for other types.
func (u *HostCall) Function(n int) (fn *lua.LFunction, ok bool) {
	fn, ok = u.L.Get(n).(*lua.LFunction)
	return fn, ok
}

// Call calls a function without arguments. Its error ends the call of the HostFunc, too.
func (u *HostCall) Call(fn *lua.LFunction) {
	u.L.Push(fn)
	u.L.Call(0, 0)
}

// Try calls a function without arguments, and returns the value of its error if it
// fails. An exceeded budget is not caught.
func (u *HostCall) Try(fn *lua.LFunction) (value lua.LValue, failed bool) {
	u.L.SetTop(0)
	u.L.Push(fn)
	th, err := u.vm.protected(u.L, 1)
	u.L.SetTop(0)
	if err != nil {
		return errorValue(err), true
	}
	th.SetTop(0)
	u.vm.giveBack(th)
	return lua.LNil, false
}

// Matches reports whether a string matches a Lua pattern.
func (u *HostCall) Matches(s, pattern string) bool {
	find := shownBy(standard().globals["string"].(*lua.LTable)).RawGetString("find")
	u.L.Push(find)
	u.L.Push(lua.LString(s))
	u.L.Push(lua.LString(pattern))
	u.L.Call(2, 1)
	found := u.L.Get(-1) != lua.LNil
	u.L.Pop(1)
	return found
}

// Equal reports whether two values are equal by Lua's ==, without metatables.
func (u *HostCall) Equal(a, b lua.LValue) bool {
	charge(u.L, lengthOf(a)/64, 0)
	return u.L.RawEqual(a, b)
}

// Same compares tables by their content at any depth, and other values like Equal. If
// they differ, path is a place where they do: ".list[3]".
func (u *HostCall) Same(a, b lua.LValue) (path string, same bool) {
	return u.same(a, b, nil)
}

func (u *HostCall) same(a, b lua.LValue, open [][2]*lua.LTable) (string, bool) {
	charge(u.L, 2, 0)
	s, okA := a.(*lua.LTable)
	t, okB := b.(*lua.LTable)
	if !okA || !okB || s == t {
		return "", u.Equal(a, b)
	}
	if slices.Contains(open, [2]*lua.LTable{s, t}) {
		return "", true // a cycle, the same on both sides so far
	}
	if len(open) >= maxJSONDepth {
		raise(u.L, "", "the tables nest deeper than %d", maxJSONDepth)
	}
	open = append(open, [2]*lua.LTable{s, t})
	for k, v := s.Next(lua.LNil); k != lua.LNil; k, v = s.Next(k) {
		if path, same := u.same(v, t.RawGet(k), open); !same {
			return keyPath(k) + path, false
		}
	}
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		charge(u.L, 1, 0)
		if v != lua.LNil && s.RawGet(k) == lua.LNil {
			return keyPath(k), false
		}
	}
	return "", true
}

func keyPath(k lua.LValue) string {
	if s, ok := k.(lua.LString); ok {
		return "." + shorten(string(s))
	}
	return "[" + shorten(k.String()) + "]"
}

// Shown formats a value for a failure: on one line, strings quoted, tables with sorted
// keys, truncated if it is long.
func (u *HostCall) Shown(v lua.LValue) string {
	out := u.shown(nil, v, 0)
	const most = 600
	if len(out) > most {
		return string(out[:most]) + "…"
	}
	return string(out)
}

func (u *HostCall) shown(out []byte, v lua.LValue, depth int) []byte {
	charge(u.L, 2, 16)
	t, ok := v.(*lua.LTable)
	switch {
	case v.Type() == lua.LTString:
		return append(out, quote(string(v.(lua.LString)))...)
	case !ok:
		return append(out, toText(u.L, v)...)
	case depth > 4 || len(out) > 600:
		return append(out, "{…}"...)
	}
	named := map[string]lua.LValue{}
	out = append(out, '{')
	comma := func() {
		if len(out) > 0 && out[len(out)-1] != '{' {
			out = append(out, ", "...)
		}
	}
	n := t.Len()
	for i := 1; i <= n && len(out) < 600; i++ {
		comma()
		out = u.shown(out, t.RawGetInt(i), depth+1)
	}
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		charge(u.L, 1, 16)
		if i, ok := k.(lua.LNumber); ok && i >= 1 && int(i) <= n && i == lua.LNumber(int(i)) {
			continue
		}
		name := "[" + k.String() + "]"
		if s, ok := k.(lua.LString); ok {
			name = string(s)
		}
		named[name] = v
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if len(out) > 600 {
			break
		}
		comma()
		out = append(append(out, name...), " = "...)
		out = u.shown(out, named[name], depth+1)
	}
	return append(out, '}')
}

// Message returns the text of an error's value without its place.
func (u *HostCall) Message(v lua.LValue) string {
	text := u.vm.message(v)
	files := slices.Clone(u.vm.cfg.Files)
	for _, p := range u.vm.cfg.Lib {
		files = append(files, p)
	}
	for _, p := range files {
		if rest, ok := strings.CutPrefix(text, p.File+":"); ok {
			if line, message, ok := strings.Cut(rest, ": "); ok && line != "" && strings.Trim(line, "0123456789") == "" {
				return message
			}
		}
	}
	return text
}

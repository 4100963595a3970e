package luabind

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// matchers runs string functions in the sandbox and in plain gopher-lua.
type matchers struct {
	ours  *VM
	plain *lua.LState
}

func newMatchers(t testing.TB) *matchers {
	m := &matchers{ours: newVM(Config{}), plain: lua.NewState()}
	t.Cleanup(m.plain.Close)
	return m
}

// both calls string.<name> with the same arguments in both, and gives what they
// return as text; "error" if they fail.
func (m *matchers) both(name string, args ...lua.LValue) (ours, plain string) {
	ours = m.mine(name, args...)
	top := m.plain.GetTop()
	fn := m.plain.GetField(m.plain.GetGlobal("string"), name)
	err := m.plain.CallByParam(lua.P{Fn: fn, NRet: lua.MultRet, Protect: true}, args...)
	plain = "error"
	if err == nil {
		var all []string
		for i := top + 1; i <= m.plain.GetTop(); i++ {
			all = append(all, fmt.Sprintf("%q", m.plain.Get(i).String()))
		}
		plain = strings.Join(all, " ")
	}
	m.plain.SetTop(top)
	return ours, plain
}

// mine is what the sandbox gives, as text.
func (m *matchers) mine(name string, args ...lua.LValue) string {
	m.ours.meter.trip, m.ours.broken = "", ""
	m.ours.meter.reset(m.ours.limits)
	return quotedResults(m.ours.callString(name, args))
}

// malformed reports whether Lua refuses a pattern, should it come to read all
// of it: a bracket or a class that does not end, a capture that is not closed or
// not there.
func malformed(p string) bool {
	var open, closed int // captures
	var captures []bool  // whether each is closed
	p = strings.TrimPrefix(p, "^")
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '(':
			open++
			captures = append(captures, false)
			if i+1 < len(p) && p[i+1] == ')' {
				captures[len(captures)-1] = true
				closed++
				i++
			}
		case c == ')':
			at := slices.Index(reversed(captures), false)
			if at < 0 {
				return true
			}
			captures[len(captures)-1-at] = true
			closed++
		case c == '%':
			if i++; i == len(p) {
				return true
			}
			switch d := p[i]; {
			case d == 'b':
				if i += 2; i >= len(p) {
					return true
				}
			case d == 'f':
				if i+1 >= len(p) || p[i+1] != '[' {
					return true
				}
			case '0' <= d && d <= '9':
				if n := int(d - '1'); n < 0 || n >= len(captures) || !captures[n] {
					return true
				}
			}
		case c == '[':
			if i++; i < len(p) && p[i] == '^' {
				i++
			}
			for first := true; ; first = false {
				if i >= len(p) {
					return true
				}
				if p[i] == ']' && !first {
					break
				}
				if p[i] == '%' {
					i++
				}
				i++
			}
		}
	}
	return open != closed || open > 32
}

func reversed(list []bool) []bool {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// callString calls a function of the string library on the main thread.
func (vm *VM) callString(name string, args []lua.LValue) ([]lua.LValue, error) {
	var got []lua.LValue
	lib := shownBy(vm.globals.RawGetString("string").(*lua.LTable))
	err := vm.protect(goFunction(func(L *lua.LState) int {
		L.Push(lib.RawGetString(name))
		for _, a := range args {
			L.Push(a)
		}
		top := L.GetTop() - len(args) - 1
		L.Call(len(args), lua.MultRet)
		for i := top + 1; i <= L.GetTop(); i++ {
			got = append(got, L.Get(i))
		}
		return 0
	}), lua.LNil)
	return got, err
}

func quotedResults(values []lua.LValue, err error) string {
	if err != nil {
		return "error"
	}
	var all []string
	for _, v := range values {
		all = append(all, fmt.Sprintf("%q", v.String()))
	}
	return strings.Join(all, " ")
}

// gopherDiffers says of a pattern that gopher-lua reads it otherwise than
// Lua 5.1 does, whose results are in testdata/reference.
func gopherDiffers(s, p string) bool {
	switch {
	case p == "", // find gives an empty match at 1 whatever init is
		strings.Contains(p, "%f"),                           // knows no frontier
		strings.Contains(p, "%b"), strings.Contains(p, "["), // odd ones are read differently
		strings.Trim(p, "^$") != strings.ReplaceAll(strings.ReplaceAll(p, "^", ""), "$", ""), // anchors within
		strings.Contains(p, "\x00"), !ascii(s + p):
		return true
	}
	return false
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// Random patterns of the parts that gopher-lua reads as Lua does.
func TestPatternsAgainstGopherLua(t *testing.T) {
	m := newMatchers(t)
	rng := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "b", "x", ".", "%a", "%d", "%s", "%w", "%p", "%A", "%u", "%l", "%x", "%%", "%.", "[ab]", "[^a]", "[a-c]", "[%d_]", "()", "%bab"}
	letters := []string{"a", "b", "x", "A", "1", "2", " ", ".", "%", "ab", "_"}
	pick := func(list []string) string { return list[rng.IntN(len(list))] }
	compared := 0
	for range 20_000 {
		var s, p strings.Builder
		for range rng.IntN(12) {
			s.WriteString(pick(letters))
		}
		for range 1 + rng.IntN(4) {
			part := pick(parts) + pick([]string{"", "", "*", "+", "-", "?"})
			if rng.IntN(4) == 0 {
				part = "(" + part + ")"
			}
			p.WriteString(part)
		}
		compare(t, m, s.String(), p.String())
		compared++
	}
	t.Logf("%d patterns", compared)
}

func compare(t *testing.T, m *matchers, s, p string) {
	t.Helper()
	S, P := lua.LString(s), lua.LString(p)
	for _, call := range []struct {
		name string
		args []lua.LValue
	}{
		{"find", []lua.LValue{S, P}},
		{"match", []lua.LValue{S, P}},
		{"gsub", []lua.LValue{S, P, lua.LString("<%0>")}},
	} {
		ours, plain := m.both(call.name, call.args...)
		if call.name == "match" && plain == "" {
			plain = `"nil"` // it returns nothing where Lua returns nil
		}
		if malformed(p) {
			continue // when that is noticed differs; FuzzPattern looks at what it is then
		}
		if ours != plain {
			t.Fatalf("string.%s(%q, %q)\nours:  %s\nplain: %s", call.name, s, p, ours, plain)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("hello world", "(%w+) (%w+)")
	f.Add("aaa", "a-a-a-b")
	f.Add("THE (quick) fox", "%((%a+)%)")
	f.Fuzz(func(t *testing.T, s, p string) {
		m := newMatchers(t)
		// Whatever it is, it ends.
		for _, name := range []string{"find", "match", "gmatch"} {
			m.ours.meter.trip = ""
			m.ours.meter.reset(m.ours.limits)
			m.ours.broken = ""
			_, _ = m.ours.callString(name, []lua.LValue{lua.LString(s), lua.LString(p)})
		}
		if len(s) > 16 || len(p) > 8 {
			return
		}
		for _, name := range []string{"find", "match"} {
			if ours := m.mine(name, lua.LString(s), lua.LString(p)); ours == "error" && !malformed(p) {
				t.Fatalf("string.%s(%q, %q) fails, and the pattern is well formed", name, s, p)
			}
		}
		if !gopherDiffers(s, p) {
			compare(t, m, s, p)
		}
	})
}

func FuzzFormat(f *testing.F) {
	f.Add("%d %s %5.2f|%-10s|%q", 1.5, "x")
	f.Add("%%%c%x%G", -1.0, "")
	f.Fuzz(func(t *testing.T, format string, n float64, s string) {
		vm := newVM(Config{})
		vm.meter.reset(vm.limits)
		N, S := lua.LNumber(n), lua.LString(s)
		got, err := vm.callString("format", []lua.LValue{lua.LString(format), N, S, N, S, N, S})
		if err == nil && len(got[0].String()) > 110*len(format)+6*len(s)*2+110 {
			t.Errorf("%d bytes", len(got[0].String()))
		}
		if vm.broken != "" {
			t.Errorf("broken: %s: %v", vm.broken, err)
		}
	})
}

// What gopher-lua 1.1.2 does otherwise than Lua 5.1, for those who compare.
func TestPatternsGopherLuaGetsWrong(t *testing.T) {
	m := newMatchers(t)
	for _, test := range []struct {
		name string
		args []lua.LValue
		lua  string
	}{
		{"match", []lua.LValue{lua.LString("abc"), lua.LString("()b()")}, `"2" "3"`},
		{"find", []lua.LValue{lua.LString("abc"), lua.LString(""), lua.LNumber(3)}, `"3" "2"`},
		{"match", []lua.LValue{lua.LString("THE (quick) fox"), lua.LString("%f[%a]%a+")}, `"THE"`},
		{"find", []lua.LValue{lua.LString("a]b"), lua.LString("[]]")}, `"2" "2"`},
		{"gsub", []lua.LValue{lua.LString("abc"), lua.LString(""), lua.LString("-")}, `"-a-b-c-" "4"`},
		{"format", []lua.LValue{lua.LString("%5.1f|%d"), lua.LNumber(3.14159), lua.LNumber(3.7)}, `"  3.1|3"`},
		{"format", []lua.LValue{lua.LString("%q"), lua.LString("a\nb")}, `"\"a\\\nb\""`},
	} {
		ours, plain := m.both(test.name, test.args...)
		if ours != test.lua {
			t.Errorf("%s %q: got %s, Lua gives %s", test.name, test.args, ours, test.lua)
		}
		t.Logf("%s %q: Lua %s, gopher-lua %s", test.name, test.args, test.lua, plain)
	}
}

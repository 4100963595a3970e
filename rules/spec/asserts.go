package spec

import (
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind"
)

// assertion is one word after `assert.`. check returns whether it holds, and the texts
// of its failure and of the failure of its opposite.
type assertion struct {
	args  int // besides which one more is a message for people
	check func(t *trial, u *luabind.HostCall) verdict
	world bool // it reads the world, which exists only within an `it`
	// optional says that the last of args may be left out.
	optional bool
}

// verdict is the result of an assertion.
type verdict struct {
	holds   bool
	failure string // if it had to hold and does not
	hint    string
	opposed string // if it must not hold and does
	nearly  bool   // it does not hold, and neither does its opposite
	hintNot string
	// message is one for people, given in place of an optional value.
	message string
}

// asserts returns the table assert: common words of luassert, and those about chats.
// Each word may be used alone (assert.equal), after is_, are_, has_, was_
// (assert.is_true) and after their opposites (assert.is_not_nil), also with a dot in
// place of the last _ (assert.are.equal).
func asserts() luabind.HostTable {
	m := luabind.HostTable{Call: plainAssert, Functions: map[string]luabind.HostFunc{}, Tables: map[string]luabind.HostTable{}}
	for name, a := range assertions {
		m.Functions[name] = wordOf("assert."+name, a, false)
	}
	for _, p := range prefixes {
		sub := luabind.HostTable{Functions: map[string]luabind.HostFunc{}}
		for name, a := range assertions {
			full := p.word + "_" + name
			w := wordOf("assert."+full, a, p.not)
			m.Functions[full] = w
			sub.Functions[name] = w
		}
		m.Tables[p.word] = sub
	}
	return m
}

var prefixes = []struct {
	word string
	not  bool
}{
	{"is", false}, {"are", false}, {"has", false}, {"was", false}, {"does", false},
	{"is_not", true}, {"are_not", true}, {"has_no", true}, {"has_not", true}, {"was_not", true}, {"does_not", true}, {"not", true}, {"no", true},
}

var assertions = map[string]assertion{
	"equal": {args: 2, check: checkEqual}, "equals": {args: 2, check: checkEqual}, "same": {args: 2, check: checkSame},
	"near": {args: 3, check: checkNear},
	"true": {args: 1, check: exactly("true", lua.LTrue)}, "false": {args: 1, check: exactly("false", lua.LFalse)}, "nil": {args: 1, check: exactly("nil", lua.LNil)},
	"truthy": {args: 1, check: truth(true)}, "falsy": {args: 1, check: truth(false)},
	"number": {args: 1, check: kind("number")}, "string": {args: 1, check: kind("string")}, "table": {args: 1, check: kind("table")},
	"boolean": {args: 1, check: kind("boolean")}, "function": {args: 1, check: kind("function")},
	// Keywords of Lua can't be fields after a dot: assert.is.True(x).
	"True": {args: 1, check: exactly("true", lua.LTrue)}, "False": {args: 1, check: exactly("false", lua.LFalse)}, "Nil": {args: 1, check: exactly("nil", lua.LNil)},
	"Function": {args: 1, check: kind("function")},
	"error":    {args: 2, check: checkError, optional: true}, "errors": {args: 2, check: checkError, optional: true},
	"matches": {args: 2, check: checkMatches}, "match": {args: 2, check: checkMatches},

	"read": {args: 1, check: checkRead, world: true}, "unread": {args: 1, check: checkUnread, world: true},
	"held": {args: 1, check: checkHeld, world: true}, "kept_unread": {args: 1, check: checkKeptUnread, world: true},
	"postponed": {args: 1, check: checkPostponed, world: true}, "called": {args: 3, check: checkCalled, world: true},
	"logged": {args: 2, check: checkLogged, world: true}, "failed": {args: 1, check: checkFailed, world: true},
}

func wordOf(name string, a assertion, not bool) luabind.HostFunc {
	return func(u *luabind.HostCall) []lua.LValue {
		s := suiteOf(u)
		if a.world && s.trial == nil {
			u.Raise(`write it inside it("…", function() … end)`, "%s is used outside of an it", name)
		}
		s.asserts()
		if u.N() > a.args+1 {
			u.Raise("", "%s takes at most %d values and a message, got %d", name, a.args, u.N())
		}
		if u.N() < a.least() {
			u.Raise("", "%s takes %s, got %d", name, plural(a.least(), "value"), u.N())
		}
		v := a.check(s.trial, u)
		if m, ok := u.Arg(a.args + 1).(lua.LString); ok && u.N() > a.args {
			if v.message != "" {
				u.Raise("", "%s takes one message, got %q and %q", name, v.message, string(m))
			}
			v.message = string(m)
		}
		if v.holds != not && !(not && v.nearly) {
			return nil
		}
		failure, hint := v.failure, v.hint
		if not {
			failure, hint = v.opposed, v.hintNot
		}
		if v.message != "" {
			failure = v.message + ": " + failure
		}
		u.Raise(hint, "%s", failure)
		return nil
	}
}

// least returns how many values an assertion needs. One about the world needs none: the
// last chat is the default.
func (a *assertion) least() int {
	switch {
	case a.world:
		return 0
	case a.optional:
		return a.args - 1
	}
	return a.args
}

// asserts records that the running `it` asserts something.
func (s *suite) asserts() {
	if s.trial != nil {
		s.trial.asserted = true
	}
}

// plainAssert is assert(v [, message]), Lua's own.
func plainAssert(u *luabind.HostCall) []lua.LValue {
	suiteOf(u).asserts()
	if lua.LVAsBool(u.Arg(1)) {
		all := make([]lua.LValue, u.N())
		for i := range all {
			all[i] = u.Arg(i + 1)
		}
		return all
	}
	if m, ok := u.Arg(2).(lua.LString); ok {
		u.Raise("", "%s", string(m))
	}
	u.Raise("", "expected a value that counts as true, got %s", u.Shown(u.Arg(1)))
	return nil
}

func checkEqual(_ *trial, u *luabind.HostCall) verdict {
	want, got := u.Arg(1), u.Arg(2)
	v := verdict{
		holds:   u.Equal(want, got),
		failure: fmt.Sprintf("expected %s, got %s", u.Shown(want), u.Shown(got)),
		opposed: fmt.Sprintf("expected anything but %s", u.Shown(want)),
	}
	if _, tables := want.(*lua.LTable); tables && got.Type() == lua.LTTable {
		v.failure = fmt.Sprintf("expected the very table %s, got another one, %s", u.Shown(want), u.Shown(got))
		v.hint = "to compare the content of tables, write assert.same"
	} else if want.Type() != got.Type() && want.String() == got.String() {
		v.hint = fmt.Sprintf("one is a %s, the other a %s", want.Type(), got.Type())
	}
	return v
}

func checkSame(_ *trial, u *luabind.HostCall) verdict {
	want, got := u.Arg(1), u.Arg(2)
	path, same := u.Same(want, got)
	v := verdict{
		holds:   same,
		failure: fmt.Sprintf("expected %s, got %s", u.Shown(want), u.Shown(got)),
		opposed: fmt.Sprintf("expected anything but %s", u.Shown(want)),
	}
	if path != "" {
		v.hint = "they differ at " + path
	}
	return v
}

func checkNear(_ *trial, u *luabind.HostCall) verdict {
	want, ok1 := u.Arg(1).(lua.LNumber)
	got, ok2 := u.Arg(2).(lua.LNumber)
	by, ok3 := u.Arg(3).(lua.LNumber)
	if !ok1 || !ok2 || !ok3 {
		u.Raise("assert.near(expected, got, tolerance)", "near: expected three numbers")
	}
	return verdict{
		holds:   got >= want-by && got <= want+by,
		failure: fmt.Sprintf("expected %v, give or take %v, got %v", want, by, got),
		opposed: fmt.Sprintf("expected a number further than %v from %v, got %v", by, want, got),
	}
}

func exactly(word string, want lua.LValue) func(*trial, *luabind.HostCall) verdict {
	return func(_ *trial, u *luabind.HostCall) verdict {
		return verdict{
			holds:   u.Arg(1) == want,
			failure: fmt.Sprintf("expected %s, got %s", word, u.Shown(u.Arg(1))),
			opposed: "expected anything but " + word,
		}
	}
}

func truth(want bool) func(*trial, *luabind.HostCall) verdict {
	is, not := "true", "false"
	if !want {
		is, not = not, is
	}
	return func(_ *trial, u *luabind.HostCall) verdict {
		return verdict{
			holds:   lua.LVAsBool(u.Arg(1)) == want,
			failure: fmt.Sprintf("expected a value that counts as %s, got %s", is, u.Shown(u.Arg(1))),
			opposed: fmt.Sprintf("expected a value that counts as %s, got %s", not, u.Shown(u.Arg(1))),
		}
	}
}

func kind(want string) func(*trial, *luabind.HostCall) verdict {
	return func(_ *trial, u *luabind.HostCall) verdict {
		return verdict{
			holds:   u.Arg(1).Type().String() == want,
			failure: fmt.Sprintf("expected a %s, got %s", want, u.Shown(u.Arg(1))),
			opposed: fmt.Sprintf("expected anything but a %s, got %s", want, u.Shown(u.Arg(1))),
		}
	}
}

// checkError is error(fn [, expected]): expected is a string that the error
// contains, or a value that it must equal.
func checkError(_ *trial, u *luabind.HostCall) verdict {
	fn, ok := u.Function(1)
	if !ok {
		u.Raise("assert.has_error(function() … end)", "has_error: expected a function, got %s", u.Described(u.Arg(1)))
	}
	want := u.Arg(2)
	value, failed := u.Try(fn)
	if !failed {
		return verdict{failure: "expected an error, and there was none"}
	}
	v := verdict{holds: true, nearly: true, opposed: fmt.Sprintf("expected no error, got %s", u.Message(value))}
	switch want := want.(type) {
	case *lua.LNilType:
	case lua.LString:
		v.holds = strings.Contains(u.Message(value), string(want))
		v.failure = fmt.Sprintf("expected an error with %s, got %s", u.Shown(want), u.Shown(lua.LString(u.Message(value))))
	default:
		_, v.holds = u.Same(want, value)
		v.failure = fmt.Sprintf("expected the error %s, got %s", u.Shown(want), u.Shown(value))
	}
	return v
}

func checkMatches(_ *trial, u *luabind.HostCall) verdict {
	pattern, ok := u.Arg(1).(lua.LString)
	s, ok2 := u.Arg(2).(lua.LString)
	if !ok || !ok2 {
		u.Raise("assert.matches(pattern, text)", "matches: expected a Lua pattern and a string, got %s and %s", u.Described(u.Arg(1)), u.Described(u.Arg(2)))
	}
	return verdict{
		holds:   u.Matches(string(s), string(pattern)),
		failure: fmt.Sprintf("expected a string that matches %s, got %s", u.Shown(pattern), u.Shown(s)),
		opposed: fmt.Sprintf("expected a string that does not match %s, got %s", u.Shown(pattern), u.Shown(s)),
	}
}

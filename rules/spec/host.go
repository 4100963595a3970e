package spec

import (
	"sync"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind"
)

// words are the words by which the column of a failure is found if its message does not
// begin with one.
var words = []string{"assert", "receive", "advance", "clock", "fire", "signal", "configure", "fail_next", "state", "operator", "error"}

// host has the globals of spec files.
var host = sync.OnceValue(func() *luabind.Host {
	return &luabind.Host{
		Modules: []string{"json", "re", "data"},
		Functions: map[string]luabind.HostFunc{
			"describe": suiteWord((*suite).describe), "context": suiteWord((*suite).describe),
			"it": suiteWord((*suite).it), "pending": suiteWord((*suite).pending),
			"before_each": suiteWord((*suite).beforeEach), "after_each": suiteWord((*suite).afterEach),
			"receive": inside("receive", 1, (*trial).receive), "fire": inside("fire", 2, (*trial).fire),
			"signal":  inside("signal", 2, (*trial).signal),
			"advance": inside("advance", 1, (*trial).advance), "clock": inside("clock", 2, (*trial).clock),
			"now":       inside("now", 0, (*trial).nowWord),
			"configure": inside("configure", 1, (*trial).configure), "fail_next": inside("fail_next", 2, (*trial).failNext),
			"state": inside("state", 1, (*trial).state),
		},
		Tables: map[string]luabind.HostTable{"assert": asserts(), "operator": operatorWords()},
		Hints:  missing,
	}
})

// suiteWord returns a word that calls a method of the suite.
func suiteWord(do func(*suite, *luabind.HostCall) []lua.LValue) luabind.HostFunc {
	return func(u *luabind.HostCall) []lua.LValue { return do(suiteOf(u), u) }
}

func suiteOf(u *luabind.HostCall) *suite { return u.Owner().(*suite) }

// missing has hints for names that people expect and specs don't have.
var missing = map[string]string{
	"chert": "a spec looks at a pack from outside: send it an event with receive { … }", "ev": "a spec sends events: receive { … }",
	"kv": "a spec sees what a pack does, not what it keeps; ev.state is state(chat)", "config": "set settings with configure { … }",
	"spy": "nothing has to be replaced: calls are simulated, look at them with assert.called", "stub": "nothing has to be replaced: calls are simulated",
	"mock": "nothing has to be replaced: calls are simulated", "insulate": "write describe: each it is isolated already", "expose": "write describe",
	"setup": "write before_each: each it has a world of its own", "teardown": "write after_each", "lazy_setup": "write before_each", "lazy_teardown": "write after_each",
	"sleep": "write advance(\"10s\"): time is virtual", "wait": "write advance(\"10s\"): time is virtual", "finally": "write after_each",
	"os": "specs have no os: the time is now(), and clock(\"2026-01-05 09:00\") sets it", "log": "write print",
}

// inside returns a word that uses the world, which exists only within an `it`. More than
// most values are an error, not ignored.
func inside(name string, most int, do func(*trial, *luabind.HostCall) []lua.LValue) luabind.HostFunc {
	return func(u *luabind.HostCall) []lua.LValue {
		s := suiteOf(u)
		if s.trial == nil {
			u.Raise(`write it inside it("…", function() … end), or in before_each`, "%s is used outside of an it", name)
		}
		if u.N() > most {
			hint := ""
			if name == "receive" {
				hint = `receive { chat = "c1", text = "hello" }`
			}
			u.Raise(hint, "%s takes at most %s, got %d", name, plural(most, "value"), u.N())
		}
		return do(s.trial, u)
	}
}

// loading raises an error for a word that is used inside an it.
func (s *suite) loading(u *luabind.HostCall, name string) {
	if s.trial != nil {
		u.Raise("move it out of the it", "%s can't be used inside an it", name)
	}
}

// title returns the first argument of a word, a name.
func title(u *luabind.HostCall, word string) string {
	name, ok := u.Arg(1).(lua.LString)
	if !ok || name == "" {
		u.Raise(word+`("what it does", function() … end)`, "%s: the name must be a string, got %s", word, u.Described(u.Arg(1)))
	}
	return string(name)
}

func body(u *luabind.HostCall, word string, n int) *lua.LFunction {
	fn, ok := u.Function(n)
	if !ok {
		u.Raise("", "%s: expected a function, got %s", word, u.Described(u.Arg(n)))
	}
	return fn
}

func (s *suite) describe(u *luabind.HostCall) []lua.LValue {
	s.loading(u, "describe")
	inner := &block{name: title(u, "describe"), outer: s.block}
	fn := body(u, "describe", 2)
	s.block = inner
	u.Call(fn)
	s.block = inner.outer
	return nil
}

func (s *suite) it(u *luabind.HostCall) []lua.LValue {
	s.loading(u, "it")
	name := title(u, "it")
	c := s.add(u, name)
	if u.Arg(2) == lua.LNil {
		c.pending, c.why = true, "it has no function yet"
		return nil
	}
	c.fn = body(u, "it", 2)
	return nil
}

// pending adds a spec that is not run; inside an it, it ends that one.
func (s *suite) pending(u *luabind.HostCall) []lua.LValue {
	if s.trial != nil {
		s.trial.pending = true
		if why, ok := u.Arg(1).(lua.LString); ok {
			s.trial.why = string(why)
		}
		u.Raise("", "pending")
	}
	s.add(u, title(u, "pending")).pending = true
	return nil
}

func (s *suite) beforeEach(u *luabind.HostCall) []lua.LValue {
	s.loading(u, "before_each")
	s.block.before = append(s.block.before, body(u, "before_each", 1))
	return nil
}

func (s *suite) afterEach(u *luabind.HostCall) []lua.LValue {
	s.loading(u, "after_each")
	s.block.after = append(s.block.after, body(u, "after_each", 1))
	return nil
}

func (s *suite) add(u *luabind.HostCall, name string) *testCase {
	_, line := u.Place()
	c := &testCase{path: []string{name}, line: line, block: s.block}
	for b := s.block; b.outer != nil; b = b.outer {
		c.path = append([]string{b.name}, c.path...)
	}
	s.cases = append(s.cases, c)
	return c
}

package luabind

import (
	"fmt"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind/diag"
)

const (
	// maxID is the maximum length of an id that a rule passes, in bytes.
	maxID = 512
	// maxReason is the length in bytes to which reasons are truncated.
	maxReason = 500
)

// described returns a value as error texts name it: `the string "x"`, "ev.chat", "a
// table".
func described(v lua.LValue) string {
	switch x := v.(type) {
	case lua.LString:
		return "the string " + quote(string(x))
	case lua.LNumber:
		return "the number " + numberText(x)
	case lua.LBool, *lua.LNilType:
		return v.String()
	}
	if t, ok := asView(v); ok {
		return t.label()
	}
	return "a " + v.Type().String()
}

// wrong raises the error of an argument that is missing or of the wrong type.
func wrong(L *lua.LState, function, hint string, n int, expected string) {
	p := Lookup(function).Params[n-1]
	if n > L.GetTop() || L.Get(n) == lua.LNil {
		if hint == "" {
			hint = "usage: " + Lookup(function).Signature()
		}
		raise(L, hint, "%s: %s is missing: expected %s", function, p.Name, expected)
	}
	raiseMistake(L, WrongArgument(function, p.Name, expected, described(L.Get(n)), hint))
}

// wantString returns a string argument that is not empty and has at most so many bytes.
func wantString(L *lua.LState, function string, n, most int) string {
	p := Lookup(function).Params[n-1]
	s, ok := L.Get(n).(lua.LString)
	switch {
	case !ok:
		wrong(L, function, "", n, "a string")
	case s == "":
		raiseMistake(L, EmptyArgument(function, p.Name))
	case len(s) > most:
		raise(L, "", "%s: %s is too long: %d bytes, at most %d", function, p.Name, len(s), most)
	}
	return string(s)
}

// wantUTF8 returns a string argument that people will read.
func wantUTF8(L *lua.LState, function string, n, most int) string {
	s := wantString(L, function, n, most)
	checkUTF8(L, function, Lookup(function).Params[n-1].Name, s)
	return s
}

// checkUTF8 raises an error if a string is not UTF-8, such as one that was cut within
// a letter.
func checkUTF8(L *lua.LState, function, name, s string) {
	charge(L, len(s)/validBytes, 0)
	if i := badUTF8(s); i >= 0 {
		raise(L, "string.sub counts bytes and can split a letter: chert.cut(s, n) returns the first n letters",
			"%s: %s is not valid UTF-8: byte %d is 0x%02X", function, name, i+1, s[i])
	}
}

// wantChat returns an argument that is the id of a chat or a message.
func wantChat(vm *VM, L *lua.LState, function string, n int) string {
	p := Lookup(function).Params[n-1]
	field := "ev.chat.id"
	if p.Name == "message_id" {
		field = "ev.message.id"
	}
	switch v := L.Get(n).(type) {
	case lua.LString:
		if v == "" || len(v) > maxID || strings.ContainsAny(string(v), "\x00\n\r") {
			raise(L, "pass "+field, "%s: %s %s is not an id", function, p.Name, quote(string(v)))
		}
		checkUTF8(L, function, p.Name, string(v))
		return string(v)
	case *lua.LNilType:
		e := vm.call.Event
		switch {
		case p.Name == "chat_id" && e.Chat == nil:
			raise(L, "return early: if not ev.chat then return end", "%s: chat_id is nil: this event (%s) has no chat, ev.chat is nil", function, e.Type)
		case p.Name == "message_id" && e.Message == nil:
			raise(L, "return early: if not ev.message then return end", "%s: message_id is nil: this event (%s) has no message, ev.message is nil", function, e.Type)
		}
		raise(L, "pass "+field, "%s: %s is nil", function, p.Name)
	}
	wrong(L, function, "pass "+field, n, "a string")
	return ""
}

// wantDuration returns a duration argument.
func wantDuration(L *lua.LState, function string, n int) time.Duration {
	d, ok, err := durationOf(L.Get(n))
	if !ok {
		wrong(L, function, "", n, durationForms)
	}
	if err != nil {
		raise(L, "", "%s: %v", function, err)
	}
	return d
}

// durationOf parses a number of seconds or a string. ok is false for other types.
func durationOf(v lua.LValue) (d time.Duration, ok bool, err error) {
	switch v := v.(type) {
	case lua.LNumber:
		return DurationOf(float64(v))
	case lua.LString:
		return DurationOf(string(v))
	}
	return 0, false, nil
}

// wantFunction returns a handler argument.
func wantFunction(L *lua.LState, function string, n int) *lua.LFunction {
	fn, ok := L.Get(n).(*lua.LFunction)
	if !ok {
		wrong(L, function, "", n, "a function(ev)")
	}
	return ofFile(L, function, fn)
}

// table is an argument that is a table of named values. Its methods return the values.
type table struct {
	L        *lua.LState
	function string
	t        *lua.LTable // nil: not given
	keys     []Param
}

// wantTable returns a table argument. It is empty if the argument is optional and not
// given. An unknown key is an error.
func wantTable(L *lua.LState, function string, n int) table {
	p := Lookup(function).Params[n-1]
	v := L.Get(n)
	if v == lua.LNil && p.Optional {
		return table{L: L, function: function, keys: p.Keys}
	}
	t, ok := v.(*lua.LTable)
	if !ok {
		hint := ""
		if len(p.Keys) > 0 {
			hint = fmt.Sprintf("write a table: { %s = … }", p.Keys[0].Name)
		}
		wrong(L, function, hint, n, "a table")
	}
	return tableWith(L, function, t, p.Keys)
}

// tableWith returns a table that may only have these keys; "[1]" is the number 1. An
// unknown key is an error.
func tableWith(L *lua.LState, function string, t *lua.LTable, keys []Param) table {
	for k, _ := t.Next(lua.LNil); k != lua.LNil; k, _ = t.Next(k) {
		charge(L, 1, 0)
		name, isText := k.(lua.LString)
		known := func(key Param) bool {
			return isText && key.Name == string(name) && name[0] != '[' || k == lua.LNumber(1) && key.Name == "[1]"
		}
		if !slices.ContainsFunc(keys, known) {
			raise(L, KeyHint(string(name), keys), "%s: unknown key %s", function, keyText(k))
		}
	}
	return table{L: L, function: function, keys: keys, t: t}
}

// keyNicknames maps keys that people write by mistake to the keys they mean.
var keyNicknames = map[string]string{
	"type": "on", "types": "on", "event": "on", "events": "on", "when": "where", "filter": "where", "match": "where",
	"if": "where", "fn": "run", "func": "run", "function": "run", "handler": "run", "do": "run", "action": "run",
	"delay": "after", "wait": "after", "in": "after", "timezone": "tz", "zone": "tz", "hours": "during", "window": "during",
	"holidays": "not_on", "closed": "not_on", "calendar": "not_on", "exceptdays": "not_on", "age": "max_age", "ttl": "max_age", "deadline": "max_age",
	"catchup": "missed", "backfill": "missed", "misfire": "missed", "onmissed": "missed",
	"throttle": "cooldown", "every": "cooldown", "rate": "sample", "why": "reason", "id": "name", "expires": "ttl", "expire": "ttl",
}

func (o table) get(key string) lua.LValue {
	switch {
	case o.t == nil:
		return lua.LNil
	case key == "[1]":
		return o.t.RawGetInt(1)
	}
	return o.t.RawGetString(key)
}

func (o table) wrong(key, expected string) {
	raiseMistake(o.L, WrongArgument(o.function, key, expected, described(o.get(key)), ""))
}

// text returns a string, or "" if it is not given. An empty string is an error.
func (o table) text(key string) string {
	switch v := o.get(key).(type) {
	case *lua.LNilType:
		return ""
	case lua.LString:
		if v == "" {
			raiseMistake(o.L, EmptyArgument(o.function, key))
		}
		checkUTF8(o.L, o.function, key, string(v)) // names, reasons, hours: people read them
		return string(v)
	}
	o.wrong(key, "a string")
	return ""
}

// oneOf returns a string that is one of the words, or "" if it is not given.
func (o table) oneOf(key string, words ...string) string {
	v := o.get(key)
	s, ok := v.(lua.LString)
	if v != lua.LNil && !(ok && slices.Contains(words, string(s))) {
		raiseMistake(o.L, WrongArgument(o.function, key, `"`+strings.Join(words, `", "`)+`"`, described(v), diag.DidYouMeanString("", string(s), words)))
	}
	return string(s)
}

// reason returns the reason option. A long one is truncated, not refused.
func (o table) reason() string {
	s := o.text("reason")
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "") + "…"
	}
	return s
}

func (o table) bool(key string) bool {
	switch v := o.get(key).(type) {
	case *lua.LNilType:
		return false
	case lua.LBool:
		return bool(v)
	}
	o.wrong(key, "true or false")
	return false
}

func (o table) duration(key string) time.Duration {
	v := o.get(key)
	if v == lua.LNil {
		return 0
	}
	d, ok, err := durationOf(v)
	if !ok {
		o.wrong(key, durationForms)
	}
	if err != nil {
		raise(o.L, "", "%s: %s: %v", o.function, key, err)
	}
	return d
}

// texts returns a string, or a list of strings, as a list.
func (o table) texts(key string) []string {
	v := o.get(key)
	list, ok := stringList(v)
	if !ok {
		o.wrong(key, "a string or a list of strings")
	}
	return list
}

// stringList returns a string, or a list of one or more strings, as a list.
func stringList(v lua.LValue) ([]string, bool) {
	switch v := v.(type) {
	case lua.LString:
		return []string{string(v)}, v != ""
	case *lua.LTable:
		n := v.Len()
		if n == 0 || n > 1000 {
			return nil, false
		}
		list := make([]string, n)
		for i := range list {
			s, ok := v.RawGetInt(i + 1).(lua.LString)
			if !ok || s == "" {
				return nil, false
			}
			list[i] = string(s)
		}
		return list, true
	}
	return nil, false
}

package luabind

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

const (
	// maxFields is the maximum number of fields of a log line.
	maxFields = 32
	// maxFieldValues is the maximum number of values in one field.
	maxFieldValues = 100
)

// logAt returns log.debug, log.info, log.warn or log.error: (msg [, fields]).
func logAt(level string) binding {
	name := "log." + level
	return func(vm *VM, L *lua.LState) int {
		if L.GetTop() == 0 {
			wrong(L, name, "", 1, "a message")
		}
		if vm.meter.prints > maxPrints {
			charge(L, 20, 0) // the line is dropped: its fields are not converted
			return 0
		}
		vm.log(L, level, toText(L, L.Get(1)), logFields(L, name))
		return 0
	}
}

// logFields returns the fields of a line. A value that is not data is logged as the
// result of tostring: the values of a log line never fail a handler.
func logFields(L *lua.LState, name string) map[string]any {
	v := L.Get(2)
	if v == lua.LNil {
		return nil
	}
	fields := map[string]any{}
	add := func(k, v lua.LValue) {
		if len(fields) == maxFields {
			return
		}
		data, err := smallValue(L, v, maxFieldValues, maxMessage)
		if err != nil || holdsText(v) {
			data = legibleLine(toText(L, v))
		}
		fields[shorten(legible(toText(L, k)))] = legibleData(data)
	}
	switch t, like := asView(v); {
	case like:
		for k, v := t.next(L, lua.LNil); k != lua.LNil; k, v = t.next(L, k) {
			add(k, v)
		}
	case v.Type() == lua.LTTable:
		charge(L, 20, 500)
		t := v.(*lua.LTable)
		for k, v := t.Next(lua.LNil); k != lua.LNil && len(fields) < maxFields; k, v = t.Next(k) {
			add(k, v)
		}
	default:
		raise(L, `write a table: log.info("read", { chat = ev.chat.id })`, "%s: fields must be a table, got %s", name, described(v))
	}
	return fields
}

// log logs a line of a script, within the quota of the call: to Config.Print while
// files load, to the Effects of the call in a handler. Long lines are truncated.
func (vm *VM) log(L *lua.LState, level, msg string, fields map[string]any) {
	msg = legibleLine(msg)
	size := len(msg) + sizeOf(fields)
	charge(L, 20+logSteps*size, size)
	m := &vm.meter
	m.logged += size
	if m.logged > maxLogged {
		m.prints = max(m.prints, maxPrints) // this line and all after it are beyond
	}
	if m.prints++; m.prints > maxPrints {
		if m.prints > maxPrints+1 {
			return
		}
		level, msg, fields = "warn", fmt.Sprintf("more than %d lines or %d KiB logged: the rest is dropped", maxPrints, maxLogged>>10), nil
	}
	switch {
	case vm.call != nil:
		vm.call.Effects.Log(level, msg, fields)
	case vm.cfg.Print != nil:
		vm.cfg.Print(level, msg, fields)
	}
}

// sizeOf returns about how many bytes a field of a log line has.
func sizeOf(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		n := 0
		for _, e := range v {
			n += 8 + sizeOf(e)
		}
		return n
	case map[string]any:
		n := 0
		for k, e := range v {
			n += 8 + len(k) + sizeOf(e)
		}
		return n
	}
	return 8
}

// holdsText reports whether a value contains the text of a message that the rule did
// not ask for by name. Logs show only a summary of such values.
func holdsText(v lua.LValue) bool {
	switch t, _ := asView(v); t.(type) {
	case *eventView, *messageView:
		return true
	}
	return false
}

// legibleLine returns a text for a log line: truncated, and legible.
func legibleLine(s string) string {
	if most := maxMessage + utf8.UTFMax; len(s) > most {
		s = s[:most] // a letter that is split here lies beyond maxMessage
	}
	return cut(legible(s))
}

// legible returns a text with the bytes that are not UTF-8 written like \xC3.
func legible(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, "\\x%02X", s[i])
		} else {
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// legibleData makes all strings in data legible. It changes lists and maps in place.
func legibleData(v any) any {
	switch v := v.(type) {
	case string:
		return legible(v)
	case []any:
		for i := range v {
			v[i] = legibleData(v[i])
		}
	case map[string]any:
		for _, k := range slices.Collect(maps.Keys(v)) {
			e := legibleData(v[k])
			delete(v, k)
			v[legible(k)] = e
		}
	}
	return v
}

package luabind

import (
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
	"chertd/luabind/diag"
)

// optional returns a string, or nil if the event does not have it.
func optional(s string) lua.LValue {
	if s == "" {
		return lua.LNil
	}
	return lua.LString(s)
}

// optionalBool returns true or false, or nil if the event does not have the value.
func optionalBool(t event.Truth) lua.LValue {
	if v, known := t.Known(); known {
		return lua.LBool(v)
	}
	return lua.LNil
}

// unixTime returns a time in Unix seconds, to the millisecond, or nil for the zero
// time.
func unixTime(t time.Time) lua.LValue {
	if t.IsZero() {
		return lua.LNil
	}
	return lua.LNumber(float64(t.UnixMilli()) / 1000)
}

// nextOf is next for a view with these fields. It skips fields that are nil.
func nextOf(L *lua.LState, t view, fields []string, key lua.LValue) (lua.LValue, lua.LValue) {
	i := 0
	if key != lua.LNil {
		name, _ := key.(lua.LString)
		if i = slices.Index(fields, string(name)) + 1; i == 0 {
			raise(L, "", "%s: next was given a key that is not there", t.label())
		}
	}
	for ; i < len(fields); i++ {
		if v := t.index(L, lua.LString(fields[i])); v != lua.LNil {
			return lua.LString(fields[i]), v
		}
	}
	return lua.LNil, lua.LNil
}

// noField raises the error of reading a field that no event has.
func noField(L *lua.LState, table string, key lua.LValue) lua.LValue {
	name, ok := key.(lua.LString)
	if !ok {
		raise(L, "", "%s is not a list: it has no [%s]", table, keyText(key))
	}
	charge(L, 100, 500)
	raiseMistake(L, NoField(table, string(name)))
	return lua.LNil
}

// fieldHint returns a hint with the field that was meant: a near name in the same
// table, a field with another common name, or the same name elsewhere in ev.
func fieldHint(table, name string) string {
	known := members(table)
	if hint := diag.DidYouMean(table+".", name, known); hint != "" {
		return hint
	}
	if s, ok := fieldNicknames[diag.NormalizeName(name)]; ok {
		return "did you mean " + s + "?"
	}
	for i := range surface {
		if rest, ok := strings.CutPrefix(surface[i].Name, "ev."); ok && rest[strings.LastIndexByte(rest, '.')+1:] == name {
			return "did you mean " + surface[i].Name + "?"
		}
	}
	if len(known) == 0 {
		return ""
	}
	return table + " has " + strings.Join(known, ", ")
}

// fieldNicknames maps names that people know from Chert's API or from other systems to
// fields of ev. The keys are results of diag.NormalizeName.
var fieldNicknames = map[string]string{
	"chatid":       "ev.chat.id",
	"messageid":    "ev.message.id",
	"eventid":      "ev.id",
	"event":        "ev.type",
	"eventtype":    "ev.type",
	"data":         "ev.raw.data",
	"body":         "ev.text",
	"content":      "ev.text",
	"sender":       "ev.from",
	"time":         "ev.at",
	"timestamp":    "ev.at",
	"attachments":  "ev.message.media",
	"isgroup":      "ev.chat.is_group",
	"participants": "ev.chat.handles",
	"timer":        "ev.type, which is \"timer:<name>\"",
	"phone":        "ev.from",
}

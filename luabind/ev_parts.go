package luabind

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
	"chertd/luabind/diag"
)

// listView is a list in ev: handles, parts or media.
type listView struct {
	ud    lua.LUserData
	name  string
	items []lua.LValue
}

func newList(name string, items []lua.LValue) lua.LValue {
	v := &listView{name: name, items: items}
	v.ud.Value = v
	v.ud.Metatable = viewMeta()
	return &v.ud
}

func newHandles(L *lua.LState, handles []event.Handle) lua.LValue {
	charge(L, len(handles), len(handles)*recordBytes)
	items := make([]lua.LValue, len(handles))
	for i, h := range handles {
		items[i] = newRecord("ev.chat.handles["+strconv.Itoa(i+1)+"]", "ev.chat.handles[]", handleFields,
			optional(h.Handle), optional(h.Service), optionalBool(h.IsMe))
	}
	return newList("ev.chat.handles", items)
}

func newParts(L *lua.LState, name string, parts []event.Part) lua.LValue {
	charge(L, len(parts), len(parts)*recordBytes)
	items := make([]lua.LValue, len(parts))
	for i, p := range parts {
		items[i] = newRecord(name+"["+strconv.Itoa(i+1)+"]", "ev.message.parts[]", partFields,
			optional(p.Type), optional(p.Value), optional(p.AttachmentID), optional(p.MimeType))
	}
	return newList(name, items)
}

var (
	handleFields = []string{"handle", "service", "is_me"}
	partFields   = []string{"type", "value", "attachment_id", "mime_type"}
)

func (v *listView) retains(push func(lua.LValue)) int64 {
	pushAll(push, v.items...)
	return int64(16 * len(v.items))
}

func (v *listView) label() string { return v.name }
func (v *listView) length() int   { return len(v.items) }
func (v *listView) list() bool    { return true }

func (v *listView) index(L *lua.LState, key lua.LValue) lua.LValue {
	n, ok := key.(lua.LNumber)
	if !ok {
		raise(L, fmt.Sprintf("take an element: %s[1]", v.name), "%s is a list: it has no field %s", v.name, keyText(key))
	}
	if i := int(n); lua.LNumber(i) == n && i >= 1 && i <= len(v.items) {
		return v.items[i-1]
	}
	return lua.LNil
}

func (v *listView) next(L *lua.LState, key lua.LValue) (lua.LValue, lua.LValue) {
	n, ok := key.(lua.LNumber)
	i := int(n)
	if key != lua.LNil && (!ok || lua.LNumber(i) != n || i < 1 || i > len(v.items)) {
		raise(L, "", "%s: next was given a key that is not there", v.name)
	}
	if i == len(v.items) {
		return lua.LNil, lua.LNil
	}
	return lua.LNumber(i + 1), v.items[i]
}

// record is a view with a few fixed fields in ev: a handle, a part or an action.
type record struct {
	ud     lua.LUserData
	name   string // as a rule writes it: "ev.message.parts[1]"
	table  string // its name in the surface: "ev.message.parts[]"
	fields []string
	values []lua.LValue
}

// recordBytes is approximately the size of a record.
const recordBytes = 320

func newRecord(name, table string, fields []string, values ...lua.LValue) lua.LValue {
	v := &record{name: name, table: table, fields: fields, values: values}
	v.ud.Value = v
	v.ud.Metatable = viewMeta()
	return &v.ud
}

// newAction makes ev.action from its decoded JSON. It includes fields that are not in
// the surface.
func newAction(L *lua.LState, t *lua.LTable) lua.LValue {
	fields := slices.Clone(members("ev.action"))
	t.ForEach(func(k, _ lua.LValue) {
		if name, ok := k.(lua.LString); ok && !slices.Contains(fields, string(name)) {
			fields = append(fields, string(name))
		}
	})
	known := len(members("ev.action"))
	slices.Sort(fields[known:])
	charge(L, len(fields), len(fields)*nodeBytes)
	values := make([]lua.LValue, len(fields))
	for i, f := range fields {
		values[i] = t.RawGetString(f)
	}
	return newRecord("ev.action", "ev.action", fields, values...)
}

func (v *record) retains(push func(lua.LValue)) int64 {
	pushAll(push, v.values...)
	return int64(len(v.name) + 16*len(v.values))
}

func (v *record) label() string { return v.name }
func (v *record) length() int   { return 0 }
func (v *record) list() bool    { return false }

func (v *record) index(L *lua.LState, key lua.LValue) lua.LValue {
	name, _ := key.(lua.LString)
	for i, f := range v.fields {
		if f == string(name) {
			return v.values[i]
		}
	}
	if _, ok := key.(lua.LString); !ok {
		return noField(L, v.name, key)
	}
	charge(L, 100, 500)
	raise(L, cmp.Or(diag.DidYouMean("", string(name), v.fields), fieldHint(v.table, string(name))), "%s has no field %s", v.name, quote(string(name)))
	return lua.LNil
}

func (v *record) next(L *lua.LState, key lua.LValue) (lua.LValue, lua.LValue) {
	return nextOf(L, v, v.fields, key)
}

// keyText returns a key for an error text.
func keyText(key lua.LValue) string {
	switch k := key.(type) {
	case lua.LString:
		return quote(string(k))
	case lua.LNumber, lua.LBool, *lua.LNilType:
		return k.String()
	}
	return "a " + key.Type().String()
}

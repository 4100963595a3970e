package luabind

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
)

// eventView is ev: an event as rules see it. Nothing is converted before a
// rule asks for it, so that a handler that reads two fields pays for two.
type eventView struct {
	ud   lua.LUserData // in the same allocation; its Value is the view
	call *Call

	// Made when first asked for, then kept, so that ev.chat == ev.chat and
	// what a rule changes in ev.state stays changed.
	chat, message lua.LValue
	decoded       *decodedFields
	state         eventState
}

// decodedFields are those that come from JSON. The tables are this handler's
// own: changing them changes nothing else.
type decodedFields struct {
	raw, payload, action lua.LValue
}

// newEvent makes the ev of one call.
func newEvent(vm *VM, c *Call) lua.LValue {
	v := &eventView{call: c}
	v.ud.Value = v
	v.ud.Metatable = tablelikeMeta()
	vm.bound.ev, vm.bound.wishes = v, 0
	// Not a byte is allocated for it, but a rule that keeps ev keeps the event.
	vm.meter.bytes -= eventBytes(c.Event)
	return &v.ud
}

// eventBytes is about what an event takes.
func eventBytes(e *event.Event) int64 {
	n := 512 + len(e.Raw) + len(e.Payload) + len(e.Action) + 2*len(e.Text)
	if e.Message != nil {
		n += 128 * len(e.Message.Parts)
	}
	if e.Chat != nil {
		n += 128 * len(e.Chat.Handles)
	}
	return int64(n)
}

func (v *eventView) label() string { return "ev" }

func (v *eventView) keeps(push func(lua.LValue)) int64 {
	pushAll(push, v.chat, v.message, v.state.table)
	if d := v.decoded; d != nil {
		pushAll(push, d.raw, d.payload, d.action)
	}
	return eventBytes(v.call.Event) + int64(len(v.state.text))
}

// pushAll pushes the values that have been made.
func pushAll(push func(lua.LValue), values ...lua.LValue) {
	for _, v := range values {
		if v != nil {
			push(v)
		}
	}
}

func (v *eventView) length() int { return 0 }
func (v *eventView) list() bool  { return false }

func (v *eventView) index(L *lua.LState, key lua.LValue) lua.LValue {
	e := v.call.Event
	name, _ := key.(lua.LString)
	switch name {
	case "text":
		return lua.LString(e.Text)
	case "chat":
		if v.chat == nil {
			v.chat = newChatView(L, e.Chat)
		}
		return v.chat
	case "message":
		if v.message == nil {
			v.message = newMessageView(L, e.Message)
		}
		return v.message
	case "type":
		return lua.LString(e.Type)
	case "from":
		return optional(e.From)
	case "id":
		return lua.LString(e.ID)
	case "at":
		return unixTime(e.At)
	case "source":
		return lua.LString(e.Source)
	case "state":
		return v.loadState(L)
	case "raw":
		return v.decode(L, "ev.raw", e.Raw, func(d *decodedFields) *lua.LValue { return &d.raw })
	case "payload":
		return v.decode(L, "ev.payload", e.Payload, func(d *decodedFields) *lua.LValue { return &d.payload })
	case "action":
		return v.decode(L, "ev.action", e.Action, func(d *decodedFields) *lua.LValue { return &d.action })
	}
	return noField(L, "ev", key)
}

// next leaves out raw and state: they are large, and whoever walks ev wants to
// see the event.
func (v *eventView) next(L *lua.LState, key lua.LValue) (lua.LValue, lua.LValue) {
	return nextOf(L, v, eventFields, key)
}

var eventFields = []string{"id", "type", "at", "source", "text", "from", "chat", "message", "payload", "action"}

// String is what tostring gives. It shows neither text nor sender: logs are
// not to hold them unless a rule says so by name.
func (v *eventView) String() string {
	e := v.call.Event
	s := "ev(" + e.Type + " " + e.ID
	if id := e.ChatID(); id != "" {
		s += " chat=" + id
	}
	return s + ")"
}

func (v *eventView) decode(L *lua.LState, name string, text json.RawMessage, field func(*decodedFields) *lua.LValue) lua.LValue {
	if len(text) == 0 {
		return lua.LNil
	}
	if v.decoded == nil {
		v.decoded = &decodedFields{}
	}
	f := field(v.decoded)
	if *f == nil {
		t, err := decodeJSON(L, string(text))
		if err != nil {
			raise(L, "", "%s: %v", name, err)
		}
		if fields, ok := t.(*lua.LTable); ok && name == "ev.action" {
			t = newAction(L, fields)
		}
		*f = t
	}
	return *f
}

// chatView is ev.chat.
type chatView struct {
	ud      lua.LUserData
	chat    *event.Chat
	handles lua.LValue
}

func newChatView(L *lua.LState, c *event.Chat) lua.LValue {
	if c == nil {
		return lua.LNil
	}
	v := &chatView{chat: c}
	v.ud.Value = v
	v.ud.Metatable = tablelikeMeta()
	return &v.ud
}

func (v *chatView) label() string { return "ev.chat" }

func (v *chatView) keeps(push func(lua.LValue)) int64 {
	pushAll(push, v.handles)
	return int64(256 + 128*len(v.chat.Handles))
}

func (v *chatView) length() int { return 0 }
func (v *chatView) list() bool  { return false }

func (v *chatView) index(L *lua.LState, key lua.LValue) lua.LValue {
	name, _ := key.(lua.LString)
	switch name {
	case "id":
		return lua.LString(v.chat.ID)
	case "is_group":
		return lua.LBool(v.chat.IsGroup)
	case "line":
		return optional(v.chat.Line)
	case "handles":
		if v.handles == nil {
			v.handles = newHandles(L, v.chat.Handles)
		}
		return v.handles
	}
	return noField(L, "ev.chat", key)
}

func (v *chatView) next(L *lua.LState, key lua.LValue) (lua.LValue, lua.LValue) {
	return nextOf(L, v, chatFields, key)
}

var chatFields = []string{"id", "is_group", "line", "handles"}

// messageView is ev.message.
type messageView struct {
	ud           lua.LUserData
	message      *event.Message
	parts, media lua.LValue
}

func newMessageView(L *lua.LState, m *event.Message) lua.LValue {
	if m == nil {
		return lua.LNil
	}
	v := &messageView{message: m}
	v.ud.Value = v
	v.ud.Metatable = tablelikeMeta()
	return &v.ud
}

func (v *messageView) label() string { return "ev.message" }

func (v *messageView) keeps(push func(lua.LValue)) int64 {
	pushAll(push, v.parts, v.media)
	return int64(256 + 2*len(v.message.Text) + 128*len(v.message.Parts))
}

func (v *messageView) length() int { return 0 }
func (v *messageView) list() bool  { return false }

func (v *messageView) index(L *lua.LState, key lua.LValue) lua.LValue {
	m := v.message
	name, _ := key.(lua.LString)
	switch name {
	case "id":
		return optional(m.ID)
	case "direction":
		return optional(m.Direction)
	case "text":
		return lua.LString(m.Text)
	case "from":
		return optional(m.From)
	case "sent_at":
		return unixTime(m.SentAt)
	case "parts":
		if v.parts == nil {
			v.parts = newParts(L, "ev.message.parts", m.Parts)
		}
		return v.parts
	case "media":
		if v.media == nil {
			isText := func(p event.Part) bool { return p.Type == "text" }
			v.media = newParts(L, "ev.message.media", slices.DeleteFunc(slices.Clone(m.Parts), isText))
		}
		return v.media
	}
	return noField(L, "ev.message", key)
}

func (v *messageView) next(L *lua.LState, key lua.LValue) (lua.LValue, lua.LValue) {
	return nextOf(L, v, messageFields, key)
}

var messageFields = []string{"id", "direction", "text", "from", "parts", "media", "sent_at"}

// optional is a string, or nil for one the event lacks.
func optional(s string) lua.LValue {
	if s == "" {
		return lua.LNil
	}
	return lua.LString(s)
}

// unixTime is a time as rules see it: Unix seconds to the millisecond, nil for
// none.
func unixTime(t time.Time) lua.LValue {
	if t.IsZero() {
		return lua.LNil
	}
	return lua.LNumber(float64(t.UnixMilli()) / 1000)
}

// nextOf walks a tablelike whose fields have a fixed order, over those it lacks.
func nextOf(L *lua.LState, t tablelike, fields []string, key lua.LValue) (lua.LValue, lua.LValue) {
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

// noField raises the error for a field that no event has.
func noField(L *lua.LState, table string, key lua.LValue) lua.LValue {
	name, ok := key.(lua.LString)
	if !ok {
		raise(L, "", "%s is not a list: it has no [%s]", table, keyText(key))
	}
	charge(L, 100, 500)
	raise(L, fieldHint(table, string(name)), "%s has no field %s", table, quote(string(name)))
	return lua.LNil
}

// fieldHint finds the field that was meant: one of the same table, the same
// name elsewhere in an event, or what other systems call it.
func fieldHint(table, name string) string {
	known := members(table)
	if s := Suggest(name, known); s != "" {
		return "did you mean " + table + "." + s + "?"
	}
	if s, ok := fieldNicknames[squash(name)]; ok {
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

// fieldNicknames are names people know from the wire or from other bots, as
// squash leaves them.
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

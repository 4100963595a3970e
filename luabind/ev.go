package luabind

import (
	"encoding/json"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
)

// eventView is ev: an event as rules see it. Nothing is converted before a
// rule asks for it, so that a handler that reads two fields pays for two.
type eventView struct {
	ud    lua.LUserData // in the same allocation; its Value is the view
	event *event.Event
	call  *Call // nil once it is over: who keeps ev keeps nothing of what the call wrote

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
	v := &eventView{call: c, event: c.Event}
	v.ud.Value = v
	v.ud.Metatable = viewMeta()
	vm.bound.ev, vm.bound.actions, vm.bound.payloads = v, 0, 0
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

func (v *eventView) retains(push func(lua.LValue)) int64 {
	pushAll(push, v.chat, v.message, v.state.table)
	if d := v.decoded; d != nil {
		pushAll(push, d.raw, d.payload, d.action)
	}
	return eventBytes(v.event) + int64(len(v.state.text))
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
	e := v.event
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
			v.message = newMessageView(L, e)
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
	case "age":
		return v.age()
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

// age counts from the start of handling. After the call it is nil: nobody
// handles the event then.
func (v *eventView) age() lua.LValue {
	if v.call == nil {
		return lua.LNil
	}
	age, known := v.event.Age(v.call.Now)
	if !known {
		return lua.LNil
	}
	return lua.LNumber(float64(age.Milliseconds()) / 1000)
}

// next leaves out raw and state: they are large, and whoever walks ev wants to
// see the event.
func (v *eventView) next(L *lua.LState, key lua.LValue) (lua.LValue, lua.LValue) {
	return nextOf(L, v, eventFields, key)
}

var eventFields = []string{"id", "type", "at", "age", "source", "text", "from", "chat", "message", "payload", "action"}

// String is what tostring gives. It shows neither text nor sender: logs are
// not to hold them unless a rule says so by name.
func (v *eventView) String() string {
	e := v.event
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
		r := jsonReader{L: L, s: borrowed(text), stored: name == "ev.payload"}
		t, err := r.all()
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

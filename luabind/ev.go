package luabind

import (
	"encoding/json"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
)

// eventView is ev, the event as rules see it. It converts a field when a rule reads
// it, so that a handler that reads two fields pays for two.
type eventView struct {
	ud    lua.LUserData // the userdata of the view, in the same allocation
	event *event.Event
	call  *Call // nil after the call, so that a retained ev retains nothing else of it

	// Made at the first read and reused, so that ev.chat == ev.chat and changes of
	// ev.state stay.
	chat, message lua.LValue
	decoded       *decodedFields
	state         eventState
}

// decodedFields are the fields that are decoded from JSON. The tables belong to this
// call: changing them changes nothing else.
type decodedFields struct {
	raw, payload, action lua.LValue
	signal, data         lua.LValue // ev.signal, and its data
}

// newEvent returns the ev of a call.
func newEvent(vm *VM, c *Call) lua.LValue {
	v := &eventView{call: c, event: c.Event}
	v.ud.Value = v
	v.ud.Metatable = viewMeta()
	vm.bound.ev, vm.bound.actions, vm.bound.payloads = v, 0, 0
	// The event exists already, but a rule that retains ev retains the event.
	vm.meter.bytes -= eventBytes(c.Event)
	return &v.ud
}

// eventBytes returns approximately the size of an event.
func eventBytes(e *event.Event) int64 {
	n := 512 + len(e.Raw) + len(e.Payload) + len(e.Action) + len(e.Data) + 2*len(e.Text)
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
		pushAll(push, d.raw, d.payload, d.action, d.signal, d.data)
	}
	return eventBytes(v.event) + int64(len(v.state.text))
}

// pushAll pushes the values that are not nil.
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
	case "signal":
		return v.signal(L)
	}
	return noField(L, "ev", key)
}

// age returns the seconds from the event to the start of the call. After the call it
// returns nil.
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

// next leaves out raw and state, which are large.
func (v *eventView) next(L *lua.LState, key lua.LValue) (lua.LValue, lua.LValue) {
	return nextOf(L, v, eventFields, key)
}

var eventFields = []string{"id", "type", "at", "age", "source", "text", "from", "chat", "message", "payload", "signal", "action"}

// String returns the result of tostring. It contains neither the text nor the sender:
// logs contain them only if a rule logs them by name.
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

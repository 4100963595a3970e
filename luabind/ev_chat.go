package luabind

import (
	"slices"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
)

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
	charge(L, 2, viewBytes)
	v := &chatView{chat: c}
	v.ud.Value = v
	v.ud.Metatable = viewMeta()
	return &v.ud
}

func (v *chatView) label() string { return "ev.chat" }

func (v *chatView) retains(push func(lua.LValue)) int64 {
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
		return optionalBool(v.chat.IsGroup)
	case "line":
		return optional(v.chat.Line)
	case "handles":
		if v.chat.Handles == nil {
			return lua.LNil
		}
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
	direction    string
	parts, media lua.LValue
}

func newMessageView(L *lua.LState, e *event.Event) lua.LValue {
	if e.Message == nil {
		return lua.LNil
	}
	charge(L, 2, viewBytes)
	v := &messageView{message: e.Message, direction: e.Direction()}
	v.ud.Value = v
	v.ud.Metatable = viewMeta()
	return &v.ud
}

func (v *messageView) label() string { return "ev.message" }

func (v *messageView) retains(push func(lua.LValue)) int64 {
	pushAll(push, v.parts, v.media)
	return int64(256 + 2*len(v.message.Text) + 128*len(v.message.Parts))
}

func (v *messageView) length() int { return 0 }
func (v *messageView) list() bool  { return false }

func (v *messageView) index(L *lua.LState, key lua.LValue) lua.LValue {
	m := v.message
	name, _ := key.(lua.LString)
	if m.Parts == nil && (name == "parts" || name == "media") {
		return lua.LNil
	}
	switch name {
	case "id":
		return optional(m.ID)
	case "direction":
		return optional(v.direction)
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
			charge(L, len(m.Parts), 128*len(m.Parts))
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

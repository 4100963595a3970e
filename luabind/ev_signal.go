package luabind

import (
	lua "github.com/yuin/gopher-lua"
)

// signalView is ev.signal. Its data is decoded when a rule reads it.
type signalView struct {
	ud lua.LUserData
	of *eventView
}

// signal returns ev.signal; nil if the event is not a signal.
func (v *eventView) signal(L *lua.LState) lua.LValue {
	if v.event.Signal() == "" {
		return lua.LNil
	}
	if v.decoded == nil {
		v.decoded = &decodedFields{}
	}
	if v.decoded.signal == nil {
		charge(L, 2, viewBytes)
		s := &signalView{of: v}
		s.ud.Value = s
		s.ud.Metatable = viewMeta()
		v.decoded.signal = &s.ud
	}
	return v.decoded.signal
}

func (v *signalView) label() string { return "ev.signal" }

func (v *signalView) retains(push func(lua.LValue)) int64 {
	push(&v.of.ud)
	return 64
}

func (v *signalView) length() int { return 0 }
func (v *signalView) list() bool  { return false }

func (v *signalView) index(L *lua.LState, key lua.LValue) lua.LValue {
	name, _ := key.(lua.LString)
	switch name {
	case "name":
		return lua.LString(v.of.event.Signal())
	case "data":
		return v.of.decode(L, "ev.signal.data", v.of.event.Data, func(d *decodedFields) *lua.LValue { return &d.data })
	}
	return noField(L, "ev.signal", key)
}

func (v *signalView) next(L *lua.LState, key lua.LValue) (lua.LValue, lua.LValue) {
	return nextOf(L, v, signalFields, key)
}

var signalFields = []string{"name", "data"}

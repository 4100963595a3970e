package luabind

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	lua "github.com/yuin/gopher-lua"
)

// maxState is the maximum size of ev.state as JSON, in bytes.
const maxState = 64 << 10

// eventState is ev.state from its first use to the end of the handler. It is an
// ordinary table. To find out whether it changed, the VM encodes it again.
//
// After the handler no change can be stored. Reading ev.state is an error then,
// because the stored value may have changed. Tables of it that a rule has put into a
// variable can still be read, but not written.
type eventState struct {
	table    lua.LValue      // nil: not read yet
	made     []*lua.LTable   // the tables of it that were made here
	text     json.RawMessage // as stored before the event
	at       place           // where it was read: the place of errors of storing it
	suspects *suspectWrites  // or, if it is known, where it was written; nil: nowhere
}

// suspectWrites holds the last writes that may have made a table which can't be stored,
// while ev.state is in use.
type suspectWrites struct {
	last [8]suspectWrite
	n    int
}

type suspectWrite struct {
	table *lua.LTable
	at    place
}

// noteSuspectWrite records a suspect write, if ev.state is in use. The records are not
// charged: few handlers have any.
func (vm *VM) noteSuspectWrite(L *lua.LState, t *lua.LTable, key, value lua.LValue) {
	v := vm.bound.ev
	if v == nil || v.state.table == nil || !suspect(t, key, value) {
		return
	}
	o := v.state.suspects
	if o == nil {
		o = &suspectWrites{}
		v.state.suspects = o
	}
	at := L.Context().(*thread).place()
	o.last[o.n%len(o.last)] = suspectWrite{t, at}
	o.n++
}

// of returns the place of the last suspect write to a table.
func (o *suspectWrites) of(t *lua.LTable) (at place, ok bool) {
	if o == nil {
		return place{}, false
	}
	for i := o.n - 1; i >= 0 && i >= o.n-len(o.last); i-- {
		if w := o.last[i%len(o.last)]; w.table == t {
			return w.at, true
		}
	}
	return place{}, false
}

// suspect reports whether setting a key may make a table that JSON can't represent: a
// list with holes or names, or a key or value of another type.
func suspect(t *lua.LTable, key, value lua.LValue) bool {
	switch v := value.(type) {
	case *lua.LNilType:
		return false
	case *lua.LFunction, *lua.LUserData:
		return true
	case lua.LNumber:
		if v-v != 0 { // not finite
			return true
		}
	}
	switch k := key.(type) {
	case lua.LString:
		return len(arrayPart(t)) > 0 && len(keysOf(t)) == 0 // the first name
	case lua.LNumber:
		n := len(arrayPart(t))
		return !(k >= 1 && k <= lua.LNumber(n+1)) || k != lua.LNumber(int(k)) || n == 0 && len(keysOf(t)) > 0
	}
	return true
}

// loadState returns ev.state, or nil if the event has no chat.
func (v *eventView) loadState(L *lua.LState) lua.LValue {
	if v.event.Chat == nil {
		return lua.LNil
	}
	if v.call != vmOf(L).call {
		raise(L, lateHint, "ev.state: %s", lateEvent)
	}
	if v.state.table != nil {
		return v.state.table
	}
	v.readState(L)
	if len(v.state.text) > 0 {
		t, err := decodeStored(L, v.state.text, &v.state.made)
		if err != nil {
			raise(L, "", "read ev.state: %v", err)
		}
		if t != lua.LNil {
			v.state.table = t
			return t
		}
	}
	v.state.table = v.emptyState(L)
	return v.state.table
}

func (v *eventView) emptyState(L *lua.LState) *lua.LTable {
	t := newTable(L, 0, 0)
	v.state.made = append(v.state.made, t)
	return t
}

// assignState handles the assignment ev.state = t.
func (v *eventView) assignState(L *lua.LState, t lua.LValue) {
	switch {
	case v.event.Chat == nil:
		raise(L, "store it in kv", "ev.state: this event has no chat")
	case v.call != vmOf(L).call:
		raise(L, lateHint, "ev.state: %s", lateEvent)
	}
	switch given := t.(type) {
	case *lua.LTable:
		if frozen(given) {
			raise(L, "copy the fields you need into a new table", "ev.state can't be a table from the ev.state of a handler that has ended")
		}
	case *lua.LNilType:
		t = v.emptyState(L) // nil deletes the state
	default:
		raise(L, "ev.state = { value = … }", "ev.state must be a table, got %s", described(t))
	}
	if v.state.table == nil {
		v.readState(L)
	}
	v.state.table = t
}

const (
	lateEvent = "this ev belongs to a handler that has ended, of an earlier event or another rule"
	lateHint  = "use the current handler's ev; don't store ev in an outer variable"
)

func (v *eventView) readState(L *lua.LState) {
	v.state.at = L.Context().(*thread).place()
	if v.call.Memory == nil {
		return
	}
	text, err := v.call.Memory.State()
	if err != nil {
		fail(L, "ev.state", err)
	}
	charge(L, 0, 2*len(text)) // at most 2*maxState
	v.state.text = text
}

// freeze makes ev.state and its tables read-only after the handler.
func (v *eventView) freeze() {
	for _, t := range v.state.made {
		if t.Metatable == lua.LNil {
			t.Metatable = frozenMeta()
		}
	}
	v.state, v.call = eventState{}, nil
}

// frozenMeta is the metatable of tables of the ev.state of a handler that has ended.
var frozenMeta = sync.OnceValue(func() *lua.LTable {
	mt := &lua.LTable{Metatable: lua.LNil}
	mt.RawSetString("__metatable", lockedMark)
	return mt
})

// frozen reports whether a table belongs to the ev.state of a handler that has ended.
func frozen(t *lua.LTable) bool { return t.Metatable == lua.LValue(frozenMeta()) }

var errFrozen = errors.New("this table belongs to the ev.state of a handler that has ended, of an earlier event or another rule: the write would be lost")

// finishEvent stores ev.state if the handler, which succeeded, changed it. The work
// counts towards the budget of the handler. An error fails the handler.
func finishEvent(vm *VM, _ *lua.LState) error {
	v := vm.bound.ev
	if v == nil || v.state.table == nil || v.call.Memory == nil {
		return nil
	}
	err := vm.protect(goFunction(func(L *lua.LState) int {
		if err := v.saveState(L); err != nil {
			raise(L, "", "%v", err)
		}
		return 0
	}), lua.LNil)
	if err != nil {
		// No Lua code runs here: the place is where ev.state was used.
		vm.raised.at = v.state.at
	}
	return err
}

func (v *eventView) saveState(L *lua.LState) error {
	w := jsonWriter{L: L, stored: true}
	text, err := w.all(v.state.table)
	switch {
	case err != nil:
		if at, ok := v.state.suspects.of(w.wrong); ok {
			v.state.at = at
		}
		return fmt.Errorf("ev.state can't be stored: %w", err)
	case string(text) == "{}" || string(text) == "[]":
		text = nil
	case len(text) > maxState:
		return fmt.Errorf("ev.state is too large: %d bytes as JSON, at most %d", len(text), maxState)
	}
	if bytes.Equal(text, v.state.text) {
		return nil
	}
	return v.call.Memory.SetState(text)
}

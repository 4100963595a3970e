package luabind

import (
	"github.com/yuin/gopher-lua/parse"

	lua "github.com/yuin/gopher-lua"
)

// Lists are the lists that operators change. They stay as they are for a call.
type Lists interface {
	// Check returns an error if no list has the name, with the hint of HintOf.
	Check(list string) error
	// Has reports whether a value is on a list at the time of the call. It compares
	// senders as where does.
	Has(list, value string) bool
}

// ListRef is chert.list(name) among the values of Subscription.Where.
type ListRef struct{ List string }

// ListUse is a place where a file names a list: chert.list("vips").
type ListUse struct {
	Name      string
	Line, Col int
}

const (
	// maxMember is the length of the longest member of a list, in bytes.
	maxMember = 512
	// plainLookup and oddLookup are the steps of a look-up: of a value that is in the form
	// in which members are stored, and of another, which has to be parsed.
	plainLookup, oddLookup = 20, 1000
)

// memberList is chert.list(name). It has no members of its own: each look-up asks the
// lists of the current call, so that a handler may use one that its file has made.
type memberList struct {
	ud   lua.LUserData
	name string
}

// chertList is chert.list(name).
func chertList(vm *VM, L *lua.LState) int {
	const name = "chert.list"
	list := wantString(L, name, 1, maxName)
	if vm.call != nil {
		checkList(vm, L, list)
	}
	v, ok := vm.bound.lists[list]
	if !ok {
		charge(L, 5, recordBytes)
		m := &memberList{name: list}
		m.ud.Value, m.ud.Metatable = m, viewMeta()
		if v = &m.ud; vm.bound.lists == nil || len(vm.bound.lists) >= maxCached {
			vm.bound.lists = map[string]lua.LValue{}
		}
		vm.bound.lists[list] = v
	}
	L.Push(v)
	return 1
}

// checkList raises an error if no list has the name.
func checkList(vm *VM, L *lua.LState, list string) {
	const name = "chert.list"
	if vm.call.Lists == nil {
		raise(L, "", "%s: there are no lists here", name)
	}
	if err := vm.call.Lists.Check(list); err != nil {
		fail(L, name, err)
	}
}

func (m *memberList) label() string { return "chert.list(" + quote(m.name) + ")" }

// length is not called: __len raises the error of refuse.
func (m *memberList) length() int { return 0 }
func (m *memberList) list() bool  { return false }

func (m *memberList) retains(func(lua.LValue)) int64 { return int64(len(m.name)) }

func (m *memberList) index(L *lua.LState, key lua.LValue) lua.LValue {
	vm := vmOf(L)
	if vm.call == nil {
		raise(L, "use it in a handler, or as a value of where: { from = "+m.label()+" }",
			"%s can't be read while the file loads: the list changes later", m.label())
	}
	var value string
	switch k := key.(type) {
	case lua.LString:
		value = string(k)
	case *lua.LNilType:
		return lua.LNil // as of a table: of an event without a sender
	default:
		hint := ""
		if t, ok := asView(key); ok && t.label() == "ev.chat" {
			hint = "pass ev.chat.id"
		}
		raise(L, hint, "%s: a member is a string, got %s", m.label(), described(key))
	}
	checkList(vm, L, m.name)
	switch {
	case len(value) > maxMember:
		return lua.LNil
	case plainMember(value):
		charge(L, plainLookup, 0)
	default:
		charge(L, oddLookup, 512)
	}
	if vm.call.Lists.Has(m.name, value) {
		return lua.LTrue
	}
	return lua.LNil
}

// plainMember reports whether a value is a North American number in E.164, which is
// compared as it is.
func plainMember(s string) bool {
	if len(s) != len("+14155550100") || s[:2] != "+1" {
		return false
	}
	for i := 2; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func (m *memberList) next(L *lua.LState, _ lua.LValue) (lua.LValue, lua.LValue) {
	m.refuse(L)
	return lua.LNil, lua.LNil
}

// refuse raises the error of # and of walking through the list.
func (m *memberList) refuse(L *lua.LState) {
	raise(L, "look up one value: "+m.label()+"[ev.from]", "%s has no length and can't be walked through", m.label())
}

// listUses finds the names in chert.list("NAME") among tokens. others reports whether a
// file may use more lists: by a name that is not written there, or by chert.list under
// another name.
func listUses(tokens []token) (uses []ListUse, others bool) {
	at := func(i int) token { return tokens[min(i, len(tokens)-1)] }
	for i, t := range tokens {
		if t.Type == parse.TIdent && t.Str == "_G" {
			others = true // _G.chert.list
			continue
		}
		if t.Type == parse.TString && t.Str == "list" && i > 0 && at(i-1).Type == '[' {
			others = true // chert["list"]
			continue
		}
		if t.Type != parse.TIdent || t.Str != "chert" || i > 0 && (at(i-1).Type == '.' || at(i-1).Type == ':') {
			continue
		}
		if at(i+1).Type != '.' || at(i+2).Type != parse.TIdent {
			constant := at(i+1).Type == '[' && at(i+2).Type == parse.TString && at(i+3).Type == ']'
			others = others || !constant // chert[k] may be chert.list
			continue
		}
		if at(i+2).Str != "list" {
			continue
		}
		arg, closed := i+3, true
		if at(arg).Type == '(' {
			arg, closed = i+4, at(i+5).Type == ')'
		}
		if name := at(arg); name.Type == parse.TString && closed {
			uses = append(uses, ListUse{name.Str, t.Pos.Line, t.Pos.Column})
			continue
		}
		others = true
	}
	return uses, others
}

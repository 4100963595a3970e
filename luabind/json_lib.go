package luabind

import lua "github.com/yuin/gopher-lua"

// jsonEncode is json.encode(value).
func jsonEncode(_ *VM, L *lua.LState) int {
	if L.GetTop() == 0 {
		wrong(L, "json.encode", "", 1, "a value")
	}
	text, err := encodeJSON(L, L.Get(1))
	if err != nil {
		raise(L, "", "json.encode: %v", err)
	}
	charge(L, 0, len(text))
	L.Push(lua.LString(text))
	return 1
}

// jsonDecode is json.decode(s).
func jsonDecode(_ *VM, L *lua.LState) int {
	s, ok := L.Get(1).(lua.LString)
	if !ok {
		wrong(L, "json.decode", "", 1, "a string")
	}
	v, err := decodeJSON(L, string(s))
	if err != nil {
		raise(L, "to handle the error, use pcall(json.decode, s)", "json.decode: %v", err)
	}
	L.Push(v)
	return 1
}

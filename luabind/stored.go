package luabind

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

// What a pack keeps (ev.state, values of kv, payloads of timers) comes back byte
// for byte. It is kept as JSON, because people look at it in the store; JSON
// holds text only, so a string that is not UTF-8 is kept as bytesPrefix and its
// bytes in base64, and so is one that begins with bytesPrefix itself. This holds
// for keys of tables, too.
//
// What JSON has no form for raises an error when it is stored: numbers that are
// not finite, lists with holes, tables that mix names and numbers, functions.
const bytesPrefix = "$bytes:"

// encodeStored writes a value for decodeStored.
func encodeStored(L *lua.LState, v lua.LValue) (json.RawMessage, error) {
	w := jsonWriter{L: L, stored: true}
	return w.all(v)
}

// decodeStored reads what encodeStored wrote. made, if not nil, gets every table.
func decodeStored(L *lua.LState, text []byte, made *[]*lua.LTable) (lua.LValue, error) {
	r := jsonReader{L: L, s: borrowed(text), stored: true, made: made}
	return r.all()
}

// storedString is a string as it is put between quotes.
func storedString(L *lua.LState, s string) string {
	if !strings.HasPrefix(s, bytesPrefix) && utf8.ValidString(s) {
		return s
	}
	charge(L, len(s)/8, 2*len(s)+len(bytesPrefix))
	return bytesPrefix + base64.StdEncoding.EncodeToString([]byte(s))
}

// restored turns a string that was read back into its bytes.
func (r *jsonReader) restored(s string) (string, error) {
	code, ok := strings.CutPrefix(s, bytesPrefix)
	if !r.stored || !ok {
		return s, nil
	}
	charge(r.L, len(code)/8, len(code))
	b, err := base64.StdEncoding.DecodeString(code)
	if err != nil {
		return s, nil // somebody else's text, from before this form
	}
	return string(b), nil
}

// badUTF8 is the offset of the first byte that is not UTF-8; -1: all is.
func badUTF8(s string) int {
	if utf8.ValidString(s) { // eight bytes at once
		return -1
	}
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

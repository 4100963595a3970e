package luabind

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

// bytesPrefix marks a stored string that is in base64.
//
// Stored values (ev.state, values of kv, payloads of timers) come back byte for byte.
// They are stored as JSON, because people read them in the store. JSON holds only
// Unicode, so a string that is not UTF-8 is stored as bytesPrefix and its bytes in
// base64. So is a string that begins with bytesPrefix. The same holds for keys of
// tables.
//
// Storing a value that JSON can't represent raises an error: numbers that are not
// finite, lists with holes, tables that mix names and numbers, functions.
const bytesPrefix = "$bytes:"

// encodeStored returns a value in the form that decodeStored reads.
func encodeStored(L *lua.LState, v lua.LValue) (json.RawMessage, error) {
	w := jsonWriter{L: L, stored: true}
	return w.all(v)
}

// decodeStored returns a stored value. It adds every table to made, if made is not nil.
func decodeStored(L *lua.LState, text []byte, made *[]*lua.LTable) (lua.LValue, error) {
	r := jsonReader{L: L, s: borrowed(text), stored: true, made: made}
	return r.all()
}

// storedString returns a string in its stored form, without quotes.
func storedString(L *lua.LState, s string) string {
	if !strings.HasPrefix(s, bytesPrefix) && utf8.ValidString(s) {
		return s
	}
	charge(L, len(s)/8, 2*len(s)+len(bytesPrefix))
	return bytesPrefix + base64.StdEncoding.EncodeToString([]byte(s))
}

// restored returns the string of a stored form.
func (r *jsonReader) restored(s string) (string, error) {
	code, ok := strings.CutPrefix(s, bytesPrefix)
	if !r.stored || !ok {
		return s, nil
	}
	charge(r.L, len(code)/8, len(code))
	b, err := base64.StdEncoding.DecodeString(code)
	if err != nil {
		return s, nil // not written by storedString
	}
	return string(b), nil
}

// badUTF8 returns the offset of the first byte that is not UTF-8, or -1.
func badUTF8(s string) int {
	if utf8.ValidString(s) { // fast
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

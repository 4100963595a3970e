package luabind

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// decodeJSON returns the Lua value of a JSON text. null becomes nil: an object has no
// such key, an array has a hole. Tables keep the order of the keys. Strings that are
// not valid Unicode are an error.
func decodeJSON(L *lua.LState, text string) (lua.LValue, error) {
	r := jsonReader{L: L, s: text, strict: true}
	return r.all()
}

// borrowed returns text as a string without copying it: the reader copies its strings.
func borrowed(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) }

// jsonReader decodes JSON to Lua values without intermediate Go values. It makes a
// table after it has read all of its values, in the right size, and charges for it
// first.
type jsonReader struct {
	L      *lua.LState
	s      string
	i      int
	nodes  int
	stored bool           // strings may be written as bytesPrefix says
	strict bool           // what is not Unicode is an error; otherwise, as in events, U+FFFD
	open   []lua.LValue   // what was read of the tables that are not complete
	made   *[]*lua.LTable // if set, gets every table
}

func (r *jsonReader) all() (lua.LValue, error) {
	charge(r.L, len(r.s)/8, 0)
	v, err := r.value(0)
	if err == nil {
		if r.space(); r.i < len(r.s) {
			err = r.fail("unexpected text after the value")
		}
	}
	if err != nil {
		return lua.LNil, err
	}
	return v, nil
}

// hold keeps a value on the stack until its table is complete.
func (r *jsonReader) hold(v lua.LValue) {
	if len(r.open) == cap(r.open) {
		charge(r.L, 0, max(2*cap(r.open), 8)*slotBytes)
	}
	r.open = append(r.open, v)
}

// table returns a new table, and adds it to made.
func (r *jsonReader) table(array, hash int) *lua.LTable {
	t := newTable(r.L, array, hash)
	if r.made != nil {
		*r.made = append(*r.made, t)
	}
	return t
}

func (r *jsonReader) fail(msg string) error {
	i := min(r.i, len(r.s))
	line := 1 + strings.Count(r.s[:i], "\n")
	col := i - strings.LastIndexByte(r.s[:i], '\n')
	return fmt.Errorf("not JSON: line %d, column %d: %s", line, col, msg)
}

func (r *jsonReader) space() {
	for r.i < len(r.s) && (r.s[r.i] == ' ' || r.s[r.i] == '\n' || r.s[r.i] == '\t' || r.s[r.i] == '\r') {
		r.i++
	}
}

// take skips c and reports true if c is next.
func (r *jsonReader) take(c byte) bool {
	r.space()
	if r.i < len(r.s) && r.s[r.i] == c {
		r.i++
		return true
	}
	return false
}

func (r *jsonReader) value(depth int) (lua.LValue, error) {
	if r.nodes++; r.nodes > maxJSONValues {
		return nil, fmt.Errorf("JSON has more than %d values", maxJSONValues)
	}
	if r.nodes%64 == 0 {
		charge(r.L, 64, 64*boxBytes)
	}
	r.space()
	if r.i == len(r.s) {
		return nil, r.fail("unexpected end: expected a value")
	}
	switch c := r.s[r.i]; {
	case c == '{', c == '[':
		if depth >= maxJSONDepth {
			return nil, fmt.Errorf("JSON is nested deeper than %d", maxJSONDepth)
		}
		r.i++
		if c == '{' {
			return r.object(depth + 1)
		}
		return r.array(depth + 1)
	case c == '"':
		s, err := r.string()
		return lua.LString(s), err
	case c == '-' || c >= '0' && c <= '9':
		return r.number()
	}
	for word, v := range jsonWords {
		if strings.HasPrefix(r.s[r.i:], word) {
			r.i += len(word)
			return v, nil
		}
	}
	return nil, r.fail("expected a value")
}

var jsonWords = map[string]lua.LValue{"null": lua.LNil, "true": lua.LTrue, "false": lua.LFalse}

func (r *jsonReader) object(depth int) (lua.LValue, error) {
	begin := len(r.open)
	for n := 0; ; n++ {
		if n == 0 && r.take('}') {
			break
		}
		r.space()
		if r.i == len(r.s) || r.s[r.i] != '"' {
			return nil, r.fail(`expected a name in quotes`)
		}
		key, err := r.string()
		if err != nil {
			return nil, err
		}
		if !r.take(':') {
			return nil, r.fail(`expected ":" after a name`)
		}
		v, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		r.hold(lua.LString(key))
		r.hold(v)
		if r.take('}') {
			break
		}
		if !r.take(',') {
			return nil, r.fail(`expected "," or "}"`)
		}
	}
	fields := r.open[begin:]
	t := r.table(0, len(fields)/2)
	for i := 0; i < len(fields); i += 2 {
		t.RawSetString(string(fields[i].(lua.LString)), fields[i+1])
	}
	clear(fields)
	r.open = r.open[:begin]
	return t, nil
}

func (r *jsonReader) array(depth int) (lua.LValue, error) {
	begin := len(r.open)
	for n := 0; ; n++ {
		if n == 0 && r.take(']') {
			break
		}
		v, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		r.hold(v)
		if r.take(']') {
			break
		}
		if !r.take(',') {
			return nil, r.fail(`expected "," or "]"`)
		}
	}
	items := r.open[begin:]
	t := r.table(len(items), 0)
	for i, v := range items {
		t.RawSetInt(i+1, v)
	}
	clear(items)
	r.open = r.open[:begin]
	return t, nil
}

func (r *jsonReader) number() (lua.LValue, error) {
	start := r.i
	for r.i < len(r.s) && strings.IndexByte("+-.eE0123456789", r.s[r.i]) >= 0 {
		r.i++
	}
	text := r.s[start:r.i]
	n, err := strconv.ParseFloat(text, 64)
	digits := strings.TrimPrefix(text, "-")
	point := strings.IndexByte(digits, '.') + 1
	switch {
	case err != nil,
		digits[0] < '0' || digits[0] > '9',
		len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9',
		point > 0 && (point == len(digits) || digits[point] < '0' || digits[point] > '9'):
		r.i = start
		return nil, r.fail(quote(text) + " is not a number")
	}
	return lua.LNumber(n), nil
}

// string reads a string from its opening quote. The result does not retain the text.
func (r *jsonReader) string() (string, error) {
	start := r.i + 1
	for i := start; i < len(r.s); i++ {
		switch c := r.s[i]; {
		case c == '"':
			r.i = i + 1
			s := r.s[start:i]
			if !utf8.ValidString(s) {
				if r.strict {
					return "", r.notUnicode(start, i)
				}
				charge(r.L, len(s)/8, 8*len(s))
				return string([]rune(s)), nil // U+FFFD for each wrong byte
			}
			charge(r.L, len(s)/64, len(s)+2*boxBytes)
			return r.restored(strings.Clone(s))
		case c < ' ':
			r.i = i
			return "", r.fail("a control character in a string")
		case c == '\\':
			return r.escaped(start)
		}
	}
	r.i = len(r.s)
	return "", r.fail("unexpected end in a string")
}

// escaped reads a string with escapes. It finds the end; encoding/json decodes it.
func (r *jsonReader) escaped(start int) (string, error) {
	for i := start; i < len(r.s); i++ {
		switch r.s[i] {
		case '\\':
			i++
		case '"':
			charge(r.L, (i-start)/4, 4*(i-start)+2*boxBytes)
			if r.strict {
				if err := r.notUnicode(start, i); err != nil {
					return "", err
				}
			}
			var s string
			if err := json.Unmarshal([]byte(r.s[start-1:i+1]), &s); err != nil {
				return "", r.fail("invalid escape in a string")
			}
			r.i = i + 1
			return r.restored(s)
		}
	}
	r.i = len(r.s)
	return "", r.fail("unexpected end in a string")
}

// notUnicode returns an error if the string s[start:end] has bytes that are not UTF-8,
// or one half of a surrogate pair, such as \ud83d alone.
func (r *jsonReader) notUnicode(start, end int) error {
	if i := badUTF8(r.s[start:end]); i >= 0 {
		r.i = start + i
		return r.fail(fmt.Sprintf("byte 0x%02X is not UTF-8", r.s[r.i]))
	}
	for i := start; i < end; i++ {
		if r.s[i] != '\\' {
			continue
		}
		unit, ok := r.unit(i, end)
		if !ok || !utf16.IsSurrogate(unit) {
			i++
			continue
		}
		if low, ok := r.unit(i+6, end); !ok || utf16.DecodeRune(unit, low) == utf8.RuneError {
			r.i = i
			return r.fail(r.s[i:i+6] + " is half of a character: the other half is missing")
		}
		i += 11
	}
	return nil
}

// unit returns the code unit of an escape such as \u00e9 at i.
func (r *jsonReader) unit(i, end int) (rune, bool) {
	if i+6 > end || r.s[i] != '\\' || r.s[i+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(r.s[i+2:i+6], 16, 16)
	return rune(n), err == nil
}

package luabind

import (
	"fmt"
	"strconv"
	"strings"
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
	stored bool           // strings may begin with bytesPrefix
	strict bool           // invalid Unicode is an error; otherwise, as in events, it becomes U+FFFD
	open   []lua.LValue   // items read so far of the tables that are not complete
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

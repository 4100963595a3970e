package luabind

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

const (
	// maxJSONDepth is how deep tables may nest to be converted.
	maxJSONDepth = 64
	// maxJSONValues is how many values one conversion may hold.
	maxJSONValues = 10_000
	// nodeBytes is about what one value in a table takes.
	nodeBytes = 64
)

// encodeJSON writes a Lua value as JSON, with the keys of objects in order, so
// that equal values have equal texts. A table whose keys are 1 to n is an
// array; an empty one, and one with string keys only, is an object; any other
// is an error, for JSON could not give it back. Strings are made valid UTF-8.
//
// The work is charged to L's meter. Errors name the place in the value.
func encodeJSON(L *lua.LState, v lua.LValue) (json.RawMessage, error) {
	w := jsonWriter{L: L}
	if err := w.value(v); err != nil {
		return nil, err
	}
	charge(L, w.nodes, len(w.out))
	return w.out, nil
}

// decodeJSON reads JSON text as a Lua value. null is nil: it leaves no key in
// an object, and a hole in an array. Objects keep the order of their keys.
func decodeJSON(L *lua.LState, text string) (lua.LValue, error) {
	charge(L, len(text)/8, len(text))
	r := jsonReader{L: L, s: text}
	v, err := r.value(0)
	if err == nil {
		if r.space(); r.i < len(r.s) {
			err = r.fail("more follows the value")
		}
	}
	if err != nil {
		return lua.LNil, err
	}
	return v, nil
}

type jsonWriter struct {
	L     *lua.LState
	out   []byte
	nodes int
	open  []lua.LValue // tables being written, outermost first
}

// valueError is what is wrong at a place in a value.
type valueError struct {
	path string // ".list[3]"
	msg  string
}

func (e *valueError) Error() string {
	if e.path == "" {
		return e.msg
	}
	return "at " + e.path + ": " + e.msg
}

// under adds the key an error came up through.
func under(err error, key string) error {
	var ve *valueError
	if errors.As(err, &ve) && len(ve.path) < 200 {
		return &valueError{key + ve.path, ve.msg}
	}
	return err
}

func (w *jsonWriter) value(v lua.LValue) error {
	if w.nodes++; w.nodes > maxJSONValues {
		return &valueError{"", fmt.Sprintf("more than %d values", maxJSONValues)}
	}
	switch v := v.(type) {
	case *lua.LNilType:
		w.out = append(w.out, "null"...)
	case lua.LBool:
		w.out = strconv.AppendBool(w.out, bool(v))
	case lua.LNumber:
		return w.number(float64(v))
	case lua.LString:
		w.string(string(v))
	case *lua.LTable:
		return w.table(v)
	default:
		if t, ok := asTablelike(v); ok {
			return w.tablelike(v, t)
		}
		return &valueError{"", fmt.Sprintf("a %s can't be written as JSON", v.Type())}
	}
	return nil
}

func (w *jsonWriter) number(n float64) error {
	switch {
	case math.IsNaN(n) || math.IsInf(n, 0):
		return &valueError{"", fmt.Sprintf("the number %v can't be written as JSON", n)}
	case n == math.Trunc(n) && math.Abs(n) < 1<<53:
		w.out = strconv.AppendInt(w.out, int64(n), 10)
	default:
		w.out = strconv.AppendFloat(w.out, n, 'g', -1, 64)
	}
	return nil
}

func (w *jsonWriter) table(t *lua.LTable) error {
	if err := w.enter(t); err != nil {
		return err
	}
	defer w.leave()
	n := t.Len()
	var keys []string
	count := 0
	for k, _ := t.Next(lua.LNil); k != lua.LNil; k, _ = t.Next(k) {
		if count++; w.nodes+count > maxJSONValues {
			return &valueError{"", fmt.Sprintf("more than %d values", maxJSONValues)}
		}
		switch k := k.(type) {
		case lua.LString:
			keys = append(keys, string(k))
		case lua.LNumber:
			if i := int(k); lua.LNumber(i) != k || i < 1 || i > n {
				return &valueError{"", fmt.Sprintf("a table with the number key %v can't be written as JSON: numbers must be a list 1, 2, 3 … without holes; use tostring(key)", k)}
			}
		default:
			return &valueError{"", fmt.Sprintf("a table with a %s as key can't be written as JSON", k.Type())}
		}
	}
	charge(w.L, count+10*len(keys), count*16)
	switch {
	case len(keys) == 0 && count > 0:
		if count != n {
			return &valueError{"", "a list with holes (nil) in it can't be written as JSON"}
		}
		w.out = append(w.out, '[')
		for i := 1; i <= n; i++ {
			if i > 1 {
				w.out = append(w.out, ',')
			}
			if err := w.value(t.RawGetInt(i)); err != nil {
				return under(err, "["+strconv.Itoa(i)+"]")
			}
		}
		w.out = append(w.out, ']')
		return nil
	case len(keys) < count:
		return &valueError{"", "a table that is both a list and has names can't be written as JSON"}
	}
	slices.Sort(keys)
	w.out = append(w.out, '{')
	for i, k := range keys {
		if err := w.member(i, k, t.RawGetString(k)); err != nil {
			return err
		}
	}
	w.out = append(w.out, '}')
	return nil
}

func (w *jsonWriter) tablelike(v lua.LValue, t tablelike) error {
	if err := w.enter(v); err != nil {
		return err
	}
	defer w.leave()
	if t.list() {
		w.out = append(w.out, '[')
		for i := 1; i <= t.length(); i++ {
			if i > 1 {
				w.out = append(w.out, ',')
			}
			if err := w.value(t.index(w.L, lua.LNumber(i))); err != nil {
				return under(err, "["+strconv.Itoa(i)+"]")
			}
		}
		w.out = append(w.out, ']')
		return nil
	}
	w.out = append(w.out, '{')
	i := 0
	for k, v := t.next(w.L, lua.LNil); k != lua.LNil; k, v = t.next(w.L, k) {
		if err := w.member(i, k.String(), v); err != nil {
			return err
		}
		i++
	}
	w.out = append(w.out, '}')
	return nil
}

func (w *jsonWriter) member(i int, key string, v lua.LValue) error {
	if i > 0 {
		w.out = append(w.out, ',')
	}
	w.string(key)
	w.out = append(w.out, ':')
	if err := w.value(v); err != nil {
		return under(err, "."+key)
	}
	return nil
}

// enter notes a table that is being written. The tables around it are few, so
// a table that holds itself is found by looking at each.
func (w *jsonWriter) enter(v lua.LValue) error {
	if slices.Contains(w.open, v) {
		return &valueError{"", "the table contains itself"}
	}
	if len(w.open) >= maxJSONDepth {
		return &valueError{"", fmt.Sprintf("nested deeper than %d tables", maxJSONDepth)}
	}
	w.open = append(w.open, v)
	return nil
}

func (w *jsonWriter) leave() { w.open = w.open[:len(w.open)-1] }

const hexDigits = "0123456789abcdef"

func (w *jsonWriter) string(s string) {
	charge(w.L, len(s)/4, len(s))
	w.out = append(w.out, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				charge(w.L, 1, 2)
				w.out = append(w.out, s[start:i]...)
				w.out = append(w.out, "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		charge(w.L, 1, 5)
		w.out = append(w.out, s[start:i]...)
		switch c {
		case '"', '\\':
			w.out = append(w.out, '\\', c)
		case '\n':
			w.out = append(w.out, `\n`...)
		case '\r':
			w.out = append(w.out, `\r`...)
		case '\t':
			w.out = append(w.out, `\t`...)
		default:
			w.out = append(w.out, `\u00`...)
			w.out = append(w.out, hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	w.out = append(w.out, s[start:]...)
	w.out = append(w.out, '"')
}

// jsonReader makes Lua values of JSON text at once, without a tree of Go
// values between.
type jsonReader struct {
	L     *lua.LState
	s     string
	i     int
	nodes int
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

// take steps over c, if it is next.
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
		charge(r.L, 64, 64*nodeBytes)
	}
	r.space()
	if r.i == len(r.s) {
		return nil, r.fail("the text ends where a value is expected")
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
	t := r.L.NewTable()
	if r.take('}') {
		return t, nil
	}
	for {
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
		charge(r.L, 10, 2*nodeBytes+len(key))
		t.RawSetString(key, v)
		if r.take('}') {
			return t, nil
		}
		if !r.take(',') {
			return nil, r.fail(`expected "," or "}"`)
		}
	}
}

func (r *jsonReader) array(depth int) (lua.LValue, error) {
	t := r.L.NewTable()
	if r.take(']') {
		return t, nil
	}
	for n := 1; ; n++ {
		v, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		t.RawSetInt(n, v)
		if r.take(']') {
			return t, nil
		}
		if !r.take(',') {
			return nil, r.fail(`expected "," or "]"`)
		}
	}
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

// string reads from the opening quote on. The result does not keep the text
// it was cut from.
func (r *jsonReader) string() (string, error) {
	start := r.i + 1
	for i := start; i < len(r.s); i++ {
		switch c := r.s[i]; {
		case c == '"':
			r.i = i + 1
			if s := r.s[start:i]; !utf8.ValidString(s) {
				return string([]rune(s)), nil // U+FFFD for each wrong byte
			}
			return strings.Clone(r.s[start:i]), nil
		case c < ' ':
			r.i = i
			return "", r.fail("a control character in a string")
		case c == '\\':
			return r.escaped(start)
		}
	}
	r.i = len(r.s)
	return "", r.fail("the text ends in a string")
}

// escaped reads a string with escapes: it finds the end, encoding/json reads it.
func (r *jsonReader) escaped(start int) (string, error) {
	for i := start; i < len(r.s); i++ {
		switch r.s[i] {
		case '\\':
			i++
		case '"':
			charge(r.L, (i-start)/4, 2*(i-start))
			var s string
			if err := json.Unmarshal([]byte(r.s[start-1:i+1]), &s); err != nil {
				return "", r.fail("a string with a wrong escape")
			}
			r.i = i + 1
			return s, nil
		}
	}
	r.i = len(r.s)
	return "", r.fail("the text ends in a string")
}

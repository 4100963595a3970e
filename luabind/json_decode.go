package luabind

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

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

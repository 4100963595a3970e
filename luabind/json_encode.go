package luabind

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
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

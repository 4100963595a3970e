package luabind

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

const (
	// maxJSONDepth is the maximum nesting of tables that are converted.
	maxJSONDepth = 64
	// maxJSONValues is the maximum number of values in one conversion.
	maxJSONValues = 10_000
	// nodeBytes is approximately the size of a value as Go data.
	nodeBytes = 64
)

// encodeJSON returns a Lua value as JSON. The keys of objects are sorted, so that equal
// values have equal texts. A table whose keys are 1 to n becomes an array. An empty
// table, and one with only string keys, becomes an object. Any other table is an error,
// because JSON can't represent it, and so is a string that is not UTF-8.
//
// The work is charged. Errors contain the place in the value.
func encodeJSON(L *lua.LState, v lua.LValue) (json.RawMessage, error) {
	w := jsonWriter{L: L}
	return w.all(v)
}

type jsonWriter struct {
	L      *lua.LState
	out    []byte
	nodes  int
	stored bool         // write the form that decodeStored reads
	open   []lua.LValue // tables being written, outermost first
	wrong  *lua.LTable  // after an error: the table with the value that can't be written
}

func (w *jsonWriter) all(v lua.LValue) (json.RawMessage, error) {
	if err := w.value(v); err != nil {
		return nil, err
	}
	if w.stored && len(w.out) < cap(w.out)-cap(w.out)/4 {
		charge(w.L, len(w.out)/256, len(w.out))
		return bytes.Clone(w.out), nil // it stays in memory until the commit
	}
	return w.out, nil
}

// add appends text, and charges for the growth of the buffer.
func (w *jsonWriter) add(text string) {
	if need := len(w.out) + len(text); need > cap(w.out) {
		room := need + need/4 + 64
		charge(w.L, room/256, room)
		w.out = append(make([]byte, 0, room), w.out...)
	}
	w.out = append(w.out, text...)
}

// valueError is an error at a place in a value.
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

// under adds a key to the front of the path of a valueError.
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
	charge(w.L, 1, 0)
	switch v := v.(type) {
	case *lua.LNilType:
		w.add("null")
	case lua.LBool:
		w.add(strconv.FormatBool(bool(v)))
	case lua.LNumber:
		return w.number(float64(v))
	case lua.LString:
		return w.string(string(v))
	case *lua.LTable:
		return w.table(v)
	default:
		if t, ok := asView(v); ok {
			return w.view(v, t)
		}
		return &valueError{"", fmt.Sprintf("a %s can't be written as JSON", v.Type())}
	}
	return nil
}

func (w *jsonWriter) number(n float64) error {
	switch {
	case math.IsNaN(n) || math.IsInf(n, 0):
		return &valueError{"", fmt.Sprintf("the number %v can't be written as JSON", n)}
	case n == 0 && math.Signbit(n):
		w.add("-0")
	case n == math.Trunc(n) && math.Abs(n) < 1<<53:
		w.add(strconv.FormatInt(int64(n), 10))
	default:
		w.add(strconv.FormatFloat(n, 'g', -1, 64))
	}
	return nil
}

func (w *jsonWriter) table(t *lua.LTable) (err error) {
	if err := w.enter(t); err != nil {
		return err
	}
	defer func() {
		if err != nil && w.wrong == nil {
			w.wrong = t // the innermost
		}
		w.leave()
	}()
	if shownBy(t) != nil {
		return &valueError{"", "a library can't be written as JSON"}
	}
	charge(w.L, 0, 2*boxBytes*len(keysOf(t)))
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
				return &valueError{fmt.Sprintf("[%v]", k), fmt.Sprintf("a table with the number key %v can't be written as JSON: numbers must be a list 1, 2, 3 … without holes; use tostring(key)", k)}
			}
		default:
			return &valueError{"", fmt.Sprintf("a table with a %s as key can't be written as JSON", k.Type())}
		}
	}
	charge(w.L, count+10*len(keys), 0)
	if len(keys) == 0 && count > 0 {
		if count != n {
			return &valueError{"", "a list with holes (nil) in it can't be written as JSON"}
		}
		return w.list(n, t.RawGetInt)
	}
	slices.Sort(keys)
	if len(keys) < count {
		return &valueError{"", "a table that is both a list and has names, such as " + quote(shorten(keys[0])) + ", can't be written as JSON"}
	}
	w.add("{")
	for i, k := range keys {
		if err := w.member(i, k, t.RawGetString(k)); err != nil {
			return err
		}
	}
	w.add("}")
	return nil
}

func (w *jsonWriter) view(v lua.LValue, t view) error {
	if err := w.enter(v); err != nil {
		return err
	}
	defer w.leave()
	if t.list() {
		return w.list(t.length(), func(i int) lua.LValue { return t.index(w.L, lua.LNumber(i)) })
	}
	w.add("{")
	i := 0
	for k, v := t.next(w.L, lua.LNil); k != lua.LNil; k, v = t.next(w.L, k) {
		if err := w.member(i, k.String(), v); err != nil {
			return err
		}
		i++
	}
	w.add("}")
	return nil
}

// list writes n values as an array.
func (w *jsonWriter) list(n int, get func(int) lua.LValue) error {
	w.add("[")
	for i := 1; i <= n; i++ {
		if i > 1 {
			w.add(",")
		}
		if err := w.value(get(i)); err != nil {
			return under(err, "["+strconv.Itoa(i)+"]")
		}
	}
	w.add("]")
	return nil
}

func (w *jsonWriter) member(i int, key string, v lua.LValue) error {
	if i > 0 {
		w.add(",")
	}
	if err := w.string(key); err != nil {
		return under(err, "."+shorten(strings.ToValidUTF8(key, "\ufffd")))
	}
	w.add(":")
	if err := w.value(v); err != nil {
		return under(err, "."+strings.ToValidUTF8(key, "\ufffd"))
	}
	return nil
}

// enter begins a table. It compares the table with all tables around it, which are
// few, to find one that contains itself.
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

// string writes a string in quotes.
func (w *jsonWriter) string(s string) error {
	charge(w.L, len(s)/8, 0)
	if w.stored {
		s = storedString(w.L, s)
	} else if i := badUTF8(s); i >= 0 {
		return &valueError{"", fmt.Sprintf("the string %s can't be written as JSON: it is not UTF-8 from byte %d on (chert.cut cuts between letters)", quote(s), i+1)}
	}
	w.add(`"`)
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		charge(w.L, 1, 0)
		w.add(s[start:i])
		switch c {
		case '"':
			w.add(`\"`)
		case '\\':
			w.add(`\\`)
		case '\n':
			w.add(`\n`)
		case '\r':
			w.add(`\r`)
		case '\t':
			w.add(`\t`)
		default:
			w.add(`\u00` + hexDigits[c>>4:c>>4+1] + hexDigits[c&15:c&15+1])
		}
		start = i + 1
	}
	w.add(s[start:])
	w.add(`"`)
	return nil
}

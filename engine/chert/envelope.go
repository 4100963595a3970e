package chert

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// fields is a JSON object; nil: something else. Names are case-sensitive, as on the wire.
// It is a list, as answers have few fields, and a map of them takes more memory than the
// answer.
type fields []field

type field struct {
	name  string
	value json.RawMessage
}

// object reads a JSON object; nil if body is something else.
func object(body []byte) fields {
	if f := plainObject(body); f != nil {
		return f
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil || m == nil {
		return nil
	}
	f := make(fields, 0, len(m))
	for name, value := range m {
		f = append(f, field{name, value})
	}
	return f
}

// plainObject reads an object that has only strings without escapes, as the answer of
// mark-read is, in a sixth of the time that encoding/json takes; nil if body is something
// else.
func plainObject(body []byte) fields {
	rest, ok := cutByte(body, '{')
	f := make(fields, 0, 2)
	for ok {
		var name, value []byte
		if name, rest, ok = plainString(rest); !ok {
			return nil
		}
		if rest, ok = cutByte(rest, ':'); !ok {
			return nil
		}
		if value, rest, ok = plainString(rest); !ok {
			return nil
		}
		f = append(f, field{string(name[1 : len(name)-1]), value})
		if end, ended := cutByte(rest, '}'); ended && len(trimSpace(end)) == 0 {
			return f
		}
		rest, ok = cutByte(rest, ',')
	}
	return nil
}

// plainString cuts a JSON string of printable ASCII without escapes, with its quotes, off
// the front of a text.
func plainString(text []byte) (quoted, rest []byte, ok bool) {
	text = trimSpace(text)
	if len(text) == 0 || text[0] != '"' {
		return nil, nil, false
	}
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return text[:i+1], text[i+1:], true
		case c == '\\' || c < ' ' || c >= 0x7f:
			return nil, nil, false
		}
	}
	return nil, nil, false
}

// cutByte cuts a byte off the front of a text, and white space before it.
func cutByte(text []byte, c byte) (rest []byte, ok bool) {
	text = trimSpace(text)
	if len(text) == 0 || text[0] != c {
		return nil, false
	}
	return text[1:], true
}

// trimSpace cuts JSON's white space off the front of a text.
func trimSpace(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\n' || text[0] == '\t' || text[0] == '\r') {
		text = text[1:]
	}
	return text
}

// get returns the value of a field; nil: it has none. If a name is there twice, its last
// value counts.
func (f fields) get(name string) json.RawMessage {
	for i := len(f) - 1; i >= 0; i-- {
		if f[i].name == name {
			return f[i].value
		}
	}
	return nil
}

// text returns a field that is a string.
func (f fields) text(name string) (text string, ok bool) {
	raw := f.get(name)
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	if _, _, plain := plainString(raw); plain { // a value has nothing after its end
		return string(raw[1 : len(raw)-1]), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// reportsFailure reports whether a body reports that the call failed.
func (f fields) reportsFailure() bool {
	if success, clear := clearBool(f.get("success")); clear && !success {
		return true
	}
	raw := f.get("error")
	return raw != nil && string(raw) != "null"
}

// envelope is Chert's error envelope.
type envelope struct {
	code       int
	status     int // 0: missing
	message    string
	retryable  bool
	retryAfter time.Duration
}

// envelopeOf reads the error envelope of a body; nil if the body has none.
//
// Fields are read for what they clearly mean, also as strings and numbers: "true",
// "yes", "1" and 1.0 are true, "  3 " is 3, a wait of "3s" is 3. A field that is not
// clear counts as missing. retryable is documented as always present; without it, a
// documented code has its documented value. An undocumented code is only taken from a
// whole envelope: success is false, the code has four digits or more, and retryable is
// clear. Other APIs have an "error" with a "code", too, and must not end a read.
func envelopeOf(f fields) *envelope {
	if f.get("error") == nil {
		return nil
	}
	succeeded, given := clearBool(f.get("success"))
	w := object(f.get("error"))
	code, ok := clearInt(w.get("code"))
	if !ok || given && succeeded {
		return nil
	}
	usual, known := documented[code]
	retryable, clear := clearBool(w.get("retryable"))
	if !known && (!given || !clear || code < 1000) {
		return nil
	}
	if !clear {
		retryable = usual.Retryable
	}
	e := &envelope{code: code, retryable: retryable}
	if status, ok := clearInt(w.get("status")); ok && status >= 100 && status <= 599 {
		e.status = status
	}
	if message, ok := w.text("message"); ok {
		e.message = printable(message)
	}
	if wait, ok := plainWait(unquoted(w.get("retry_after"))); ok {
		e.retryAfter = wait
	}
	return e
}

// clearBool reads true and false, also as 1 and 0, and these and yes and no as a
// string.
func clearBool(raw json.RawMessage) (value, clear bool) {
	text := strings.TrimSpace(string(raw))
	if strings.HasPrefix(text, `"`) {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return false, false
		}
		text = strings.ToLower(strings.TrimSpace(s))
		switch text {
		case "yes":
			return true, true
		case "no":
			return false, true
		}
	}
	switch text {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	n, ok := plainNumber(text)
	return n == 1, ok && (n == 0 || n == 1)
}

// clearNumber reads a number, also in a string. One that does not fit a float64 is
// infinite.
func clearNumber(raw json.RawMessage) (n float64, clear bool) { return plainNumber(unquoted(raw)) }

// unquoted returns the text of a value, of a string without its quotes.
func unquoted(raw json.RawMessage) string {
	var s string
	if strings.HasPrefix(string(raw), `"`) && json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// plainWait reads a wait: seconds, or a number with its unit ("3s", "2 minutes").
func plainWait(text string) (wait time.Duration, ok bool) {
	if n, ok := plainNumber(text); ok {
		return seconds(n), true
	}
	text = strings.ToLower(strings.TrimSpace(text))
	unit := strings.TrimLeft(text, "0123456789.")
	n, ok := plainNumber(strings.TrimSuffix(text, unit))
	scale, known := waitUnits[strings.TrimSpace(unit)]
	if !ok || !known {
		return 0, false
	}
	return seconds(n * scale), true
}

// waitUnits has the units of a wait, in seconds.
var waitUnits = map[string]float64{
	"ms": 0.001, "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
	"m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60, "h": 3600, "hour": 3600, "hours": 3600,
}

// clearInt reads a whole number, also in a string or with a fraction of 0.
func clearInt(raw json.RawMessage) (n int, clear bool) {
	f, ok := clearNumber(raw)
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<31 {
		return 0, false
	}
	return int(f), true
}

// plainNumber reads a decimal number, with spaces around it.
func plainNumber(text string) (n float64, ok bool) {
	text = strings.TrimSpace(text)
	if text == "" || strings.Trim(text, "0123456789.eE+-") != "" {
		return 0, false // ParseFloat would take inf, nan and hexadecimal
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// seconds returns a wait of n seconds, at most a day: no call is retried for longer.
func seconds(n float64) time.Duration {
	if math.IsNaN(n) || n <= 0 {
		return 0
	}
	return time.Duration(min(n, 86400) * float64(time.Second))
}

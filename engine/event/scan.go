package event

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Each method of quick skips white space, reads the next token, and reports whether it was
// there and valid.

// object reads an object, and the value of each field by a function.
func (q *quick) object(field func(name []byte) bool) bool {
	if !q.token('{') {
		return false
	}
	if q.token('}') {
		return true
	}
	for {
		name, plain := q.quoted()
		if !plain || !q.token(':') || !field(name) {
			return false
		}
		if q.token('}') {
			return true
		}
		if !q.token(',') {
			return false
		}
	}
}

func (q *quick) array(element func() bool) bool {
	if !q.token('[') {
		return false
	}
	if q.token(']') {
		return true
	}
	for {
		if !element() {
			return false
		}
		if q.token(']') {
			return true
		}
		if !q.token(',') {
			return false
		}
	}
}

// text reads a string.
func (q *quick) text(into *string) bool {
	s, plain := q.quoted()
	switch {
	case s == nil:
		return false
	case plain:
		*into = word(s)
		return true
	}
	// json.Unmarshal decodes escapes and invalid encodings. Only a string of its own is on
	// the heap for that, not all that into is a part of.
	var decoded string
	err := json.Unmarshal(q.body[q.at-len(s)-2:q.at], &decoded)
	*into = decoded
	return err == nil
}

func (q *quick) stamp(into *stamp) bool {
	s, plain := q.quoted()
	if s == nil {
		return false
	}
	quoted := q.body[q.at-len(s)-2 : q.at]
	// UnmarshalJSON takes any text, but one with an escape may be invalid JSON.
	return (plain || json.Valid(quoted)) && into.UnmarshalJSON(quoted) == nil
}

func (q *quick) flag(into *Truth) bool {
	q.space()
	*into = TruthOf(q.literal("true"))
	return *into == True || q.literal("false")
}

// raw reads a value of any kind without decoding it.
func (q *quick) raw(into *json.RawMessage) bool {
	q.space()
	start := q.at
	if !q.skip() {
		return false
	}
	*into = q.body[start:q.at:q.at]
	return true
}

// skip skips a value of any kind.
func (q *quick) skip() bool {
	q.space()
	if q.at == len(q.body) {
		return false
	}
	switch q.body[q.at] {
	case '{':
		return q.object(func([]byte) bool { return q.skip() })
	case '[':
		return q.array(q.skip)
	case '"':
		s, plain := q.quoted()
		return s != nil && (plain || json.Valid(q.body[q.at-len(s)-2:q.at]))
	}
	if q.literal("true") || q.literal("false") || q.literal("null") {
		return true
	}
	end := bytes.IndexAny(q.body[q.at:], ",]} \t\r\n")
	if end < 0 {
		return false
	}
	number := q.body[q.at : q.at+end]
	q.at += end
	return json.Valid(number)
}

// quoted reads a string and returns what is between the quotes; nil if it is not a
// string. plain is set if it has no escapes and is valid UTF-8.
func (q *quick) quoted() (s []byte, plain bool) {
	if !q.token('"') {
		return nil, false
	}
	start, ascii := q.at, true
	plain = true
	for i := start; i < len(q.body); i++ {
		switch c := q.body[i]; {
		case c == '"':
			q.at = i + 1
			s = q.body[start:i:i]
			return s, plain && (ascii || utf8.Valid(s))
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			return nil, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false
}

// token skips white space and then c, if that is next.
func (q *quick) token(c byte) bool {
	q.space()
	if q.at == len(q.body) || q.body[q.at] != c {
		return false
	}
	q.at++
	return true
}

func (q *quick) literal(s string) bool {
	if !bytes.HasPrefix(q.body[q.at:], []byte(s)) {
		return false
	}
	q.at += len(s)
	return true
}

func (q *quick) space() {
	for q.at < len(q.body) {
		switch q.body[q.at] {
		case ' ', '\t', '\r', '\n':
			q.at++
		default:
			return
		}
	}
}

// Package rowjson writes and reads the JSON in the rows of a store: of chats, of the actions
// of an event, and of what an event's envelope does not restore. All stores keep the same.
//
// It works without reflection where it can, because a chat and the actions of
// an event are encoded for nearly every event. What is empty, zero or unknown is left out;
// a time is a number of microseconds since 1970.
//
// Strings come back byte for byte. A byte that is not valid UTF-8 is written as the lone
// surrogate \udc80 to \udcff of its value, so that the row is valid JSON in valid UTF-8.
package rowjson

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"chertd/engine/event"
)

const hexDigits = "0123456789abcdef"

// AppendKey appends the name of an object's next field. Names have nothing to escape.
func AppendKey(b []byte, key string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, key...)
	return append(b, '"', ':')
}

// AppendText appends a field with a string, unless that is empty.
func AppendText(b []byte, key, s string) []byte {
	if s == "" {
		return b
	}
	return AppendString(AppendKey(b, key), s)
}

// AppendInt appends a field with a number, unless that is 0.
func AppendInt(b []byte, key string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(AppendKey(b, key), n, 10)
}

// appendTime appends a field with a time in microseconds since 1970, unless that is zero.
func appendTime(b []byte, key string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return strconv.AppendInt(AppendKey(b, key), t.UnixMicro(), 10)
}

func appendFlag(b []byte, key string, v bool) []byte {
	if !v {
		return b
	}
	return append(AppendKey(b, key), "true"...)
}

func appendTruth(b []byte, key string, t event.Truth) []byte {
	v, known := t.Known()
	if !known {
		return b
	}
	return strconv.AppendBool(AppendKey(b, key), v)
}

func appendTexts(b []byte, key string, list []string) []byte {
	return appendList(b, key, list, appendOne)
}

func appendOne(b []byte, s *string) []byte { return AppendString(b, *s) }

func appendList[T any](b []byte, key string, list []T, one func([]byte, *T) []byte) []byte {
	if len(list) == 0 {
		return b
	}
	return AppendItems(AppendKey(b, key), list, one)
}

// AppendItems appends a list without a key.
func AppendItems[T any](b []byte, list []T, one func([]byte, *T) []byte) []byte {
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, &list[i])
	}
	return append(b, ']')
}

// appendMap appends an object in ascending order of its keys, so that equal maps are equal
// texts. Invalid UTF-8 in a key is read back as U+FFFD.
func appendMap[V any](b []byte, key string, m map[string]V, number func(V) int64) []byte {
	if len(m) == 0 {
		return b
	}
	var few [8]string
	keys := few[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = append(AppendKey(b, key), '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(AppendString(b, k), ':')
		b = strconv.AppendInt(b, number(m[k]), 10)
	}
	return append(b, '}')
}

// AppendString appends a string in quotes.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0 // of what is to be appended as it is
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		b = append(b, s[from:i]...)
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c < ' ':
			b = append(b, `\u00`...)
			b = append(b, hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, `\udc`...)
			b = append(b, hexDigits[c>>4], hexDigits[c&15])
		}
		i += size
		from = i
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

// Text is a string that AppendString wrote.
type Text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' {
		var s string // null, or an error that names the kind
		err := json.Unmarshal(b, &s)
		*t = Text(s)
		return err
	}
	inner := b[1 : len(b)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		*t = Text(inner)
		return nil
	}
	s := make([]byte, 0, len(inner))
	for i := 0; i < len(inner); i++ {
		if inner[i] != '\\' {
			s = append(s, inner[i])
			continue
		}
		i++
		switch c := inner[i]; c {
		case 'u':
			r := unit(inner[i+1:])
			i += 4
			switch {
			case r >= 0xdc80 && r <= 0xdcff: // not the second of a pair
				s = append(s, byte(r))
				continue
			case utf16.IsSurrogate(r) && len(inner) > i+6 && inner[i+1] == '\\' && inner[i+2] == 'u':
				if pair := utf16.DecodeRune(r, unit(inner[i+3:])); pair != utf8.RuneError {
					r, i = pair, i+6
				}
			}
			s = utf8.AppendRune(s, r)
		case 'b':
			s = append(s, '\b')
		case 'f':
			s = append(s, '\f')
		case 'n':
			s = append(s, '\n')
		case 'r':
			s = append(s, '\r')
		case 't':
			s = append(s, '\t')
		default:
			s = append(s, c)
		}
	}
	*t = Text(s)
	return nil
}

// unit reads four hexadecimal digits.
func unit(b []byte) rune {
	var two [2]byte
	if _, err := hex.Decode(two[:], b[:4]); err != nil {
		return utf8.RuneError // never: the decoder has checked the syntax
	}
	return rune(two[0])<<8 | rune(two[1])
}

func texts(list []Text) []string {
	if list == nil {
		return nil
	}
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = string(s)
	}
	return all
}

// instant is a time that appendTime wrote, or one in RFC 3339, as older schemas have it
// within their JSON.
type instant struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (t *instant) UnmarshalJSON(b []byte) error {
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		t.Time = time.UnixMicro(n).UTC()
		return nil
	}
	if err := json.Unmarshal(b, &t.Time); err != nil {
		return fmt.Errorf("a time is neither microseconds nor RFC 3339: %w", err)
	}
	t.Time = Micros(t.Time)
	return nil
}

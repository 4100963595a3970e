package postgres

import (
	"strings"
	"time"
	"unicode/utf8"
)

// PostgreSQL keeps no NUL and no invalid UTF-8 in text, and ids that come from outside may
// have both. A byte that can't be kept is written as the rune of escapes with its value. Runes
// that look like one are written as their bytes, so that every string comes back as it was.
const escapes = 0x10FF00

// escaped reports whether a rune stands for a byte, or is written as bytes.
func escaped(r rune) bool { return r >= escapes }

// text encodes a string for a column.
func text(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r == 0 || r == utf8.RuneError || escaped(r) }) {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r != 0 && !escaped(r) && (r != utf8.RuneError || n > 1) {
			b = append(b, s[i:i+n]...)
		} else {
			for _, c := range []byte(s[i : i+n]) {
				b = utf8.AppendRune(b, escapes+rune(c))
			}
		}
		i += n
	}
	return string(b)
}

// untext decodes a string of text.
func untext(s string) string {
	if !strings.ContainsFunc(s, escaped) {
		return s
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if escaped(r) {
			b = append(b, byte(r-escapes))
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}

// optional encodes a string for a column that has NULL where there is none.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	s = text(s)
	return &s
}

// stringOf decodes a column of optional.
func stringOf(s *string) string {
	if s == nil {
		return ""
	}
	return untext(*s)
}

// texts encodes strings for an array.
func texts(list []string) []string {
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = text(s)
	}
	return all
}

// instant returns a time for a column that has NULL where there is none.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// timeOf returns the time of a column.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

package diag

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible returns a string that is safe to show on one line of a terminal, a log or a
// page. It replaces control characters, line ends, direction marks, invisible and
// undefined characters, and bytes that are not UTF-8, by escapes such as \x1b, \n or
// \u202e. It does not escape backslashes, so Visible(Visible(s)) == Visible(s).
func Visible(s string) string { return visible(s, "") }

// VisibleLines is Visible for text of several lines: it does not escape line feeds and tabs.
func VisibleLines(s string) string { return visible(s, "\n\t") }

// VisibleJSON returns a JSON text in which the characters that Visible escapes are
// written as \uXXXX, so that the text is safe to show and has the same meaning. It leaves
// white space between values unchanged.
func VisibleJSON(text []byte) []byte {
	i := 0
	for i < len(text) && text[i] < 0x7f {
		i++
	}
	if i == len(text) {
		return text
	}
	out := append(make([]byte, 0, len(text)+32), text[:i]...)
	for i < len(text) {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r < 0x7f || r == utf8.RuneError && size == 1 || !Hidden(r):
			out = append(out, text[i:i+size]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += size
	}
	return out
}

// Hidden reports whether Visible escapes a rune. It does not escape spaces of any width,
// nor the two variation selectors that choose between text and emoji.
func Hidden(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return r < ' ' || r == 0x7f
	case r == '\ufe0e' || r == '\ufe0f' || unicode.Is(unicode.Zs, r):
		return false
	}
	return !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

func visible(s, keep string) string {
	shown := 0 // s[:shown] needs no escapes
	for shown < len(s) {
		r, size := utf8.DecodeRuneInString(s[shown:])
		if (r == utf8.RuneError && size == 1 || Hidden(r)) && !strings.ContainsRune(keep, r) {
			break
		}
		shown += size
	}
	if shown == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	b.WriteString(s[:shown])
	for i := shown; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !Hidden(r) || strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}

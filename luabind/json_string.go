package luabind

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// string reads a string from its opening quote. The result does not retain the text.
func (r *jsonReader) string() (string, error) {
	start := r.i + 1
	for i := start; i < len(r.s); i++ {
		switch c := r.s[i]; {
		case c == '"':
			r.i = i + 1
			s := r.s[start:i]
			if !utf8.ValidString(s) {
				if r.strict {
					return "", r.notUnicode(start, i)
				}
				charge(r.L, len(s)/8, 8*len(s))
				return string([]rune(s)), nil // U+FFFD for each wrong byte
			}
			charge(r.L, len(s)/64, len(s)+2*boxBytes)
			return r.restored(strings.Clone(s))
		case c < ' ':
			r.i = i
			return "", r.fail("a control character in a string")
		case c == '\\':
			return r.escaped(start)
		}
	}
	r.i = len(r.s)
	return "", r.fail("unexpected end in a string")
}

// escaped reads a string with escapes. It finds the end; encoding/json decodes it.
func (r *jsonReader) escaped(start int) (string, error) {
	for i := start; i < len(r.s); i++ {
		switch r.s[i] {
		case '\\':
			i++
		case '"':
			charge(r.L, (i-start)/4, 4*(i-start)+2*boxBytes)
			if r.strict {
				if err := r.notUnicode(start, i); err != nil {
					return "", err
				}
			}
			var s string
			if err := json.Unmarshal([]byte(r.s[start-1:i+1]), &s); err != nil {
				return "", r.fail("invalid escape in a string")
			}
			r.i = i + 1
			return r.restored(s)
		}
	}
	r.i = len(r.s)
	return "", r.fail("unexpected end in a string")
}

// notUnicode returns an error if the string s[start:end] has bytes that are not UTF-8,
// or one half of a surrogate pair, such as \ud83d alone.
func (r *jsonReader) notUnicode(start, end int) error {
	if i := badUTF8(r.s[start:end]); i >= 0 {
		r.i = start + i
		return r.fail(fmt.Sprintf("byte 0x%02X is not UTF-8", r.s[r.i]))
	}
	for i := start; i < end; i++ {
		if r.s[i] != '\\' {
			continue
		}
		unit, ok := r.unit(i, end)
		if !ok || !utf16.IsSurrogate(unit) {
			i++
			continue
		}
		if low, ok := r.unit(i+6, end); !ok || utf16.DecodeRune(unit, low) == utf8.RuneError {
			r.i = i
			return r.fail(r.s[i:i+6] + " is half of a character: the other half is missing")
		}
		i += 11
	}
	return nil
}

// unit returns the code unit of an escape such as \u00e9 at i.
func (r *jsonReader) unit(i, end int) (rune, bool) {
	if i+6 > end || r.s[i] != '\\' || r.s[i+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(r.s[i+2:i+6], 16, 16)
	return rune(n), err == nil
}

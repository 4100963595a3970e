package luabind

import (
	"errors"
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// numberText writes integers in full as gopher-lua does, up to 2^53 where they
// are exact, and everything else as Lua 5.1: with 14 digits, so that 0.1 + 0.2
// is 0.3.
func numberText(n lua.LNumber) string {
	f := float64(n)
	if f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
		return strconv.FormatInt(int64(f), 10)
	}
	return formatG(f, 14)
}

// parseNumber reads a number as Lua 5.1 does: decimal or 0x hexadecimal, with
// space around it. Go, and with it gopher-lua, also takes inf, nan, digits with _
// and octal and binary literals; here these are not numbers.
func parseNumber(s string) (lua.LNumber, bool) {
	s = strings.Trim(s, " \t\n\v\f\r")
	if s == "" || len(s) > 1000 {
		return 0, false
	}
	body := strings.TrimLeft(s, "+-")
	if len(s)-len(body) > 1 {
		return 0, false
	}
	if len(body) > 2 && body[0] == '0' && (body[1] == 'x' || body[1] == 'X') {
		n, err := strconv.ParseUint(body[2:], 16, 64)
		if err != nil {
			return 0, false
		}
		if s[0] == '-' {
			return -lua.LNumber(n), true
		}
		return lua.LNumber(n), true
	}
	for i := 0; i < len(body); i++ {
		if c := body[i]; (c < '0' || c > '9') && c != '.' && c != 'e' && c != 'E' && c != '+' && c != '-' {
			return 0, false
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(n, 0) {
		return 0, false
	}
	return lua.LNumber(n), true
}

// digits reads an integer in a base, as C's strtoul does: a negative number counts
// down from 2^64, and 2^64 is the largest. It returns LNil if s is not a number.
func digits(s string, base int) lua.LValue {
	s = strings.Trim(s, " \t\n\v\f\r")
	neg := strings.HasPrefix(s, "-")
	if neg || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	if base == 16 && len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		s = s[2:]
	}
	if len(s) > 1000 || strings.ContainsAny(s, "+-_") {
		return lua.LNil
	}
	n, err := strconv.ParseUint(s, base, 64)
	switch {
	case errors.Is(err, strconv.ErrRange): // n is the largest there is
	case err != nil:
		return lua.LNil
	case neg:
		n = -n
	}
	return lua.LNumber(n)
}

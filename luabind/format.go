package luabind

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// strFormat is string.format with the verbs of Lua 5.1: c d i o u x X e E f g G q s and
// %%, flags, and width and precision of up to two digits. It differs in two ways: %s
// accepts any value and uses tostring, as in Lua 5.2, and numbers out of range become
// the nearest integer, which C leaves undefined.
func strFormat(L *lua.LState) int {
	f := stringArg(L, 1)
	var out []byte
	arg, charged := 1, 0
	for {
		i := strings.IndexByte(f, '%')
		if i < 0 {
			out = append(out, f...)
			break
		}
		out = append(out, f[:i]...)
		f = f[i+1:]
		if strings.HasPrefix(f, "%") {
			out = append(out, '%')
			f = f[1:]
			continue
		}
		v, rest := parseVerb(L, f)
		f = rest
		arg++
		if arg > L.GetTop() {
			argError(L, arg, "no value for %"+v.text())
		}
		out = v.append(L, out, arg)
		if len(out)-charged > 4096 {
			grow(L, len(out))
			charged = len(out)
		}
	}
	grow(L, len(out))
	L.Push(lua.LString(out))
	return 1
}

// verb is one %-directive.
type verb struct {
	flags     string // of "-+ #0"
	width     int
	precision int // -1: none
	letter    byte
}

// text returns the directive without its %.
func (v verb) text() string { return string(v.spec()[1:]) + string(v.letter) }

// spec returns the directive without its letter, in the form of Go's fmt.
func (v verb) spec() []byte {
	b := append([]byte{'%'}, v.flags...)
	if v.width > 0 {
		b = strconv.AppendInt(b, int64(v.width), 10)
	}
	if v.precision >= 0 {
		b = strconv.AppendInt(append(b, '.'), int64(v.precision), 10)
	}
	return b
}

func parseVerb(L *lua.LState, f string) (verb, string) {
	v := verb{precision: -1}
	i := 0
	for i < len(f) && strings.IndexByte("-+ #0", f[i]) >= 0 {
		i++
	}
	if i > 5 {
		L.RaiseError("invalid format (repeated flags)")
	}
	v.flags = f[:i]
	number := func() int {
		n, digits := 0, 0
		for ; i < len(f) && f[i] >= '0' && f[i] <= '9'; i++ {
			if digits++; digits > 2 {
				L.RaiseError("invalid format (width or precision too long)")
			}
			n = n*10 + int(f[i]-'0')
		}
		return n
	}
	v.width = number()
	if i < len(f) && f[i] == '.' {
		i++
		v.precision = number()
	}
	if i == len(f) {
		raise(L, "write %% for a percent sign", "invalid format: it ends within a %%-directive")
	}
	v.letter = f[i]
	return v, f[i+1:]
}

// append appends argument n, formatted.
func (v verb) append(L *lua.LState, out []byte, n int) []byte {
	switch v.letter {
	case 'd', 'i':
		return fmt.Appendf(out, string(append(v.spec(), 'd')), toInt64(numberArg(L, n)))
	case 'u', 'o', 'x', 'X':
		letter := v.letter
		if letter == 'u' {
			letter = 'd'
		}
		u := toUint64(numberArg(L, n))
		if u == 0 {
			v.flags = strings.ReplaceAll(v.flags, "#", "") // C writes 0, Go 0x0
		}
		return fmt.Appendf(out, string(append(v.spec(), letter)), u)
	case 'e', 'E', 'f', 'g', 'G':
		return v.appendFloat(out, float64(numberArg(L, n)))
	case 'c':
		return v.pad(out, string([]byte{byte(intArg(L, n))}))
	case 's':
		s := toText(L, L.Get(n))
		if v.precision >= 0 && v.precision < len(s) {
			s = s[:v.precision]
		}
		charge(L, len(s)/64, len(s))
		return v.pad(out, s)
	case 'q':
		return appendQuoted(L, out, stringArg(L, n))
	}
	raise(L, "write %% for a percent sign; Lua has %s %d %f %g %x %q %c and a few more", "invalid option '%%%s' to 'format'", v.text())
	return out
}

func (v verb) appendFloat(out []byte, f float64) []byte {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		s := "inf"
		switch {
		case math.IsNaN(f):
			s = "nan"
		case f < 0:
			s = "-inf"
		case strings.Contains(v.flags, "+"):
			s = "+inf"
		case strings.Contains(v.flags, " "):
			s = " inf"
		}
		if v.letter < 'a' {
			s = strings.ToUpper(s)
		}
		v.precision = -1
		return v.pad(out, s)
	}
	if v.precision < 0 {
		v.precision = 6 // Go's default for %g differs
	}
	if v.precision == 0 && (v.letter == 'g' || v.letter == 'G') {
		v.precision = 1
	}
	return fmt.Appendf(out, string(append(v.spec(), v.letter)), f)
}

// pad pads a string to the width in bytes, as C does. Go counts characters.
func (v verb) pad(out []byte, s string) []byte {
	fill := max(v.width-len(s), 0)
	if strings.Contains(v.flags, "-") {
		return append(append(out, s...), strings.Repeat(" ", fill)...)
	}
	return append(append(out, strings.Repeat(" ", fill)...), s...)
}

// appendQuoted appends a string in a form that Lua can read back.
func appendQuoted(L *lua.LState, out []byte, s string) []byte {
	charge(L, len(s)/16, 2*len(s))
	out = append(out, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\', '\n':
			out = append(out, '\\', c)
		case '\r':
			out = append(out, `\r`...)
		case 0:
			out = append(out, `\000`...)
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}

// toInt64 and toUint64 truncate and clamp a number. Go's conversions of numbers out of
// range differ between machines.
func toInt64(n lua.LNumber) int64 {
	switch f := float64(n); {
	case f != f:
		return 0
	case f >= 1<<63:
		return math.MaxInt64
	case f <= -(1 << 63):
		return math.MinInt64
	default:
		return int64(f)
	}
}

func toUint64(n lua.LNumber) uint64 {
	switch f := float64(n); {
	case f < 0:
		return uint64(toInt64(n)) // two's complement, as in C
	case f >= 1<<64:
		return math.MaxUint64
	case f != f:
		return 0
	default:
		return uint64(f)
	}
}

// formatG formats a number like C's %.<digits>g.
func formatG(f float64, digits int) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case f != f:
		return "nan"
	}
	return strconv.FormatFloat(f, 'g', digits, 64)
}

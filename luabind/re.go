package luabind

import (
	"fmt"
	"regexp"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// reMatch is re.match(pattern, s).
func reMatch(vm *VM, L *lua.LState) int {
	p, s := wantPattern(vm, L, "re.match")
	at := p.first(L, s)
	if at == nil {
		L.Push(lua.LNil)
		return 1
	}
	if len(at) > 2 {
		at = at[2:]
	}
	return pushGroups(L, s, at)
}

// reFind is re.find(pattern, s [, init]).
func reFind(vm *VM, L *lua.LState) int {
	const name = "re.find"
	p, s := wantPattern(vm, L, name)
	from := 0
	if v := L.Get(3); v != lua.LNil {
		n, ok := v.(lua.LNumber)
		if !ok {
			wrong(L, name, "", 3, "a number")
		}
		from = toInt(float64(n)) - 1
		if from < -1 {
			from += 1 + len(s) // from the end, as in string.find
		}
		from = max(from, 0)
	}
	var at []int
	switch {
	case from > len(s):
	case from == 0:
		at = p.first(L, s)
	default:
		at = p.next(L, s, from)
	}
	if at == nil {
		L.Push(lua.LNil)
		return 1
	}
	L.Push(lua.LNumber(at[0] + 1))
	L.Push(lua.LNumber(at[1]))
	return 2 + pushGroups(L, s, at[2:])
}

// reGsub is re.gsub(pattern, s, repl [, n]). It returns the new string and the number of
// replacements. repl is as in string.gsub.
func reGsub(vm *VM, L *lua.LState) int {
	const name = "re.gsub"
	p, s := wantPattern(vm, L, name)
	repl := L.Get(3)
	switch v := repl.(type) {
	case lua.LString, *lua.LTable, *lua.LFunction:
	case lua.LNumber:
		repl = lua.LString(numberText(v))
	default:
		if _, ok := asView(repl); !ok {
			wrong(L, name, "", 3, "a string, a table or a function")
		}
	}
	most := len(s) + 1
	if v := L.Get(4); v != lua.LNil {
		n, ok := v.(lua.LNumber)
		if !ok {
			wrong(L, name, "", 4, "a number")
		}
		most = min(most, toInt(float64(n)))
	}
	var out []byte
	count, done := 0, 0 // s[:done] is in out
	for pos, last := 0, -1; count < most && pos <= len(s); {
		var at []int
		if pos == 0 {
			at = p.first(L, s)
		} else {
			at = p.next(L, s, pos)
		}
		if at == nil {
			break
		}
		begin, end := at[0], at[1]
		if begin == end && begin == last {
			// An empty match directly after another match does not count.
			pos += runeLen(s, pos)
			continue
		}
		charge(L, 0, 2*(begin-done))
		out = append(out, s[done:begin]...)
		grown := len(out)
		out = appendReplacement(L, out, s, at, repl)
		charge(L, 5, 2*(len(out)-grown))
		if len(out) > maxString {
			raise(L, "", "%s: the result is longer than %d bytes", name, maxString)
		}
		done, last = end, end
		count++
		if pos = end; begin == end {
			pos += runeLen(s, pos)
		}
	}
	charge(L, 0, 2*(len(s)-done)+len(out)+len(s)-done)
	out = append(out, s[done:]...)
	L.Push(lua.LString(out))
	L.Push(lua.LNumber(count))
	return 2
}

// appendReplacement appends the replacement of a match.
func appendReplacement(L *lua.LState, out []byte, s string, at []int, repl lua.LValue) []byte {
	const name = "re.gsub"
	whole := s[at[0]:at[1]]
	key := at[:2]
	if len(at) > 2 {
		key = at[2:4]
	}
	var v lua.LValue
	switch r := repl.(type) {
	case lua.LString:
		for i := 0; i < len(r); i++ {
			if r[i] != '%' {
				out = append(out, r[i])
				continue
			}
			if i++; i == len(r) || r[i] != '%' && (r[i] < '0' || r[i] > '9') {
				raise(L, "write %% for a percent sign", "%s: invalid use of %% in the replacement %s", name, quote(string(r)))
			}
			n := int(r[i] - '0')
			switch {
			case r[i] == '%':
				out = append(out, '%')
			case n == 0 || n == 1 && len(at) == 2:
				out = append(out, whole...)
			case 2*n+1 >= len(at):
				raise(L, "", "%s: the replacement %s uses group %d, but the pattern has %d", name, quote(string(r)), n, len(at)/2-1)
			case at[2*n] >= 0:
				out = append(out, s[at[2*n]:at[2*n+1]]...)
			}
			charge(L, 1, len(whole))
		}
		return out
	case *lua.LFunction:
		groups := at
		if len(at) > 2 {
			groups = at[2:]
		}
		L.Push(r)
		n := pushGroups(L, s, groups)
		L.Call(n, 1)
		v = L.Get(-1)
		L.Pop(1)
	default:
		v = lua.LFalse
		if key[0] >= 0 {
			v = indexValue(L, repl, substring(L, s, key[0], key[1]))
		}
	}
	switch v := v.(type) {
	case lua.LString:
		return append(out, v...)
	case lua.LNumber:
		return append(out, numberText(v)...)
	case *lua.LNilType:
		return append(out, whole...)
	case lua.LBool:
		if !v {
			return append(out, whole...)
		}
	}
	raise(L, "", "%s: the replacement must be a string, got %s", name, described(v))
	return nil
}

// pushGroups pushes the groups of a match, given as pairs of positions in s; nil for a
// group that did not match. It returns their number.
func pushGroups(L *lua.LState, s string, at []int) int {
	charge(L, len(at), 8*len(at))
	for i := 0; i < len(at); i += 2 {
		if at[i] < 0 {
			L.Push(lua.LNil)
			continue
		}
		L.Push(substring(L, s, at[i], at[i+1]))
	}
	return len(at) / 2
}

// luaClass matches a class of Lua's patterns where one is likely meant: repeated, in a
// set, or next to another. It does not match "100%sure".
var luaClass = regexp.MustCompile(`%[adlpsuwxADLSUWX](?:[+*?{]|%[adlpsuwxADLSUWX])|\[\^?%[adlpsuwxADLSUWX]`)

// inRE2 maps classes of Lua's patterns to RE2.
var inRE2 = map[byte]string{
	'a': "[A-Za-z]", 'd': `\d`, 'l': "[a-z]", 'p': "[[:punct:]]", 's': `\s`, 'u': "[A-Z]", 'w': "[A-Za-z0-9]", 'x': "[0-9A-Fa-f]",
	'A': "[^A-Za-z]", 'D': `\D`, 'L': "[^a-z]", 'S': `\S`, 'U': "[^A-Z]", 'W': "[^A-Za-z0-9]", 'X': "[^0-9A-Fa-f]",
}

// CheckLuaClass returns a warning about an RE2 pattern that contains a class of Lua's
// patterns, such as %d, and its hint; empty if it contains none. In RE2, %d is a % and a
// letter.
func CheckLuaClass(pattern string) (message, hint string) {
	found := luaClass.FindString(pattern)
	if found == "" {
		return "", ""
	}
	at := strings.IndexByte(found, '%')
	class := found[at : at+2]
	return fmt.Sprintf("%s is a class of Lua's patterns: in RE2 it is the two characters", class),
		fmt.Sprintf("write %s in place of %s", inRE2[class[1]], class)
}

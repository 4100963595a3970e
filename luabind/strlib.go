package luabind

import (
	"fmt"
	"strings"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// stringLibrary returns Lua 5.1's string library without dump. Its functions charge for
// what they read and allocate.
func stringLibrary() map[string]lua.LValue {
	lib := functions(map[string]lua.LGFunction{
		"byte": strByte, "char": strChar, "find": strFind, "format": strFormat, "gmatch": strGmatch, "gsub": strGsub,
		"len": strLen, "lower": strLower, "match": strMatch, "rep": strRep, "reverse": strReverse, "sub": strSub, "upper": strUpper,
	})
	lib["gfind"] = lib["gmatch"]
	return lib
}

// bounds converts two positions in Lua's form, from 1 or negative from the end, to
// offsets in a string of that length: s[i:j].
func bounds(i, j, length int) (int, int) {
	if i < 0 {
		i = max(length+i+1, 1)
	} else if i == 0 {
		i = 1
	}
	if j < 0 {
		j = length + j + 1
	} else if j > length {
		j = length
	}
	if i > j {
		return 0, 0
	}
	return i - 1, j
}

// optInt returns an integer argument, or otherwise if it is not given.
func optInt(L *lua.LState, n, otherwise int) int {
	if L.Get(n) == lua.LNil {
		return otherwise
	}
	return intArg(L, n)
}

func strByte(L *lua.LState) int {
	s := stringArg(L, 1)
	first := optInt(L, 2, 1)
	i, j := bounds(first, optInt(L, 3, first), len(s))
	if j-i > maxResults {
		raise(L, fmt.Sprintf("at most %d characters in one call: use a loop over parts", maxResults), "string slice too long")
	}
	charge(L, j-i, (j-i)*boxBytes/2)
	for k := i; k < j; k++ {
		L.Push(lua.LNumber(s[k]))
	}
	return j - i
}

func strChar(L *lua.LState) int {
	n := L.GetTop()
	charge(L, n/4, n+16)
	b := make([]byte, n)
	for i := range b {
		c := intArg(L, i+1)
		if c < 0 || c > 255 {
			argError(L, i+1, "invalid value")
		}
		b[i] = byte(c)
	}
	L.Push(lua.LString(b))
	return 1
}

func strLen(L *lua.LState) int {
	L.Push(lua.LNumber(len(stringArg(L, 1))))
	return 1
}

// strLower changes only ASCII letters, as Lua does in the C locale. chert.normalize
// handles all letters.
func strLower(L *lua.LState) int {
	s := stringArg(L, 1)
	grow(L, len(s))
	L.Push(lua.LString(mapBytes(s, func(c byte) byte {
		if 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	})))
	return 1
}

func strUpper(L *lua.LState) int {
	s := stringArg(L, 1)
	grow(L, len(s))
	L.Push(lua.LString(mapBytes(s, func(c byte) byte {
		if 'a' <= c && c <= 'z' {
			return c - 'a' + 'A'
		}
		return c
	})))
	return 1
}

// mapBytes returns s with change applied to each byte, or s itself if none changes.
func mapBytes(s string, change func(byte) byte) string {
	i := 0
	for i < len(s) && change(s[i]) == s[i] {
		i++
	}
	if i == len(s) {
		return s
	}
	b := []byte(s)
	for ; i < len(b); i++ {
		b[i] = change(b[i])
	}
	return unsafe.String(unsafe.SliceData(b), len(b)) // nothing else refers to b
}

func strReverse(L *lua.LState) int {
	s := stringArg(L, 1)
	grow(L, len(s))
	b := make([]byte, len(s))
	for i := range b {
		b[i] = s[len(s)-1-i]
	}
	L.Push(lua.LString(unsafe.String(unsafe.SliceData(b), len(b))))
	return 1
}

func strSub(L *lua.LState) int {
	s := stringArg(L, 1)
	i, j := bounds(intArg(L, 2), optInt(L, 3, -1), len(s))
	L.Push(substring(L, s, i, j))
	return 1
}

func strRep(L *lua.LState) int {
	s, n := stringArg(L, 1), intArg(L, 2)
	if n <= 0 || s == "" {
		L.Push(lua.LString(""))
		return 1
	}
	if n > maxString/len(s) {
		raise(L, "", "the result of string.rep is too long: at most %s", megabytes(maxString))
	}
	grow(L, n*len(s))
	L.Push(lua.LString(strings.Repeat(s, n)))
	return 1
}

func strFind(L *lua.LState) int  { return findOrMatch(L, true) }
func strMatch(L *lua.LState) int { return findOrMatch(L, false) }

func findOrMatch(L *lua.LState, find bool) int {
	s, p := stringArg(L, 1), stringArg(L, 2)
	init := optInt(L, 3, 1)
	if init < 0 {
		init = max(len(s)+init, 0)
	} else {
		init = min(max(init-1, 0), len(s))
	}
	if find && (lua.LVAsBool(L.Get(4)) || !strings.ContainsAny(p, "^$*+?.([%-")) {
		charge(L, (len(s)-init)/64, 0)
		i := strings.Index(s[init:], p)
		if i < 0 {
			L.Push(lua.LNil)
			return 1
		}
		L.Push(lua.LNumber(init + i + 1))
		L.Push(lua.LNumber(init + i + len(p)))
		return 2
	}
	m := matcher{L: L, src: s, pat: p}
	start, end := m.search(init, strings.HasPrefix(p, "^"))
	m.flush()
	if start < 0 {
		L.Push(lua.LNil)
		return 1
	}
	if !find {
		return m.push(start, end)
	}
	L.Push(lua.LNumber(start + 1))
	L.Push(lua.LNumber(end))
	if m.level == 0 {
		return 2
	}
	return 2 + m.push(start, end)
}

func strGmatch(L *lua.LState) int {
	s, p := stringArg(L, 1), stringArg(L, 2)
	charge(L, 5, iteratorBytes)
	i := &iterator{matcher: matcher{src: s, pat: p}}
	L.Push(closure(i, i.next))
	return 1
}

// iterator is the state of string.gmatch.
type iterator struct {
	matcher
	at int // where the next search begins
}

// iteratorBytes is the size of an iterator and its function.
const iteratorBytes = 900

// retains implements retainer. Each iterator counts its string, which may be shared.
func (i *iterator) retains(func(lua.LValue)) int64 {
	return iteratorBytes + int64(len(i.src)+len(i.pat))
}

// next is the function that scripts call.
func (i *iterator) next(L *lua.LState) int {
	if i.at > len(i.src) {
		return 0
	}
	// Each call may come from another thread. In gmatch, ^ is a character and not an
	// anchor, as in Lua.
	i.L, i.deep, i.work = L, 0, 0
	start, end := i.search(i.at, false)
	i.flush()
	if start < 0 {
		i.at = len(i.src) + 1
		return 0
	}
	i.at = end
	if end == start {
		i.at++
	}
	return i.push(start, end)
}

package luabind

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

func strGsub(L *lua.LState) int {
	s, p := stringArg(L, 1), stringArg(L, 2)
	repl := L.Get(3)
	switch repl.(type) {
	case lua.LString, lua.LNumber, *lua.LTable, *lua.LFunction:
	default:
		if _, ok := asView(repl); !ok {
			argError(L, 3, "string/function/table expected, got "+typeName(L, 3))
		}
	}
	most := optInt(L, 4, len(s)+1)
	anchored := strings.HasPrefix(p, "^")
	g := gsub{matcher: matcher{L: L, src: s, pat: p}, repl: repl}
	p0 := 0
	if anchored {
		p0 = 1
	}
	n, at := 0, 0
	for n < most {
		g.level = 0
		end := g.match(at, p0)
		if end >= 0 {
			n++
			g.replace(at, end)
		}
		switch {
		case end > at:
			at = end
		case at < len(s):
			g.copied(at, at+1)
			at++
		default:
			at++ // past the end: done
		}
		if at > len(s) || anchored {
			break
		}
	}
	g.flush()
	if n == 0 {
		L.Push(lua.LString(s))
	} else {
		if at < len(s) {
			g.copied(at, len(s))
		}
		g.copyPending()
		charge(L, 0, len(g.out)+2*max(len(g.out)-g.charged, 0)+boxBytes)
		L.Push(lua.LString(g.out))
	}
	L.Push(lua.LNumber(n))
	return 2
}

// gsub is one call of string.gsub.
type gsub struct {
	matcher
	repl    lua.LValue
	out     []byte
	charged int // bytes of out that have been charged
	from    int // src[from:to] is pending: to be copied to out unchanged
	to      int
}

// copied adds src[i:j] to the pending part, after copying a part that is not adjacent.
func (g *gsub) copied(i, j int) {
	if i != g.to {
		g.copyPending()
		g.from = i
	}
	g.to = j
}

// copyPending copies the pending part.
func (g *gsub) copyPending() {
	if g.from < g.to {
		from, to := g.from, g.to
		g.from = g.to
		g.add(g.src[from:to])
	}
}

func (g *gsub) add(s string) {
	// Charged before out grows. append allocates about twice the result.
	if n := len(g.out) + len(s) - g.charged; n >= 4096 {
		g.charged += n
		if g.charged > maxString {
			raise(g.L, "", "the result of string.gsub is too long: at most %s", megabytes(maxString))
		}
		charge(g.L, n/64, 2*n)
	}
	g.out = append(g.out, s...)
}

// replace adds the replacement of a match.
func (g *gsub) replace(start, end int) {
	L := g.L
	var v lua.LValue
	switch repl := g.repl.(type) {
	case lua.LString:
		g.copyPending()
		g.template(string(repl), start, end)
		return
	case lua.LNumber:
		g.copyPending()
		g.template(numberText(repl), start, end)
		return
	case *lua.LFunction:
		L.Push(repl)
		n := g.push(start, end)
		// The callback may run other patterns, never this one.
		L.Call(n, 1)
		v = L.Get(-1)
		L.Pop(1)
	default:
		v = indexValue(L, repl, g.value(0, start, end))
	}
	switch v := v.(type) {
	case lua.LString:
		g.copyPending()
		g.add(string(v))
	case lua.LNumber:
		g.copyPending()
		g.add(numberText(v))
	default:
		if lua.LVAsBool(v) {
			L.RaiseError("invalid replacement value (a %s)", v.Type())
		}
		g.copied(start, end)
	}
}

// template adds a replacement string, in which %1 is a capture and %0 the match.
func (g *gsub) template(t string, start, end int) {
	for {
		i := strings.IndexByte(t, '%')
		if i < 0 {
			g.add(t)
			return
		}
		g.add(t[:i])
		if i+1 == len(t) {
			g.add("\x00") // as in Lua 5.1, which reads the byte after the string
			return
		}
		switch c := t[i+1]; {
		case c == '0':
			g.add(g.src[start:end])
		case '1' <= c && c <= '9':
			g.add(text(g.value(int(c)-'1', start, end)))
		default:
			g.add(t[i+1 : i+2])
		}
		g.spend(1)
		t = t[i+2:]
	}
}

package luabind

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

func (m *matcher) openCapture(s, p, length int) int {
	if m.level >= maxCaptures {
		m.L.RaiseError("too many captures")
	}
	m.captures[m.level] = capture{s, length}
	m.level++
	e := m.match(s, p)
	if e < 0 {
		m.level--
	}
	return e
}

func (m *matcher) closeCapture(s, p int) int {
	l := m.level - 1
	for l >= 0 && m.captures[l].length != captureOpen {
		l--
	}
	if l < 0 {
		m.L.RaiseError("invalid pattern capture")
	}
	c := &m.captures[l]
	c.length = s - c.start
	e := m.match(s, p)
	if e < 0 {
		c.length = captureOpen
	}
	return e
}

func (m *matcher) backReference(s int, digit byte) int {
	l := int(digit) - '1'
	if l < 0 || l >= m.level || m.captures[l].length == captureOpen {
		m.L.RaiseError("invalid capture index")
	}
	c := m.captures[l]
	if c.length < 0 { // a position has no text
		return -1
	}
	m.spend(c.length / 8)
	if strings.HasPrefix(m.src[s:], m.src[c.start:c.start+c.length]) {
		return s + c.length
	}
	return -1
}

// value returns capture i, from 0, of a match of src[start:end]. If there are no
// captures, the match is capture 0.
func (m *matcher) value(i, start, end int) lua.LValue {
	if i >= m.level {
		if i > 0 {
			m.L.RaiseError("invalid capture index")
		}
		return m.sub(start, end)
	}
	switch c := m.captures[i]; c.length {
	case captureOpen:
		m.L.RaiseError("unfinished capture")
		return lua.LNil
	case capturePosition:
		return lua.LNumber(c.start + 1)
	default:
		return m.sub(c.start, c.start+c.length)
	}
}

// sub returns a copy of src[start:end].
func (m *matcher) sub(start, end int) lua.LValue { return substring(m.L, m.src, start, end) }

// push pushes all captures, or the match if there are none, and returns their number.
func (m *matcher) push(start, end int) int {
	n := max(m.level, 1)
	for i := 0; i < n; i++ {
		m.L.Push(m.value(i, start, end))
	}
	return n
}

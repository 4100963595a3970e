package luabind

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// matcher matches a Lua 5.1 pattern against a string. It uses the algorithm of Lua's
// lstrlib, and charges for each character that it reads: patterns like a-a-a-b take
// exponential time, ordinary ones quadratic time.
//
// It differs from Lua 5.1 in one way: a NUL in the pattern is an ordinary character, as
// in Lua 5.2. gopher-lua's own matcher has errors: see TestPatternsGopherLuaGetsWrong.
type matcher struct {
	L    *lua.LState
	src  string
	pat  string
	work int // characters read and not yet charged
	deep int // nested calls of match

	level    int // number of captures, open or closed
	captures [maxCaptures]capture
}

type capture struct{ start, length int }

const (
	maxCaptures = 32
	// maxDeep limits the recursion on the Go stack. Each part of the pattern that
	// repeats or captures takes a level.
	maxDeep = 200

	captureOpen     = -1 // as a capture's length
	capturePosition = -2

	// charsPerStep is the number of characters read in the time of one step.
	charsPerStep = 4
)

// flush charges for the work since the last charge.
func (m *matcher) flush() {
	n := m.work
	m.work = 0
	charge(m.L, n/charsPerStep+1, 0)
}

// spend adds work, and charges for it in portions.
func (m *matcher) spend(n int) {
	if m.work += n; m.work >= 1024 {
		m.flush()
	}
}

// match matches pat[p:] at src[s:] and returns the end of the match, or -1.
func (m *matcher) match(s, p int) int {
	if m.deep++; m.deep > maxDeep {
		m.L.RaiseError("pattern too complex")
	}
	end := m.matchHere(s, p)
	m.deep--
	return end
}

func (m *matcher) matchHere(s, p int) int {
	for {
		if p == len(m.pat) {
			return s
		}
		m.spend(1)
		switch m.pat[p] {
		case '(':
			if p+1 < len(m.pat) && m.pat[p+1] == ')' {
				return m.openCapture(s, p+2, capturePosition)
			}
			return m.openCapture(s, p+1, captureOpen)
		case ')':
			return m.closeCapture(s, p+1)
		case '$':
			if p+1 == len(m.pat) {
				if s == len(m.src) {
					return s
				}
				return -1
			}
		case '%':
			if p+1 < len(m.pat) {
				switch c := m.pat[p+1]; {
				case c == 'b':
					if s = m.balance(s, p+2); s < 0 {
						return -1
					}
					p += 4
					continue
				case c == 'f':
					p += 2
					if p >= len(m.pat) || m.pat[p] != '[' {
						m.L.RaiseError("missing '[' after '%%f' in pattern")
					}
					end := m.classEnd(p)
					var before, here byte
					if s > 0 {
						before = m.src[s-1]
					}
					if s < len(m.src) {
						here = m.src[s]
					}
					m.spend(end - p)
					if inSet(before, m.pat, p, end-1) || !inSet(here, m.pat, p, end-1) {
						return -1
					}
					p = end
					continue
				case c >= '0' && c <= '9':
					if s = m.backReference(s, c); s < 0 {
						return -1
					}
					p += 2
					continue
				}
			}
		}
		end := m.classEnd(p)
		suffix := byte(0)
		if end < len(m.pat) {
			suffix = m.pat[end]
		}
		switch suffix {
		case '?':
			if m.one(s, p, end) {
				if e := m.match(s+1, end+1); e >= 0 {
					return e
				}
			}
			p = end + 1
		case '*':
			return m.most(s, p, end)
		case '+':
			if !m.one(s, p, end) {
				return -1
			}
			return m.most(s+1, p, end)
		case '-':
			return m.least(s, p, end)
		default:
			if !m.one(s, p, end) {
				return -1
			}
			s++
			p = end
		}
	}
}

// most matches as many characters of the class pat[p:end] as possible, then the rest.
func (m *matcher) most(s, p, end int) int {
	n := 0
	for m.one(s+n, p, end) {
		m.spend(1)
		n++
	}
	if end+1 == len(m.pat) {
		return s + n
	}
	for ; n >= 0; n-- {
		if e := m.match(s+n, end+1); e >= 0 {
			return e
		}
	}
	return -1
}

// least matches as few characters of the class pat[p:end] as possible, then the rest.
func (m *matcher) least(s, p, end int) int {
	for {
		if e := m.match(s, end+1); e >= 0 {
			return e
		}
		if !m.one(s, p, end) {
			return -1
		}
		s++
	}
}

// one reports whether the character at s belongs to the class pat[p:end].
func (m *matcher) one(s, p, end int) bool {
	if s >= len(m.src) {
		return false
	}
	c := m.src[s]
	switch m.pat[p] {
	case '.':
		return true
	case '%':
		return inClass(c, m.pat[p+1])
	case '[':
		m.spend((end - p) / 4)
		return inSet(c, m.pat, p, end-1)
	}
	return m.pat[p] == c
}

// classEnd returns the end of the class that begins at p.
func (m *matcher) classEnd(p int) int {
	c := m.pat[p]
	p++
	switch c {
	case '%':
		if p == len(m.pat) {
			m.L.RaiseError("malformed pattern (ends with '%%')")
		}
		return p + 1
	case '[':
		if p < len(m.pat) && m.pat[p] == '^' {
			p++
		}
		for first := true; first || p >= len(m.pat) || m.pat[p] != ']'; first = false {
			if p >= len(m.pat) {
				m.L.RaiseError("malformed pattern (missing ']')")
			}
			c := m.pat[p]
			p++
			if c == '%' && p < len(m.pat) {
				p++
			}
			m.spend(1)
		}
		return p + 1
	}
	return p
}

// inSet reports whether c is in the set between [ at p and ] at end.
func inSet(c byte, pat string, p, end int) bool {
	is := true
	p++
	if pat[p] == '^' {
		is = false
		p++
	}
	for ; p < end; p++ {
		switch {
		case pat[p] == '%':
			p++
			if inClass(c, pat[p]) {
				return is
			}
		case p+2 < end && pat[p+1] == '-':
			if pat[p] <= c && c <= pat[p+2] {
				return is
			}
			p += 2
		case pat[p] == c:
			return is
		}
	}
	return !is
}

// inClass reports whether c belongs to the class %class in the C locale: bytes of letters
// beyond ASCII are not letters.
func inClass(c, class byte) bool {
	var is bool
	switch class | 0x20 {
	case 'a':
		is = isLetter(c)
	case 'c':
		is = c < 0x20 || c == 0x7f
	case 'd':
		is = '0' <= c && c <= '9'
	case 'l':
		is = 'a' <= c && c <= 'z'
	case 'p':
		is = c > 0x20 && c < 0x7f && !isLetter(c) && !('0' <= c && c <= '9')
	case 's':
		is = c == ' ' || '\t' <= c && c <= '\r'
	case 'u':
		is = 'A' <= c && c <= 'Z'
	case 'w':
		is = isLetter(c) || '0' <= c && c <= '9'
	case 'x':
		is = '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
	case 'z':
		is = c == 0
	default:
		return class == c
	}
	if !isLetter(class) {
		return class == c
	}
	return is != ('A' <= class && class <= 'Z')
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// balance matches %bxy; its x is at p.
func (m *matcher) balance(s, p int) int {
	if p+1 >= len(m.pat) {
		m.L.RaiseError("unbalanced pattern")
	}
	if s >= len(m.src) || m.src[s] != m.pat[p] {
		return -1
	}
	open, closing := m.pat[p], m.pat[p+1]
	depth := 1
	for s++; s < len(m.src); s++ {
		m.spend(1)
		switch c := m.src[s]; {
		case c == closing:
			if depth--; depth == 0 {
				return s + 1
			}
		case c == open:
			depth++
		}
	}
	return -1
}

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

// search finds the first match at s or later.
func (m *matcher) search(s int, anchored bool) (start, end int) {
	p := 0
	if anchored {
		p = 1
	}
	literal, skips := byte(0), false
	if !anchored {
		literal, skips = m.firstByte()
	}
	for {
		if skips {
			// A match begins with the pattern's first character.
			i := strings.IndexByte(m.src[s:], literal)
			if i < 0 {
				m.spend((len(m.src) - s) / 16)
				return -1, -1
			}
			m.spend(i / 16)
			s += i
		}
		m.level = 0
		if e := m.match(s, p); e >= 0 {
			return s, e
		}
		if s++; s > len(m.src) || anchored {
			return -1, -1
		}
	}
}

// firstByte returns the character with which every match begins, if the pattern begins
// with one.
func (m *matcher) firstByte() (byte, bool) {
	if m.pat == "" || strings.IndexByte("^$*+?.()[%-", m.pat[0]) >= 0 {
		return 0, false
	}
	if len(m.pat) > 1 && strings.IndexByte("*?-", m.pat[1]) >= 0 {
		return 0, false
	}
	return m.pat[0], true
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

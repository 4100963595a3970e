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

package luabind

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

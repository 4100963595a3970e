package luabind

import (
	"io"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

const (
	// maxPattern is the maximum length of an RE2 pattern, in bytes.
	maxPattern = 1000
	// maxPatternSize is the maximum number of its states: repetition multiplies them.
	maxPatternSize = 2000
	// maxPatternsSize is the maximum number of states of all patterns that a VM caches,
	// about 2 MB. Rules use dozens of small patterns.
	maxPatternsSize = 5 * maxPatternSize
	// stateBytes is approximately the size of a state.
	stateBytes = 200
)

// patterns are the compiled patterns of a VM.
type patterns struct {
	compiled map[string]*pattern
	size     int // of all of them
}

// bytes returns approximately the size of the patterns.
func (c *patterns) bytes() int64 { return int64(c.size*stateBytes + len(c.compiled)*500) }

// pattern is a compiled RE2 pattern.
type pattern struct {
	text  string
	plain string // text without \Q, which would quote what after appends
	re    *regexp.Regexp
	size  int // about how many states
	// after finds the next match after the first character of a string, at which \b and
	// ^ look. Its first group is the match.
	after *regexp.Regexp
}

// wantPattern returns the first two arguments of every function of re.
func wantPattern(vm *VM, L *lua.LState, function string) (*pattern, string) {
	text, ok := L.Get(1).(lua.LString)
	if !ok {
		wrong(L, function, "", 1, "an RE2 pattern")
	}
	s, ok := L.Get(2).(lua.LString)
	if !ok {
		wrong(L, function, "", 2, "a string")
	}
	c := &vm.bound.patterns
	if p := c.compiled[string(text)]; p != nil {
		return p, string(s)
	}
	p := compilePattern(L, function, string(text))
	size := 2*p.size + len(p.text) // of re and after
	if c.compiled == nil || len(c.compiled) >= maxCached || c.size+size > maxPatternsSize {
		c.compiled, c.size = map[string]*pattern{}, 0
	}
	c.compiled[p.text] = p
	c.size += size
	return p, string(s)
}

func compilePattern(L *lua.LState, function, text string) *pattern {
	if len(text) > maxPattern {
		raise(L, "", "%s: the pattern is too long: %d bytes, at most %d", function, len(text), maxPattern)
	}
	// Each \pL or similar class is compiled from hundreds of ranges.
	classes := strings.Count(text, `\p`) + strings.Count(text, `\P`)
	charge(L, 100+10*len(text)+1000*classes, 100*len(text)+10_000*classes)
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		hint := "it is an RE2 pattern, see https://github.com/google/re2/wiki/Syntax"
		if e, ok := err.(*syntax.Error); ok && e.Code == syntax.ErrInvalidEscape {
			hint = "in Lua strings a backslash is written \\\\, or the string [[…]]"
		}
		raise(L, hint, "%s: pattern %s: %v", function, quote(text), err)
	}
	size := patternSize(tree)
	if size > maxPatternSize {
		raise(L, "repeat less: {n} multiplies what it repeats", "%s: pattern %s is too large", function, quote(text))
	}
	charge(L, 10*size, stateBytes*size)
	re, err := regexp.Compile(text)
	if err != nil {
		raise(L, "", "%s: pattern %s: %v", function, quote(text), err)
	}
	return &pattern{text: text, plain: tree.String(), re: re, size: size}
}

// patternSize returns approximately the number of states of a compiled pattern.
func patternSize(re *syntax.Regexp) int {
	size := 1
	switch re.Op {
	case syntax.OpLiteral:
		size = len(re.Rune)
	case syntax.OpCharClass:
		size += len(re.Rune) / 16
	}
	for _, sub := range re.Sub {
		size += patternSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min, re.Max, 1)
	}
	return min(size, 1<<20)
}

// stepsFor returns the cost of matching n bytes. In the worst case each byte takes about
// 5 ns per state. Few patterns take that long, but the budget suffices for all.
func (p *pattern) stepsFor(n int) int { return n/8 + n*p.size/4 }

// first finds the first match.
func (p *pattern) first(L *lua.LState, s string) []int {
	charge(L, 10+p.stepsFor(len(s)), 64+16*p.re.NumSubexp())
	return p.re.FindStringSubmatchIndex(s)
}

// next finds the first match at pos or later; pos is at least 1. It charges for the bytes
// that it reads, as it reads them: a charge in advance would be too high or too low for a
// loop over all matches.
func (p *pattern) next(L *lua.LState, s string, pos int) []int {
	if p.after == nil {
		charge(L, 100+10*p.size, stateBytes*p.size)
		p.after = regexp.MustCompile(`\A(?s:.)(?s:.*?)(` + p.plain + `)`)
	}
	_, size := utf8.DecodeLastRuneInString(s[:pos])
	begin := pos - size
	charge(L, 20, 64+16*p.re.NumSubexp())
	at := p.after.FindReaderSubmatchIndex(&meteredReader{L: L, p: p, s: s[begin:]})
	if at == nil {
		return nil
	}
	at = at[2:]
	for i := range at {
		if at[i] >= 0 {
			at[i] += begin
		}
	}
	return at
}

// meteredReader reads a string rune by rune, and charges for it.
type meteredReader struct {
	L   *lua.LState
	p   *pattern
	s   string
	i   int
	due int // bytes read and not yet charged
}

func (r *meteredReader) ReadRune() (rune, int, error) {
	if r.i >= len(r.s) {
		return 0, 0, io.EOF
	}
	c, size := rune(r.s[r.i]), 1
	if c >= utf8.RuneSelf {
		c, size = utf8.DecodeRuneInString(r.s[r.i:])
	}
	r.i += size
	if r.due += size; r.due >= 64 {
		charge(r.L, r.p.stepsFor(r.due), 0)
		r.due = 0
	}
	return c, size, nil
}

// runeLen returns the length of the character at i, or 1 at the end.
func runeLen(s string, i int) int {
	if i >= len(s) {
		return 1
	}
	_, size := utf8.DecodeRuneInString(s[i:])
	return size
}

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
	// maxPattern is how long an RE2 pattern may be.
	maxPattern = 1000
	// maxPatternSize is how many states it may have: repetition multiplies.
	maxPatternSize = 2000
	// maxPatternsSize is how many states the patterns come to that a VM has
	// compiled and keeps: about 2 MB. Rules write dozens of small ones.
	maxPatternsSize = 5 * maxPatternSize
	// stateBytes is about what a state takes.
	stateBytes = 200
)

// patterns are the compiled patterns of a VM.
type patterns struct {
	compiled map[string]*pattern
	size     int // of all of them
}

// bytes is about what they take.
func (c *patterns) bytes() int64 { return int64(c.size*stateBytes + len(c.compiled)*500) }

// pattern is a compiled RE2 pattern.
type pattern struct {
	text  string
	plain string // the same without \Q, which would swallow what is put behind it
	re    *regexp.Regexp
	size  int // about how many states
	// after finds the next match in a text whose first character was seen
	// before: \b and ^ look at it. Its first group is the match.
	after *regexp.Regexp
}

// wantPattern reads the first two arguments of every function of re.
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
	// \pL and the like stand for hundreds of ranges, put together anew each time.
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

// patternSize is about how many states a pattern compiles to.
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

// stepsFor is what looking at n bytes costs: each byte may concern each state,
// at about 5 ns. Few patterns are that bad; a rule has budget for all others.
func (p *pattern) stepsFor(n int) int { return n/8 + n*p.size/4 }

// first finds the first match.
func (p *pattern) first(L *lua.LState, s string) []int {
	charge(L, 10+p.stepsFor(len(s)), 64+16*p.re.NumSubexp())
	return p.re.FindStringSubmatchIndex(s)
}

// next finds the first match at pos, above 0, or behind. How far it looks is
// charged as it goes: whoever asks match by match would else pay for the whole
// text each time, or not for what was looked at again and again.
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

// meteredReader gives a text rune by rune, and charges for it.
type meteredReader struct {
	L   *lua.LState
	p   *pattern
	s   string
	i   int
	due int // bytes given and not charged
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

// runeLen is the length of the character at i, 1 at the end.
func runeLen(s string, i int) int {
	if i >= len(s) {
		return 1
	}
	_, size := utf8.DecodeRuneInString(s[i:])
	return size
}

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
)

// patterns are the compiled patterns of a VM.
type patterns struct{ compiled map[string]*pattern }

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

// reFind is re.find(pattern, s [, init]): begin, end and groups.
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

// reGsub is re.gsub(pattern, s, repl [, n]): the new text, and how many
// matches were replaced. repl is as in string.gsub.
func reGsub(vm *VM, L *lua.LState) int {
	const name = "re.gsub"
	p, s := wantPattern(vm, L, name)
	repl := L.Get(3)
	switch v := repl.(type) {
	case lua.LString, *lua.LTable, *lua.LFunction:
	case lua.LNumber:
		repl = lua.LString(numberText(v))
	default:
		if _, ok := asTablelike(repl); !ok {
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
	count, done := 0, 0 // done: up to where s is in out
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
			// An empty match right behind another is none.
			pos += runeLen(s, pos)
			continue
		}
		out = append(out, s[done:begin]...)
		grown := len(out)
		out = appendReplacement(L, out, s, at, repl)
		charge(L, 5, len(out)-grown+end-done)
		if len(out) > maxString {
			raise(L, "", "%s: the result is longer than %d bytes", name, maxString)
		}
		done, last = end, end
		count++
		if pos = end; begin == end {
			pos += runeLen(s, pos)
		}
	}
	out = append(out, s[done:]...)
	charge(L, 0, len(out))
	L.Push(lua.LString(out))
	L.Push(lua.LNumber(count))
	return 2
}

// appendReplacement adds what stands for a match.
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
				raise(L, "write %% for a percent sign", "%s: wrong use of %% in the replacement %s", name, quote(string(r)))
			}
			n := int(r[i] - '0')
			switch {
			case r[i] == '%':
				out = append(out, '%')
			case n == 0 || n == 1 && len(at) == 2:
				out = append(out, whole...)
			case 2*n+1 >= len(at):
				raise(L, "", "%s: the replacement %s wants group %d, and the pattern has %d", name, quote(string(r)), n, len(at)/2-1)
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
			v = L.GetField(repl, s[key[0]:key[1]])
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

// pushGroups pushes what the pairs of positions cut out of s, nil where a group
// took no part.
func pushGroups(L *lua.LState, s string, at []int) int {
	charge(L, len(at), 8*len(at))
	for i := 0; i < len(at); i += 2 {
		if at[i] < 0 {
			L.Push(lua.LNil)
			continue
		}
		L.Push(lua.LString(s[at[i]:at[i+1]]))
	}
	return len(at) / 2
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
	if c.compiled == nil || len(c.compiled) >= maxCached {
		c.compiled = map[string]*pattern{}
	}
	c.compiled[p.text] = p
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
	charge(L, 10*size, 200*size)
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
		charge(L, 100+10*p.size, 200*p.size)
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

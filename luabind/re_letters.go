package luabind

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
)

// CheckLetters returns a warning about an RE2 pattern that uses a class of ASCII letters
// next to a letter that is not ASCII, and its hint; empty if there is no such place. In
// RE2, word boundaries (\b), word characters (\w) and digits (\d) are those of ASCII,
// and (?i) compares letters one by one.
func CheckLetters(pattern string) (message, hint string) {
	if len(pattern) > maxPattern || isASCII(pattern) && !strings.Contains(pattern, `\p`) && !strings.Contains(pattern, `\x`) {
		return "", ""
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", ""
	}
	var c letterCheck
	c.walk(tree)
	if c.message == "" {
		c.checkCase(tree, strings.ContainsAny(pattern, turkishLetters))
	}
	if c.message == "" {
		c.checkDigits(pattern)
	}
	return c.message, c.hint
}

// ConditionFor returns the condition of where that replaces an RE2 pattern which is only a
// word, with or without \b around it, and that works for every script: `words = "код"`.
// It returns "" for any other pattern.
func ConditionFor(pattern string) string {
	rest := strings.TrimPrefix(pattern, "(?i)")
	word := strings.TrimSuffix(strings.TrimPrefix(rest, `\b`), `\b`)
	tree, err := syntax.Parse(word, syntax.Perl)
	if err != nil || tree.Op != syntax.OpLiteral {
		return ""
	}
	switch len(rest) - len(word) {
	case 0:
		return fmt.Sprintf("text = %q", string(tree.Rune))
	case 2 * len(`\b`):
		return fmt.Sprintf("words = %q", string(tree.Rune))
	}
	return ""
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// letterCheck finds the first error in a pattern.
type letterCheck struct {
	message, hint string
}

// edge describes what a part of a pattern may begin or end with.
type edge struct {
	boundary string // \b or \B
	ascii    string // a class of the ASCII letters, or of everything else
	outside  bool   // ascii is a class of everything else
	letter   string // a letter that is not ASCII
}

func (e *edge) add(other edge) {
	if e.boundary == "" {
		e.boundary = other.boundary
	}
	if e.ascii == "" {
		e.ascii, e.outside = other.ascii, other.outside
	}
	if e.letter == "" {
		e.letter = other.letter
	}
}

// walk checks every two parts that may follow each other.
func (c *letterCheck) walk(re *syntax.Regexp) {
	for _, sub := range re.Sub {
		c.walk(sub)
	}
	if re.Op != syntax.OpConcat {
		return
	}
	for i := range re.Sub {
		last, _ := ends(re.Sub[i], true)
		for j := i + 1; j < len(re.Sub); j++ {
			first, optional := ends(re.Sub[j], false)
			c.beside(last, first)
			c.beside(first, last)
			if !optional {
				break
			}
		}
	}
}

// beside checks an edge next to a letter.
func (c *letterCheck) beside(e, other edge) {
	switch {
	case c.message != "" || other.letter == "":
	case e.boundary != "":
		c.message = fmt.Sprintf(`%s next to %s is not a word boundary: in RE2, words consist of a-z, 0-9 and _`, e.boundary, other.letter)
		c.hint = `write (?:^|[^\pL\pM\pN]) before it and (?:[^\pL\pM\pN]|$) after it`
	case e.ascii != "" && e.outside:
		c.message = fmt.Sprintf(`%s next to %s also matches letters: in RE2, it treats only a-z as letters`, e.ascii, other.letter)
		c.hint = `write [^\pL\pM\pN] for anything that is not part of a word`
	case e.ascii != "":
		c.message = fmt.Sprintf(`%s next to %s does not match such letters: in RE2, it matches only a-z`, e.ascii, other.letter)
		c.hint = `write [\pL\pM] for letters, [\pL\pM\pN_] for the characters of words`
	}
}

// ends returns what a part of a pattern may end with, or begin with, and whether the
// part may match the empty string.
func ends(re *syntax.Regexp, last bool) (e edge, optional bool) {
	switch re.Op {
	case syntax.OpWordBoundary:
		return edge{boundary: `\b`}, true
	case syntax.OpNoWordBoundary:
		return edge{boundary: `\B`}, true
	case syntax.OpLiteral:
		r := re.Rune[0]
		if last {
			r = re.Rune[len(re.Rune)-1]
		}
		if wideLetter(r) {
			if re.Flags&syntax.FoldCase != 0 {
				r = unicode.ToLower(r)
			}
			e.letter = fmt.Sprintf("%q", string(r))
		}
		return e, false
	case syntax.OpCharClass:
		return classEdge(re), false
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return e, false
	case syntax.OpStar, syntax.OpQuest:
		e, _ = ends(re.Sub[0], last)
		return e, true
	case syntax.OpPlus, syntax.OpCapture:
		return ends(re.Sub[0], last)
	case syntax.OpRepeat:
		e, optional = ends(re.Sub[0], last)
		return e, optional || re.Min == 0
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			one, may := ends(sub, last)
			e.add(one)
			optional = optional || may
		}
		return e, optional
	case syntax.OpConcat:
		for i := range re.Sub {
			sub := re.Sub[i]
			if last {
				sub = re.Sub[len(re.Sub)-1-i]
			}
			one, may := ends(sub, last)
			e.add(one)
			if !may {
				return e, false
			}
		}
	}
	return e, true
}

// classEdge returns the edge of a class of characters. A class that lists letters beyond
// ASCII is assumed to be intended.
func classEdge(re *syntax.Regexp) edge {
	has := func(r rune) bool {
		for i := 0; i < len(re.Rune); i += 2 {
			if re.Rune[i] <= r && r <= re.Rune[i+1] {
				return true
			}
		}
		return false
	}
	beyond, letter := false, rune(0) // ASCII and the two letters that fold to it
	for i := 0; i < len(re.Rune); i += 2 {
		for r := max(re.Rune[i], utf8.RuneSelf); r <= re.Rune[i+1]; r++ {
			if r == '\u017f' || r == '\u212a' {
				continue
			}
			beyond = true
			if wideLetter(r) {
				letter = r
				break
			}
			if r > unicode.MaxLatin1 {
				break // enough to know that it goes beyond
			}
		}
		if letter != 0 {
			break
		}
	}
	name := re.String()
	switch {
	case !beyond && has('a') && has('z') && has('m'):
		if has('_') && has('0') && has('9') && has('A') {
			name = `\w`
		}
		return edge{ascii: name}
	case has(unicode.MaxRune):
		if !has('a') && !has('z') && !has('A') && has('я') && has('中') {
			if name = `\W`; has('_') || has('0') {
				name = "[^a-z]"
			}
			return edge{ascii: name, outside: true}
		}
		return edge{}
	case letter != 0:
		return edge{letter: fmt.Sprintf("letters like %q", string(letter))}
	}
	return edge{}
}

// wideLetter reports whether a rune is a letter, or a mark of a letter, beyond ASCII.
func wideLetter(r rune) bool {
	return r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsMark(r))
}

// turkishLetters are letters of languages in which I is not the capital of i.
const turkishLetters = "ığĞşŞİ"

// checkCase finds letters whose other case (?i) does not match. A letter that is alone,
// as in (?:ß|ss), is assumed to be intended.
func (c *letterCheck) checkCase(re *syntax.Regexp, turkish bool) {
	for _, sub := range re.Sub {
		c.checkCase(sub, turkish)
	}
	if c.message != "" || re.Op != syntax.OpLiteral || len(re.Rune) < 2 || re.Flags&syntax.FoldCase == 0 {
		return
	}
	for _, r := range re.Rune {
		full := cases.Fold().String(string(r))
		switch {
		case r == 'ı' || r == 'İ' || turkish && (r == 'i' || r == 'I'):
			c.message = `(?i) treats I as the capital of i, and matches no other case of ı and İ`
			c.hint = `write [Iıİi] for it; the conditions text and words treat all four as equal`
		case utf8.RuneCountInString(full) > 1:
			c.message = fmt.Sprintf("(?i) does not match %q as %q: it compares letters one by one", string(r), strings.ToUpper(full))
			c.hint = fmt.Sprintf("write (?:%c|%s) for it; the conditions text and words treat both as equal", r, full)
		default:
			continue
		}
		return
	}
}

// checkDigits finds \d in a pattern in a script that has its own digits, or that uses
// full-width ones.
func (c *letterCheck) checkDigits(pattern string) {
	escaped := strings.ReplaceAll(pattern, `\\`, "")
	if !strings.Contains(escaped, `\d`) {
		return
	}
	i := strings.IndexFunc(pattern, func(r rune) bool {
		return unicode.In(r, unicode.Arabic, unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya, unicode.Tamil, unicode.Telugu,
			unicode.Kannada, unicode.Malayalam, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan, unicode.Han, unicode.Hiragana, unicode.Katakana)
	})
	if i < 0 {
		return
	}
	r, _ := utf8.DecodeRuneInString(pattern[i:])
	c.message = fmt.Sprintf(`\d next to %q matches only 0 to 9, not the digits of other scripts or full-width ones`, string(r))
	c.hint = `write \p{Nd} for every digit, or [0-9] for only these`
}

package event

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns the copy of a text by which text is compared: two texts that
// people would call the same fold to the same string. It applies NFKC and full
// case folding, makes curly quotes straight, removes characters that can't be
// seen (zero width, soft hyphens, direction marks, variation selectors, control
// characters), and turns each run of white space, line ends included, into one
// space. Folding what is folded changes nothing.
//
// The four letters i of Turkish and Azerbaijani (I, ı, İ, i) become one: whether
// ISTANBUL is ıstanbul or istanbul depends on who wrote it, which a text does
// not say. The cost is that words which differ in the dot alone compare as equal.
//
// Text that is folded already is returned as it is, without allocating.
func Fold(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return foldUnicode(s)
		}
		if !foldedASCII(s, i) {
			return foldASCII(s, i)
		}
	}
	return s
}

// foldedASCII reports whether the byte at i may stand in a folded text.
func foldedASCII(s string, i int) bool {
	c := s[i]
	if c == ' ' {
		return i == 0 || s[i-1] != ' '
	}
	return c > ' ' && c < 0x7f && (c < 'A' || c > 'Z')
}

// foldASCII folds a text whose first n bytes are folded, and hands it over
// once a byte turns out not to be ASCII.
func foldASCII(s string, n int) string {
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(s[:n])
	space := n > 0 && s[n-1] == ' ' // the last byte kept is a space
	for i := n; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			return foldUnicode(s)
		case c >= '\t' && c <= '\r':
			c = ' '
		case c < ' ' || c == 0x7f:
			continue
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		}
		if c == ' ' && space {
			continue
		}
		space = c == ' '
		b.WriteByte(c)
	}
	return b.String()
}

// foldUnicode folds until nothing changes: removing an invisible character or
// folding a case can bring about a pair that normalisation composes. The
// second round of almost every text only confirms the first.
func foldUnicode(s string) string {
	if len(s) > maxNormal {
		return oneI(plain(strings.ToLower(s)))
	}
	for range maxFoldRounds {
		folded := foldOnce(s)
		if folded == s {
			break
		}
		s = folded
		if ascii(s) { // as most text whose only oddity was a curly quote
			break
		}
	}
	return s
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// maxNormal is the longest text that is normalised, in bytes: three times what
// a message can hold. Beyond it one compares as it was written but for capitals,
// quotes, spaces and what can't be seen: normalising 1 MB of U+FDFA, which
// becomes 18 characters each time, took 1.6 s, in which a shard stood still.
const maxNormal = 64 << 10

// maxFoldRounds is never reached by text; it bounds what a crafted one can cost.
const maxFoldRounds = 8

func foldOnce(s string) string {
	s = norm.NFKC.String(s)
	s = oneI(cases.Fold().String(plain(s)))
	// Normalisation puts a grapheme joiner into long runs of marks; it is
	// removed with all else that can't be seen.
	return plain(norm.NFKC.String(s))
}

// oneI writes every i with one dot: it maps the dotless one to i, and drops the
// combining dot that case folding leaves of İ. Marks below the letter may stand
// between the two.
func oneI(s string) string {
	const dot = '\u0307'
	if !strings.ContainsRune(s, 'ı') && !strings.ContainsRune(s, dot) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	dotted := false // the letter before is an i, with no mark above it yet
	for _, r := range s {
		switch {
		case r == 'ı':
			r = 'i'
		case r == dot && dotted:
			continue
		}
		switch r {
		case 'i', 'ị', 'į', 'ḭ':
			dotted = true
		default:
			class := norm.NFKC.PropertiesString(string(r)).CCC()
			dotted = dotted && class != 0 && class < above
		}
		b.WriteRune(r)
	}
	return b.String()
}

// above is the canonical combining class of marks above a letter.
const above = 230

// plain straightens quotes, removes what can't be seen and collapses space.
func plain(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	space := false // the last rune kept is a space
	for _, r := range s {
		switch {
		case r > ' ' && r < 0x7f:
		case unicode.IsSpace(r):
			r = ' '
		case r < 0xa0 || invisible(r):
			continue
		default:
			r = straight(r)
		}
		if r == ' ' && space {
			continue
		}
		space = r == ' '
		b.WriteRune(r)
	}
	return b.String()
}

// capitalCherokee writes Cherokee in capitals, to which case folding brings it: the
// small letters are younger, and package cases leaves them.
func capitalCherokee(r rune) rune {
	switch {
	case r >= '\uab70' && r <= '\uabbf':
		return r - '\uab70' + '\u13a0'
	case r >= '\u13f8' && r <= '\u13fd':
		return r - 8
	}
	return r
}

// straight maps the quotation marks and hyphens that keyboards and programs put in to
// those that people write in a rule, and the letters that package cases leaves.
func straight(r rune) rune {
	switch r {
	case '‘', '’', '‚', '‛', 'ʼ', 'ʻ', '׳':
		return '\''
	case '“', '”', '„', '‟', '״':
		return '"'
	case '\u2010', '\u2011':
		return '-'
	}
	return capitalCherokee(r)
}

// invisible reports whether a rune shows nothing: format characters but for
// the few Arabic and Indic ones that draw a sign, and what Unicode says to
// ignore where it is not supported.
func invisible(r rune) bool {
	if r < 0xad {
		return false
	}
	return unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r) ||
		unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) ||
		unicode.Is(unicode.Variation_Selector, r)
}

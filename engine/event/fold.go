package event

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns a normalized copy of a text for comparison: two texts that people call the
// same fold to the same string. It applies NFKC and full case folding, straightens curly
// quotes, removes invisible characters (zero width, soft hyphens, direction marks,
// variation selectors, control characters), and replaces each run of white space and
// line ends by one space. Folding is idempotent.
//
// The four letters i of Turkish and Azerbaijani (I, ı, İ, i) become one, as whether
// ISTANBUL is ıstanbul or istanbul depends on the language, which is unknown. So words
// that differ only in the dot compare as equal.
//
// A folded text is returned as it is, without an allocation.
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

// foldedASCII reports whether a folded text may have the byte at i.
func foldedASCII(s string, i int) bool {
	c := s[i]
	if c == ' ' {
		return i == 0 || s[i-1] != ' '
	}
	return c > ' ' && c < 0x7f && (c < 'A' || c > 'Z')
}

// foldASCII folds a text whose first n bytes are folded. At the first byte that is not
// ASCII it leaves the text to foldUnicode.
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

// foldUnicode folds until nothing changes: removing an invisible character or folding
// case can produce a pair that normalization composes. For almost every text the second
// round changes nothing.
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

// maxNormal is the longest text that is normalized, in bytes: three times what a message
// can hold. A longer one is only folded in case, quotes, spaces and invisible
// characters: normalizing 1 MB of U+FDFA, each of which becomes 18 characters, took
// 1.6 s, during which a shard was blocked.
const maxNormal = 64 << 10

// maxFoldRounds bounds the cost of a crafted text. Ordinary text never reaches it.
const maxFoldRounds = 8

func foldOnce(s string) string {
	s = norm.NFKC.String(s)
	s = oneI(cases.Fold().String(plain(s)))
	// Normalization inserts a grapheme joiner into long runs of marks, which plain
	// removes.
	return plain(norm.NFKC.String(s))
}

// oneI makes every i a dotted i: it maps the dotless one to i, and removes the combining
// dot that case folding leaves of İ. Marks below the letter may come between the two.
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

// plain straightens quotes, removes invisible characters and collapses white space.
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

// capitalCherokee maps Cherokee to capitals, which is its case folding: the small letters
// are newer, and package cases does not map them.
func capitalCherokee(r rune) rune {
	switch {
	case r >= '\uab70' && r <= '\uabbf':
		return r - '\uab70' + '\u13a0'
	case r >= '\u13f8' && r <= '\u13fd':
		return r - 8
	}
	return r
}

// straight maps the quotation marks and hyphens that keyboards and programs insert to
// those that people write in a rule, and folds the letters that package cases does not.
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

// invisible reports whether a rune is invisible: a format character, apart from the few
// Arabic and Indic ones that are visible, or a rune that Unicode says to ignore where it
// is not supported.
func invisible(r rune) bool {
	if r < 0xad {
		return false
	}
	return unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r) ||
		unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) ||
		unicode.Is(unicode.Variation_Selector, r)
}

package rules

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// containsWord reports whether a normalized text contains a normalized word as a whole.
//
// A word is a run of letters, their marks and digits; everything else ends it:
// space, punctuation, the apostrophe, the underscore, emoji. That is UAX #29 with
// two differences: the apostrophe ends a word, because people look for "hôtel" in
// "l'hôtel" and for "code" in "code's", and so does the underscore, which here is
// a sign between words and not part of a name.
//
// Chinese, Japanese, Thai, Lao, Khmer and Burmese write no spaces: a word in these is
// found anywhere, and so is a word in another script next to them. Korean writes
// spaces before words and particles after them: the word must be at the beginning of
// one, and may continue.
func containsWord(text, word string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(word)
		if wordBegins(text, start) && wordEnds(text, end) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[start:])
		from = start + size
	}
}

// wordBegins reports whether a word may begin at i.
func wordBegins(text string, i int) bool {
	before, after := around(text, i)
	return !joined(before, after) || hangul(before) != hangul(after) && !extends(before, after)
}

// wordEnds reports whether a word may end at i.
func wordEnds(text string, i int) bool {
	before, after := around(text, i)
	return !joined(before, after) || (hangul(before) || hangul(after)) && !extends(before, after)
}

// around returns the runes before and after a place in a text; a space at its ends.
func around(text string, i int) (before, after rune) {
	before, after = ' ', ' '
	if i > 0 {
		before, _ = utf8.DecodeLastRuneInString(text[:i])
	}
	if i < len(text) {
		after, _ = utf8.DecodeRuneInString(text[i:])
	}
	return before, after
}

// joined reports whether two runes that follow one another belong to one word.
func joined(before, after rune) bool {
	if before < utf8.RuneSelf && after < utf8.RuneSelf {
		return asciiWord(before) && asciiWord(after)
	}
	if extends(before, after) {
		return true
	}
	return wordRune(before) && wordRune(after) && !unspaced(before) && !unspaced(after)
}

func asciiWord(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z'
}

func wordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

// extends reports whether two runes are parts of one letter as people see it. No word
// ends between them, in any script.
func extends(before, after rune) bool {
	return unicode.IsMark(after) && before != ' ' || trailingVowel(after) && wordRune(before) || (leadingVowel(before) || stacks(before)) && wordRune(after)
}

// leadingVowel reports whether a vowel of Thai or Lao is written before the consonant
// that it follows in speech.
func leadingVowel(r rune) bool { return 'เ' <= r && r <= 'ไ' || 'ເ' <= r && r <= 'ໄ' }

// trailingVowel reports whether a letter of Thai or Lao is the vowel of the
// consonant before it.
func trailingVowel(r rune) bool {
	switch r {
	case 'ะ', 'า', 'ำ', 'ๅ', 'ະ', 'າ', 'ຳ':
		return true
	}
	return false
}

// stacks reports whether a sign puts the next consonant under the previous one.
func stacks(r rune) bool {
	switch r {
	case '\u1039', '\u17d2', '\u1a60': // Burmese, Khmer, Tai Tham
		return true
	}
	return false
}

func hangul(r rune) bool { return r > 0x10ff && unicode.Is(unicode.Hangul, r) }

// unspaced reports whether a rune is of a script that writes no spaces between words.
func unspaced(r rune) bool {
	return r >= firstUnspaced && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
		unicode.Bopomofo, unicode.Yi, unicode.Tai_Tham, unicode.Tai_Le, unicode.New_Tai_Lue, unicode.Tai_Viet, unicode.Javanese) || r == prolonged)
}

const (
	firstUnspaced = '\u0e01' // the first letter of Thai
	prolonged     = 'ー'      // lengthens a vowel of Japanese; it belongs to no script
)

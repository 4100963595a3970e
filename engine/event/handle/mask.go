package handle

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// leastMasked is how many digits a number with + has at least. Fewer are an offset of a
	// zone, or an exponent.
	leastMasked = 7
	// mostMasked is how many digits of E.164 a number has at most.
	mostMasked = 15
	// masked replaces what a log does not show.
	masked = "•••"
)

// Mask masks the phone numbers with + and the email addresses in a text, for a log: of a number its
// first digit and its last four remain, of an address the domain. A number that a text names as that
// of a phone line ("line=+14155550100") is chertd's own, and stays.
func Mask(text string) string {
	if !strings.ContainsAny(text, "+@") && !strings.Contains(text, "%2") && !strings.Contains(text, "%40") {
		return text
	}
	return maskNumbers(maskAddresses(text))
}

// MaskDigits masks a phone number, however it is written.
func MaskDigits(number string) string {
	n := scan(number)
	switch {
	case len(n.digits) < leastMasked:
		return masked
	case n.plus:
		return "+" + n.digits[:1] + masked + lastDigits(n.digits)
	}
	return masked + lastDigits(n.digits)
}

// lastDigits returns the digits that tell numbers apart: fewer of a short one.
func lastDigits(digits string) string {
	if len(digits) < 10 {
		return digits[len(digits)-2:]
	}
	return digits[len(digits)-4:]
}

func maskNumbers(text string) string {
	var out strings.Builder
	copied := 0
	for from := 0; ; {
		at, sign := plusIn(text[from:])
		if at < 0 {
			break
		}
		at += from
		number := at + len(sign)
		from = number + numberLength(text[number:])
		if from == number || namesLine(text[:at]) {
			continue
		}
		out.WriteString(text[copied:at])
		out.WriteString(MaskDigits("+" + text[number:from]))
		copied = from
	}
	if copied == 0 {
		return text
	}
	out.WriteString(text[copied:])
	return out.String()
}

// plusIn returns where a text has its first +, which URLs write as %2B; -1: it has none.
func plusIn(text string) (at int, sign string) { return firstOf(text, "+", "%2B", "%2b") }

// firstOf returns the first place of one of the signs in a text, and which it is; -1: it has none.
func firstOf(text string, signs ...string) (at int, sign string) {
	at = -1
	for _, s := range signs {
		if i := strings.Index(text, s); i >= 0 && (at < 0 || i < at) {
			at, sign = i, s
		}
	}
	return at, sign
}

// numberLength returns how many bytes at the beginning of a text are the digits of a number, with
// what people write between them; 0: it is none.
func numberLength(text string) (n int) {
	digits, between := 0, 0
	for i, r := range text {
		switch {
		case r >= '0' && r <= '9':
			if digits++; digits > mostMasked {
				return n
			}
			n, between = i+1, 0
		case (unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Pd, r) || strings.ContainsRune("()./", r)) && between < 3:
			between++
		default:
			if digits < leastMasked {
				return 0
			}
			return n
		}
	}
	if digits < leastMasked {
		return 0
	}
	return n
}

// namesLine reports whether what stands before a number names it as that of a phone line. A hotline is
// none, and who is online is a person.
func namesLine(before string) bool {
	before = strings.TrimRight(before, ` ="':\`)
	for _, word := range []string{"line", "lines"} {
		if rest, ok := strings.CutSuffix(before, word); ok {
			last, _ := utf8.DecodeLastRuneInString(rest)
			return !unicode.IsLetter(last) && !unicode.IsDigit(last)
		}
	}
	return false
}

func maskAddresses(text string) string {
	var out strings.Builder
	for from := 0; ; {
		at, sign := firstOf(text[from:], "@", "%40") // as in URLs
		if at < 0 {
			break
		}
		at += from
		begin := at - tail(text[:at], func(r rune) bool {
			return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._+-'", r)
		})
		host := at + len(sign)
		end := host + head(text[host:], func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' || r == '-' })
		if begin == at || !strings.Contains(strings.Trim(text[host:end], "."), ".") {
			from = host
			continue
		}
		out.WriteString(text[:begin])
		out.WriteString(masked)
		out.WriteString(text[at:end])
		text, from = text[end:], 0
	}
	if out.Len() == 0 {
		return text
	}
	out.WriteString(text)
	return out.String()
}

// head returns how many bytes at the beginning of a text are runes of a kind, and tail how many at
// its end.
func head(text string, is func(rune) bool) int {
	if i := strings.IndexFunc(text, func(r rune) bool { return !is(r) }); i >= 0 {
		return i
	}
	return len(text)
}

func tail(text string, is func(rune) bool) int {
	n := len(text)
	for n > 0 {
		r, size := utf8.DecodeLastRuneInString(text[:n])
		if !is(r) {
			break
		}
		n -= size
	}
	return len(text) - n
}

package handle

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// clean removes the surrounding space of a handle, and the direction marks and other
// invisible characters that address books add. It maps the digits of all scripts to
// ASCII, and wide letters to narrow ones.
func clean(s string) string {
	if ascii(s) {
		return unapostrophe(strings.TrimSpace(s))
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r < utf8.RuneSelf:
			return r
		case r == '\u2795': // a heavy plus sign, as an emoji
			return '+'
		case unicode.In(r, unicode.Cf, unicode.Cc, unicode.Variation_Selector) || r == '\u034f' || r == '\u115f' || r == '\u1160' || r == '\u3164':
			return -1
		case unicode.Is(unicode.Nd, r):
			return digit(r)
		}
		return r
	}, norm.NFKC.String(s))
	return unapostrophe(strings.TrimSpace(s))
}

// unapostrophe removes the apostrophe with which a spreadsheet marks a number as text.
func unapostrophe(s string) string {
	if len(s) > 1 && s[0] == '\'' && (s[1] == '+' || s[1] >= '0' && s[1] <= '9') {
		return s[1:]
	}
	return s
}

// digit returns the ASCII digit of the same value. The decimal digits of Unicode are in
// runs of ten.
func digit(r rune) rune {
	for _, run := range unicode.Nd.R16 {
		if rune(run.Lo) <= r && r <= rune(run.Hi) {
			return '0' + (r-rune(run.Lo))%10
		}
	}
	for _, run := range unicode.Nd.R32 {
		if rune(run.Lo) <= r && r <= rune(run.Hi) {
			return '0' + (r-rune(run.Lo))%10
		}
	}
	return r
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// lower returns the lower case of a text, normalized: lower case may produce letters and
// marks that compose.
func lower(s string) string {
	if ascii(s) {
		return strings.ToLower(s)
	}
	return norm.NFKC.String(strings.ToLower(s))
}

var schemes = regexp.MustCompile(`^(?i)(tel|sms|smsto|mms|callto|facetime|facetime-audio|imessage|mailto):(?://)?\s*`)

// withoutScheme removes the parts of a link from a handle: a scheme such as "tel:" or
// "mailto:", and parameters. It keeps an extension, and moves a phone-context with the
// beginning of the number to the front.
func withoutScheme(s string) (text, scheme string) {
	m := schemes.FindStringSubmatch(s)
	if m == nil {
		return s, ""
	}
	scheme, s = strings.ToLower(m[1]), s[len(m[0]):]
	s, _, _ = strings.Cut(s, "?")
	if plain, err := url.PathUnescape(s); err == nil {
		s = clean(plain)
	}
	if scheme == "mailto" {
		return s, scheme
	}
	s, parameters, _ := strings.Cut(s, ";")
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(p, "=")
		switch strings.ToLower(name) {
		case "ext":
			s += ";ext=" + value
		case "phone-context":
			if strings.HasPrefix(value, "+") && !strings.HasPrefix(s, "+") {
				s = value + s
			}
		}
	}
	return s, scheme
}

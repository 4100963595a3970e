// Package handle says what a handle is, by which Chert names a sender or a phone
// line: a phone number, a short code or an email address. It gives each the one
// form by which handles are compared. Everything that compares handles uses it:
// where, data files, events and commands. A leaf.
package handle

import (
	"fmt"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Kind is what a handle is, in the words of where.sender.
type Kind string

const (
	Other     Kind = "" // none of those below, such as an alphanumeric sender's name
	Phone     Kind = "phone"
	ShortCode Kind = "short_code"
	Email     Kind = "email"
)

// Handle is a handle in the form by which it is compared: E.164 for a phone
// number, the digits for a short code, lower case for anything else.
type Handle struct {
	Kind Kind
	Text string
}

// Error says why a text can't be the handle of a sender, and what to write.
type Error struct {
	Problem string
	Hint    string // "": there is none
	// NoCountry is set for a number without + while no country is known. Parse
	// returns its digits: they equal no number that Chert delivers with +.
	NoCountry bool
}

func (e *Error) Error() string { return e.Problem }

// Digits that a short code may have. In a country whose numbers have 7 or 8 digits,
// as in Norway, digits that are such a number are no short code.
const (
	leastShort   = 3
	certainShort = 6 // up to here the country does not matter
	mostShort    = 8
)

// longest is how many bytes a handle may have: an address 254, by RFC 5321.
const longest = 320

// Parse reads a handle as people write it. country is rules.country, the ISO 3166
// code of the country whose national numbers need no +; "": there is none. The
// error is an *Error.
func Parse(s, country string) (Handle, error) {
	if h, ok := canonical(s); ok {
		return h, nil
	}
	if len(s) > longest {
		return Handle{}, &Error{Problem: fmt.Sprintf("%.40q… is not a phone number, a short code or an email address: it has %d bytes", s, len(s))}
	}
	text, scheme := withoutScheme(clean(s))
	switch {
	case text == "":
		return Handle{}, &Error{Problem: fmt.Sprintf("%q is empty", s), Hint: "leave it out"}
	case scheme == "mailto" || strings.Contains(text, "@"):
		return email(s, text)
	}
	return number(s, text, country)
}

// Normalize is Parse for what Chert delivers. It never fails: what Parse refuses is
// compared as it came, in lower case, a number without its separators. Normalizing
// what is normalized changes nothing.
func Normalize(s, country string) Handle {
	h, err := Parse(s, country)
	if err == nil || h.Text != "" {
		return h
	}
	text := clean(s)
	if n := scan(text); n.plain() {
		switch {
		case n.plus:
			return Handle{Phone, "+" + n.digits}
		case len(n.digits) > certainShort:
			return Handle{Phone, n.digits}
		}
		return Handle{Other, n.digits}
	}
	return Handle{Other, lower(text)}
}

// canonical recognizes the handles that Chert delivers most, without work: a number
// of North America, of which the library would change nothing, and an address in
// lower case.
func canonical(s string) (Handle, bool) {
	if len(s) == len("+14155551234") && s[:2] == "+1" && s[2] >= '2' && onlyDigits(s[2:]) {
		return Handle{Phone, s}, true
	}
	at := strings.IndexByte(s, '@')
	if at <= 0 {
		return Handle{}, false
	}
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("._-+", c) >= 0 || i == at {
			continue
		}
		return Handle{}, false
	}
	if addressProblem(s[:at], s[at+1:]) != "" {
		return Handle{}, false
	}
	return Handle{Email, s}, true
}

// HasNumbers reports whether the code is that of a country, two capital letters of
// ISO 3166, whose phone numbers are known.
func HasNumbers(country string) bool {
	return len(country) == 2 && strings.ToUpper(country) == country && phonenumbers.GetCountryCodeForRegion(country) != 0
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

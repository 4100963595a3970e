// Package handle reads handles, by which Chert names senders and phone lines: phone
// numbers, short codes and email addresses. It normalizes each to one form, so that
// where, data files, events and commands all compare handles alike.
package handle

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Kind is the kind of a handle, as in where.sender.
type Kind string

// Kinds of handles.
const (
	Other     Kind = "" // none of these, such as the name of an alphanumeric sender
	Phone     Kind = "phone"
	ShortCode Kind = "short_code"
	Email     Kind = "email"
)

// Handle is a normalized handle: E.164 for a phone number, the digits of a short code,
// lower case for anything else. Equal handles are ==.
type Handle struct {
	Kind Kind
	Text string
}

// Error is why a string is not the handle of a sender, with what to write instead.
type Error struct {
	Problem string
	Hint    string // "": none
	// NoCountry is set if a number has no + and no country is known. Parse returns its
	// digits, which equal no number that Chert delivers with +.
	NoCountry bool
}

func (e *Error) Error() string { return e.Problem }

// Limits of the digits of a short code. In a country whose numbers have 7 or 8 digits,
// such as Norway, digits that are such a number are not a short code.
const (
	leastShort   = 3
	certainShort = 6 // up to here the country does not matter
	mostShort    = 8
)

// longest is the longest handle, in bytes. An email address has at most 254 by RFC 5321.
const longest = 320

// Parse reads a handle as people write it. country is the ISO 3166 code of the country
// whose national numbers need no + (rules.country), or "". Its error is an *Error.
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

// NeedsCountry reports whether a handle is a number without +, which only a country
// completes.
func NeedsCountry(s string) bool {
	_, err := Parse(s, "")
	e, ok := errors.AsType[*Error](err)
	return ok && e.NoCountry
}

// Normalize is Parse for handles that Chert delivers. It never fails: it returns what
// Parse refuses in lower case, and a number without its separators. It is idempotent.
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

// canonical recognizes the most frequent handles at little cost: numbers of North
// America, which the library would not change, and email addresses in lower case.
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

// HasNumbers reports whether country is the code of a country, two capital letters of
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

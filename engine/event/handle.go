package event

import "strings"

// NormalizeHandle returns the form by which handles are compared: of a phone
// number its digits and a leading '+', of anything else, such as a mail address
// or a short code, the lower case. "+1 (415) 555-1234" and "+14155551234" are
// one number; "4155551234" is another, because the country can't be known.
//
// Normalizing what is normalized changes nothing, and does not allocate.
func NormalizeHandle(s string) string {
	if !ascii(s) {
		// Address books put direction marks and narrow spaces around numbers.
		s = Fold(s)
	}
	s = strings.TrimSpace(s)
	if number, ok := phoneNumber(s); ok {
		return number
	}
	return strings.ToLower(s)
}

// phoneNumber strips a number of what people write between its digits. It is
// not ok if there is anything else in it.
func phoneNumber(s string) (string, bool) {
	digits, others := 0, 0
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == '+' && digits == 0 && strings.Trim(s[:i], separators) == "":
		case strings.ContainsRune(separators, r):
			others++
		default:
			return "", false
		}
	}
	if digits == 0 {
		return "", false
	}
	if others == 0 {
		return s, true
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(separators, r) {
			return -1
		}
		return r
	}, s), true
}

// separators are what numbers are written with, dashes of all widths included.
const separators = " \t()-./\u2010\u2011\u2012\u2013\u2014\u2015\u2212"

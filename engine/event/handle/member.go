package handle

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMember is the length of the longest member of a list, in bytes.
const maxMember = 512

// mostDigits is how many digits a phone number has at most (E.164).
const mostDigits = 15

// Member reads a member of a list as people write it: a sender, which becomes what Parse
// returns, or the id of a chat, which is any other string. What looks like a sender and
// can be none is an *Error: an id would hide the typo. So is a string that can be no id.
func Member(s, country string) (string, error) {
	switch text := strings.TrimSpace(s); {
	case text == "":
		return "", &Error{Problem: fmt.Sprintf("%q is empty", s), Hint: "leave it out"}
	case len(text) > maxMember:
		return "", &Error{Problem: fmt.Sprintf("%.40q… has %d bytes, at most %d are allowed", text, len(text), maxMember)}
	case !utf8.ValidString(text):
		return "", &Error{Problem: fmt.Sprintf("%q is not valid UTF-8", text), Hint: "save the file as UTF-8"}
	case strings.ContainsFunc(text, unicode.IsControl):
		return "", &Error{Problem: fmt.Sprintf("%q has control characters", text), Hint: "write one member"}
	}
	h, err := Parse(s, country)
	if err == nil {
		return h.Text, nil
	}
	if meant(s) {
		return "", err
	}
	return strings.TrimSpace(s), nil
}

// Member returns the member of a list that a string is: the sender or chat of an event, or
// what a rule looks up. It returns what the function Member does for all that it accepts.
func (r *Reader) Member(s string) string { return memberOf(r.Read(s), s) }

// memberOf returns the member that a string is, given Normalize of it.
func memberOf(h Handle, s string) string {
	if h.Kind == Other || h.Kind == Phone && len(strings.TrimPrefix(h.Text, "+")) > mostDigits {
		return strings.TrimSpace(s)
	}
	return h.Text
}

// vanity matches a phone number with letters in place of digits, such as 1-800-FLOWERS. Ids of chats have
// no spaces, and their letters are small.
var vanity = regexp.MustCompile(`^\+?\(?\d{1,3}\)?[-. ]?(?:\(?\d{3}\)?[-. ]?){1,2}[A-Z][A-Z -]{2,}$`)

// meant reports whether a string that Parse refuses was meant as a sender.
func meant(s string) bool {
	text, scheme := withoutScheme(clean(s))
	if scheme != "" || strings.Contains(text, "@") || scientific.MatchString(text) || decimal.MatchString(text) || Shortened(text) {
		return true
	}
	if vanity.MatchString(strings.TrimSpace(s)) {
		return true
	}
	n := scan(text)
	if n.plain() {
		return len(n.digits) <= mostDigits
	}
	if cut := extension.FindStringIndex(text); cut != nil {
		n = scan(text[:cut[0]])
		return n.plain() && len(n.digits) > mostShort && len(n.digits) <= mostDigits
	}
	return n.plus && len(n.digits) > mostShort
}

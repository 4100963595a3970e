package handle

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

// scanned is a text that may be a number.
type scanned struct {
	plus    bool   // it begins with +
	digits  string // all its digits
	spaced  bool   // there is something between the digits
	letters bool
	foreign rune // the first character that a number can't have; 0: none
}

// plain reports whether the text has only digits, separators and at most one +.
func (n *scanned) plain() bool { return n.digits != "" && !n.letters && n.foreign == 0 }

// separators are what people write between the digits of a number, besides dashes
// and white space.
const separators = "()[]./\u00b7\u2022\u2043\u2212\u30fc~"

// scan returns the parts of a cleaned text.
func scan(text string) scanned {
	var n scanned
	var digits strings.Builder
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9':
			digits.WriteRune(r)
		case r == '+' && !n.plus && digits.Len() == 0:
			n.plus = true
		case unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || strings.ContainsRune(separators, r):
			n.spaced = n.spaced || digits.Len() > 0
		case unicode.IsLetter(r):
			n.letters = true
		case n.foreign == 0:
			n.foreign = r
		}
	}
	n.digits = digits.String()
	return n
}

var (
	// scientific is a number that a spreadsheet has shortened, with either decimal mark.
	scientific = regexp.MustCompile(`^\+?\d(?:[.,]\d+)?[eE]\+?\d{1,3}$`)
	// shortened is the form in which spreadsheets and programs write one; 4E12 may be
	// a name.
	shortened = regexp.MustCompile(`^[+-]?\d(?:(?:[.,]\d*)?[eE]\+\d{2,3}|[.,]\d+[eE]\d{1,3})$`)
	// decimal is a phone number written as a decimal fraction.
	decimal   = regexp.MustCompile(`^\+?\d{7,}[.,]0{1,2}$`)
	extension = regexp.MustCompile(`(?i)[\s,;]*(?:;ext=|ext(?:n|ensi[oó]n)?|доб|anexo|durchwahl|app|x{1,2}|#)[.:]?\s*\d{1,7}#?$`)
	// remark is a word after a number, which may have digits.
	remark = regexp.MustCompile(`[\s,;(\[]+(\pL[\pL\s.:]*)\d{0,7}[\s)\].]*$`)
	// date is a day as spreadsheets and people write one.
	date = regexp.MustCompile(`^(?:(\d{1,2})[./-](\d{1,2})[./-](?:19|20)\d\d|(?:19|20)\d\d[./-](\d{1,2})[./-](\d{1,2}))$`)
	// shortFraction is a short code written as a decimal fraction.
	shortFraction = regexp.MustCompile(`^(\d{3,6})[.,]0{1,2}$`)
)

// dated reports whether a text is a day.
func dated(s string) bool {
	m := date.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	a, _ := strconv.Atoi(m[1] + m[3])
	b, _ := strconv.Atoi(m[2] + m[4])
	return min(a, b) >= 1 && min(a, b) <= 12 && max(a, b) <= 31
}

// Shortened reports whether a spreadsheet wrote a long number in a short form that
// has lost digits, like 1.41556E+10.
func Shortened(s string) bool { return shortened.MatchString(strings.TrimSpace(s)) }

// number reads a phone number or a short code. written is the original text.
func number(written, text, country string) (Handle, error) {
	switch {
	case scientific.MatchString(text):
		return Handle{}, &Error{Problem: fmt.Sprintf("%q is a number that a spreadsheet shortened: its last digits are lost", written),
			Hint: "format the column as text in the spreadsheet, enter the numbers again, and export it again"}
	case decimal.MatchString(text):
		whole := strings.TrimRight(strings.TrimRight(text, "0"), ".,")
		return Handle{}, &Error{Problem: fmt.Sprintf("%q is a phone number written as a decimal fraction", written), Hint: "write " + example(strings.TrimPrefix(whole, "+"), country)}
	}
	if dated(text) {
		return Handle{}, &Error{Problem: fmt.Sprintf("%q is a date, not a phone number, a short code or an email address", written)}
	}
	if m := shortFraction.FindStringSubmatch(text); m != nil {
		return Handle{}, &Error{Problem: fmt.Sprintf("%q is a short code written as a decimal fraction", written), Hint: fmt.Sprintf("write %q", m[1])}
	}
	if at := extension.FindStringIndex(text); at != nil {
		if n := scan(text[:at[0]]); n.plain() && (n.plus || len(n.digits) > mostShort) {
			text = text[:at[0]]
		}
	}
	n := scan(text)
	switch {
	case n.letters && n.foreign == 0 && n.digits != "" && len(text) >= 7:
		return Handle{}, lettered(written, text, country)
	case n.letters && n.foreign == 0 && !n.plus && !strings.ContainsAny(text, " \t"):
		return Handle{}, &Error{Problem: none(written), Hint: fmt.Sprintf("a sender's name is compared in the handler: if ev.from == %q", text)}
	case strings.Count(text, "+") > 1:
		return Handle{}, &Error{Problem: none(written), Hint: "write one number per value, with one +"}
	case !n.plain() || strings.Contains(text, "+") && !n.plus:
		e := &Error{Problem: none(written)}
		if strings.Contains(text, " #") {
			e.Hint = "write the comment on a line of its own"
		} else if strings.ContainsAny(text, ",;") && len(n.digits) > mostShort {
			e.Hint = "write one number per value, without commas"
		}
		return Handle{}, e
	case n.plus:
		return international(written, text, n.digits)
	}
	return national(written, text, n, country)
}

// none returns the problem of a text that is not a handle.
func none(written string) string {
	return fmt.Sprintf("%q is not a phone number, a short code or an email address", written)
}

// international reads a number with a country code.
func international(written, text, digits string) (Handle, error) {
	e164, reason := lookUp("+"+digits, "ZZ")
	if without := strings.Replace(text, "(0)", "", 1); without != text && !valid(e164) {
		// Some people write a trunk prefix that their country no longer has.
		if shorter, _ := lookUp("+"+scan(without).digits, "ZZ"); e164 == "" || valid(shorter) {
			e164 = shorter
		}
	}
	if e164 != "" {
		return Handle{Phone, e164}, nil
	}
	return Handle{}, &Error{Problem: fmt.Sprintf("%q is not a phone number: %s", written, reason), Hint: plusHint(text, digits, reason)}
}

func plusHint(text, digits, reason string) string {
	if len(digits) >= leastShort && len(digits) <= certainShort {
		return fmt.Sprintf("a short code has no +: %q", digits)
	}
	if reason != noCountry || text != "+"+digits || len(digits) <= mostShort {
		return ""
	}
	return fmt.Sprintf("if Chert delivers it so, compare in the handler: ev.from == %q", text)
}

// national reads digits without +: a short code, a number with the prefix for calls
// abroad, or a number of the country.
func national(written, text string, n scanned, country string) (Handle, error) {
	digits := n.digits
	switch {
	case len(digits) < leastShort:
		return Handle{}, &Error{Problem: fmt.Sprintf("%q is too short: a short code has %d to %d digits, a phone number more", written, leastShort, mostShort)}
	case len(digits) <= certainShort && strings.ContainsAny(text, "./"):
		return Handle{}, &Error{Problem: none(written), Hint: "a short code is written as its digits alone"}
	case len(digits) <= certainShort:
		return Handle{ShortCode, digits}, nil
	case country == "" && strings.HasPrefix(digits, "00") && len(digits) > mostShort:
		return international(written, text, digits[2:])
	case country == "":
		e := &Error{NoCountry: true, Problem: fmt.Sprintf("%q has no + and no country: chertd can't know which number it is, and it matches none", written), Hint: "write " + example(digits, "") +
			", or set the country of such numbers in chertd.yaml, for example rules: {country: US}"}
		if len(digits) <= mostShort && !n.spaced {
			e.Problem = fmt.Sprintf("%q may be a short code, or a number without its country: it matches the short code alone", written)
			return Handle{ShortCode, digits}, e
		}
		return Handle{Phone, digits}, e
	}
	if strings.HasPrefix(digits, "00") && !abroad(digits, country) {
		return international(written, text, digits[2:])
	}
	e164, reason := lookUp(digits, country)
	if len(digits) <= mostShort && !n.spaced {
		switch {
		case e164 != "" && !validIn(digits, country):
			return Handle{ShortCode, digits}, nil
		case e164 == "" && reason != lacksArea:
			return Handle{ShortCode, digits}, nil
		}
	}
	if e164 == "" {
		return Handle{}, &Error{Problem: fmt.Sprintf("%q is not a phone number of %s (rules.country): %s", written, country, reason),
			Hint: "write " + example(digits, "")}
	}
	return Handle{Phone, e164}, nil
}

const (
	lacksArea = "it lacks the area code"
	noCountry = "no country has its code"
)

// lookUp returns the E.164 form of a number, or "" with the reason why it is not one. It
// accepts possible numbers, whether they are assigned or not: ranges are assigned faster
// than the library is updated.
func lookUp(number, region string) (e164, reason string) {
	number = withoutMobilePrefix(number)
	for range 3 { // a form that has a prefix left is read again
		n, err := phonenumbers.Parse(number, region)
		if err != nil {
			return "", reasonOf(err)
		}
		switch phonenumbers.IsPossibleNumberWithReason(n) {
		case phonenumbers.IS_POSSIBLE:
		case phonenumbers.IS_POSSIBLE_LOCAL_ONLY:
			return "", lacksArea
		case phonenumbers.TOO_SHORT:
			return "", "it is too short"
		case phonenumbers.TOO_LONG:
			return "", "it is too long"
		case phonenumbers.INVALID_COUNTRY_CODE:
			return "", noCountry
		default:
			return "", "no number there has so many digits"
		}
		if e164 = phonenumbers.Format(n, phonenumbers.E164); e164 == number {
			break
		}
		number, region = e164, "ZZ"
	}
	return e164, ""
}

// withoutMobilePrefix removes the 1 after +52, which mobile numbers of Mexico had until
// 2019. Old chats and address books still have it, but the library no longer knows it.
func withoutMobilePrefix(e164 string) string {
	if len(e164) == len("+5215512345678") && strings.HasPrefix(e164, "+521") {
		return "+52" + e164[len("+521"):]
	}
	return e164
}

func reasonOf(err error) string {
	switch err {
	case phonenumbers.ErrInvalidCountryCode:
		return noCountry
	case phonenumbers.ErrNumTooLong:
		return "it is too long"
	}
	return "it is too short"
}

// abroad reports whether the digits begin with the prefix for international calls of the
// country.
func abroad(digits, country string) bool {
	n, err := phonenumbers.ParseAndKeepRawInput(digits, country)
	return err == nil && n.GetCountryCodeSource() == phonenumbers.PhoneNumber_FROM_NUMBER_WITH_IDD
}

func valid(e164 string) bool {
	n, err := phonenumbers.Parse(e164, "ZZ")
	return err == nil && phonenumbers.IsValidNumber(n)
}

func validIn(digits, country string) bool {
	n, err := phonenumbers.Parse(digits, country)
	return err == nil && phonenumbers.IsValidNumberForRegion(n, country)
}

// lettered returns the error of a number with letters. Its hint never replaces letters by
// digits, as they may be anything: an O typed for a 0, a word, a name.
func lettered(written, text, country string) error {
	e := &Error{Problem: fmt.Sprintf("%q has letters: chertd compares the digits of a number", written), Hint: "write it with digits alone"}
	if n := scan(text); !n.plus && len(n.digits) < leastShort {
		e.Problem, e.Hint = none(written), ""
	}
	at := remark.FindStringSubmatchIndex(text)
	if at == nil || strings.Trim(text[at[2]:at[3]], "OoIilSsBZ .:") == "" {
		return e // O for 0, l for 1
	}
	if h, err := number(text[:at[0]], text[:at[0]], country); err == nil {
		e.Problem = fmt.Sprintf("%q has text after the number", written)
		e.Hint = fmt.Sprintf("write %q", h.Text)
	}
	return e
}

// example returns the most likely way to write these digits.
func example(digits, country string) string {
	type reading struct{ number, region string }
	readings := []reading{{"+" + digits, "ZZ"}}
	if len(digits) == len("4155551234") {
		readings = append([]reading{{digits, "US"}}, readings...)
	}
	if country != "" {
		readings = append([]reading{{digits, country}}, readings...)
	}
	for _, as := range readings {
		n, err := phonenumbers.Parse(as.number, as.region)
		if err == nil && phonenumbers.IsValidNumber(n) {
			return fmt.Sprintf("%q", phonenumbers.Format(n, phonenumbers.E164))
		}
	}
	return "it with + and the country's code"
}

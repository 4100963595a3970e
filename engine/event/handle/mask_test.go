package handle

import (
	"strings"
	"testing"
)

func TestMaskHidesNumbersAndAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"+14155550123":                    "+1•••0123",
		"from +1 (415) 555-0123, twice":   "from +1•••0123, twice",
		"+44 20 7946 0958 wrote":          "+4•••0958 wrote",
		"+4912345":                        "+4•••45",
		"POST /chats/%2B14155550123/read": "POST /chats/+1•••0123/read",
		"a+14155550123b, +14155550124":    "a+1•••0123b, +1•••0124",
		"ann.lee+x@example.com: no":       "•••@example.com: no",
		"<jörg@straße.example> a@b.co":    "<•••@straße.example> •••@b.co",
		"+123456789012345678":             "+1•••2345678",      // longer than a number: what is left names nobody
		"online: +14155550123":            "online: +1•••0123", // who is online is not a phone line
		"the hotline +14155550123 or offline, airlines +14155550124": "the hotline +1•••0123 or offline, airlines +1•••0124",
		"GET /x?of=ann.lee%40example.com&n=+14155550123":             "GET /x?of=•••%40example.com&n=+1•••0123",
		"a@b.co%40example.com @x%40y.co":                             "•••@b.co%40example.com @•••%40y.co",

		// Nothing of these is masked.
		`"line":"+14155550100", phone_line=+14155550101`: "",
		"lines +14155550100":                             "",
		"20%40, a%40b":                                   "",
		"2026-01-05T12:00:00+01:00":                      "",
		"1e+10, a+b, 3 + 4":                              "",
		"line=+14155550100":                              "",
		"chertd forget --line +14155550100":              "",
		`mark-read on line "+14155550100"`:               "",
		"14155550123 bytes":                              "",
		"chertd@host, @, user@, @example.com,":           "",
		"100%2":                                          "",
	} {
		if want == "" {
			want = text
		}
		if got := Mask(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestMaskDigitsTakesAnyNotation(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"(415) 555-0123": "•••0123", "+1 415 555 0123": "+1•••0123", "14155550123": "•••0123", "1234567": "•••67", "72345": "•••", "": "•••",
	} {
		if got := MaskDigits(number); got != want {
			t.Errorf("%q becomes %q, want %q", number, got, want)
		}
	}
}

// FuzzMask: a number with + does not survive, whatever is around it, and masking again changes nothing.
func FuzzMask(f *testing.F) {
	f.Add("from ", " wrote")
	f.Add("a@b.co +", "@example.com")
	f.Add("%2B1", "%2")
	f.Fuzz(func(t *testing.T, before, after string) {
		if namesLine(before) {
			return
		}
		got := Mask(before + "+14155550123" + after)
		if strings.Contains(got, "14155550123") {
			t.Errorf("%q", got)
		}
		_ = Mask(got)
	})
}

package handle

import (
	"errors"
	"strings"
	"testing"
)

func TestMember(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ written, country, want, problem string }{
		{"+14155550100", "", "+14155550100", ""},
		{" +1 (415) 555-0100 ", "", "+14155550100", ""},
		{"(415) 555-0100", "US", "+14155550100", ""},
		{"(415) 555-0100", "", "", "(415) 555-0100"},
		{"Bob@Example.com", "", "bob@example.com", ""},
		{"bob@@example.com", "", "", "bob@@example.com"},
		{"1.41556E+10", "", "", "spreadsheet"},
		{"72000", "", "72000", ""},
		{"12", "", "", "12"},
		{"+1415555010", "", "", "+1415555010"},
		{"tel:nobody", "", "", "nobody"},
		{"c1", "", "c1", ""},
		{" Chat One ", "", "Chat One", ""},
		{"7f3b1c52-0d4e-4c8a-9a43-6a1f0e9d2b11", "", "7f3b1c52-0d4e-4c8a-9a43-6a1f0e9d2b11", ""},
		{"12345678-1234-1234-1234-123456789012", "US", "12345678-1234-1234-1234-123456789012", ""},
		{"ACME", "", "ACME", ""},
		{"1-800-FLOWERS", "", "", "1-800-FLOWERS"},
		{"(415) 555-HELP", "US", "", "(415) 555-HELP"},
		{"+1 800 FLOWERS", "", "", "+1 800 FLOWERS"},
		{"a1b2c3d4-0d4e-4c8a-9a43-6a1f0e9d2b11", "", "a1b2c3d4-0d4e-4c8a-9a43-6a1f0e9d2b11", ""},
		{"415-555-chat", "", "415-555-chat", ""},
		{"", "", "", "empty"},
		{"a\nb", "", "", "control"},
		{"a\xff", "", "", "UTF-8"},
		{strings.Repeat("x", 513), "", "", "at most 512"},
		{strings.Repeat("x", 512), "", strings.Repeat("x", 512), ""},
	} {
		got, err := Member(c.written, c.country)
		var e *Error
		if got != c.want || (err != nil) != (c.problem != "") || err != nil && (!errors.As(err, &e) || !strings.Contains(err.Error(), c.problem)) {
			t.Errorf("Member(%.40q, %q) is %.40q, %v; want %.40q, %q", c.written, c.country, got, err, c.want, c.problem)
		}
	}
}

// What is stored is what an event with the same sender or chat looks up, however either
// is written.
func FuzzMember(f *testing.F) {
	for _, c := range handleCases(f) {
		f.Add(c.written, c.country)
	}
	f.Add("12345678-1234-1234-1234-123456789012", "US")
	f.Fuzz(func(t *testing.T, s, country string) {
		m, err := Member(s, country)
		if err != nil {
			return
		}
		r := NewReader(country)
		if got := r.Member(s); got != m {
			t.Errorf("%q is stored as %q and looked up as %q", s, m, got)
		}
		if got := r.Member(m); got != m {
			t.Errorf("%q is stored, and looked up as %q", m, got)
		}
		if again, err := Member(m, country); err != nil || again != m {
			t.Errorf("%q is stored, and becomes %q, %v", m, again, err)
		}
	})
}

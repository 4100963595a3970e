package handle

import (
	"bufio"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type handleCase struct {
	line             int
	country, written string
	kind, want, hint string
}

// handleCases reads testdata/handles.txt.
func handleCases(t testing.TB) []handleCase {
	t.Helper()
	f, err := os.Open("testdata/handles.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []handleCase
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		if lines.Text() == "" || strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		part := strings.SplitN(lines.Text(), "|", 4)
		if len(part) != 4 {
			t.Fatalf("testdata/handles.txt:%d: expected four columns", n)
		}
		written, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.TrimPrefix(strings.TrimRight(part[1], " "), " "), `"`, `\"`) + `"`)
		if err != nil {
			t.Fatalf("testdata/handles.txt:%d: %v", n, err)
		}
		c := handleCase{line: n, country: strings.Trim(part[0], " -"), written: written, kind: strings.TrimSpace(part[2]), want: strings.TrimSpace(part[3])}
		if c.kind == "error" {
			c.want, c.hint, _ = strings.Cut(c.want, " / ")
		}
		all = append(all, c)
	}
	return all
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range handleCases(t) {
		h, err := Parse(c.written, c.country)
		if c.kind != "error" {
			if err != nil || string(h.Kind) != c.kind || h.Text != c.want {
				t.Errorf("handles.txt:%d: %q: got %s %q, %v, want %s %q", c.line, c.written, h.Kind, h.Text, err, c.kind, c.want)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Problem, c.want) || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("handles.txt:%d: %q: got %s %q, error %v, hint of %+v, want …%s… and hint …%s…", c.line, c.written, h.Kind, h.Text, err, e, c.want, c.hint)
		}
	}
}

// What Parse accepts is its own canonical form, with and without a country.
func TestCanonicalFormsStay(t *testing.T) {
	t.Parallel()
	for _, c := range handleCases(t) {
		if c.kind == "error" {
			continue
		}
		if h, err := Parse(c.want, c.country); err != nil || string(h.Kind) != c.kind || h.Text != c.want {
			t.Errorf("handles.txt:%d: %q: got %s %q, %v", c.line, c.want, h.Kind, h.Text, err)
		}
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, country, want string
		kind              Kind
	}{
		{"+14155551234", "", "+14155551234", Phone},
		{"+1 (415) 555-1234", "", "+14155551234", Phone},
		{"415-555-1234", "", "4155551234", Phone},
		{"415-555-1234", "US", "+14155551234", Phone},
		{"+541115 12345678", "", "+5491112345678", Phone},
		{"+1 555", "", "+1555", Phone}, // can be no number, and compares as it came
		{"+9", "", "+9", Phone},
		{"5551234", "US", "5551234", Phone},
		{"12345678", "", "12345678", ShortCode},
		{"22395", "US", "22395", ShortCode},
		{"12", "", "12", Other},
		{"Ann@Example.COM ", "", "ann@example.com", Email},
		{"ann@localhost", "", "ann@localhost", Other},
		{"AMAZON", "", "amazon", Other},
		{"1-800-FLOWERS", "", "1-800-flowers", Other},
		{"1+2", "", "1+2", Other},
		{"++1", "", "++1", Other},
		{"-", "", "-", Other},
		{"", "", "", Other},
	}
	for _, tt := range tests {
		if got := Normalize(tt.in, tt.country); got != (Handle{tt.kind, tt.want}) {
			t.Errorf("Normalize(%q, %q) = %v, want %s %q", tt.in, tt.country, got, tt.kind, tt.want)
		}
	}
}

func TestNormalizeIsIdempotent(t *testing.T) {
	t.Parallel()
	anything := rapid.OneOf(rapid.String(), rapid.StringMatching(`[-+0-9 ().A-Za-z@\x{200e}\x{a0}]{0,20}`), rapid.StringMatching(`\+?[0-9]{6,15}`))
	countries := rapid.SampledFrom([]string{"", "US", "GB", "DE", "IT", "MX", "AR", "BR", "JP", "AU", "NO", "RU"})
	rapid.Check(t, func(t *rapid.T) {
		s, country := anything.Draw(t, "handle"), countries.Draw(t, "country")
		once := Normalize(s, country)
		if twice := Normalize(once.Text, country); twice.Text != once.Text {
			t.Fatalf("Normalize(%q, %q) = %q, and again %q", s, country, once, twice)
		}
		if read := NewReader(country).Read(s); read != once {
			t.Fatalf("Read(%q) = %v, Normalize %v", s, read, once)
		}
	})
}

// What canonical recognizes is what the library makes of it.
func TestCanonicalAgreesWithTheLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`\+1[2-9][0-9]{9}`).Draw(t, "number")
		if e164, reason := lookUp(s, "ZZ"); e164 != s {
			t.Fatalf("%s: %q, %s", s, e164, reason)
		}
		address := rapid.StringMatching(`[a-z0-9._+@-]{1,12}@[a-z0-9.@-]{1,12}`).Draw(t, "address")
		fast, ok := canonical(address)
		slow, err := email(address, address)
		if ok != (err == nil) || ok && fast != slow {
			t.Fatalf("%s: %v %t, %v %v", address, fast, ok, slow, err)
		}
	})
}

func TestReaderCaches(t *testing.T) {
	r := NewReader("US")
	for _, s := range []string{"+14155551234", "ann@example.com", "+4915112345678", "(415) 555-1234", "AMAZON"} {
		want := r.Read(s)
		if n := testing.AllocsPerRun(100, func() {
			if r.Read(s) != want {
				t.Errorf("%s is read in another way", s)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations, want none", s, n)
		}
	}
	long := strings.Repeat("x", longHandle+1)
	if got := r.Read(long); got.Text != long {
		t.Errorf("a long handle: %q", got.Text)
	}
}

func TestHasNumbers(t *testing.T) {
	t.Parallel()
	for country, want := range map[string]bool{"US": true, "GB": true, "DE": true, "": false, "us": false, "UK": false, "USA": false, "XX": false, "001": false, "+1": false} {
		if HasNumbers(country) != want {
			t.Errorf("%q: got %v", country, !want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range handleCases(f) {
		f.Add(c.written, c.country)
	}
	f.Fuzz(func(t *testing.T, s, country string) {
		if !HasNumbers(country) {
			country = ""
		}
		h, err := Parse(s, country)
		var e *Error
		switch {
		case err != nil && (!errors.As(err, &e) || e.Problem == "" || h.Text != "" && !e.NoCountry):
			t.Errorf("Parse(%q, %q): %v, %v", s, country, h, err)
		case err == nil && (h.Kind == Other || h.Text == ""):
			t.Errorf("Parse(%q, %q): %v without an error", s, country, h)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for name, s := range map[string]string{"north america": "+14155551234", "elsewhere, seen before": "+4915112345678", "short code": "22395", "address": "ann@example.com"} {
		b.Run(name, func(b *testing.B) {
			r := NewReader("US")
			for b.Loop() {
				r.Read(s)
			}
		})
	}
	b.Run("elsewhere, by the library", func(b *testing.B) {
		for b.Loop() {
			Normalize("+4915112345678", "US")
		}
	})
}

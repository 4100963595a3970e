package diag

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestVisible(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"Grüße, 认证码 👋🏽 ❤\ufe0f", "Grüße, 认证码 👋🏽 ❤\ufe0f"},
		{"wide\u3000and\u00a0narrow", "wide\u3000and\u00a0narrow"},
		{"a\x1b[31mb", `a\x1b[31mb`},
		{"a\r\nb\tc\x00\x7f", `a\r\nb\tc\x00\x7f`},
		{"\u0085\u009b", `\u0085\u009b`},
		{"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c", `\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c`},
		{"\u2028\u2029", `\u2028\u2029`},
		{"\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u3164\u115f", `\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u3164\u115f`},
		{"\U000e0041\U000e0100", `\U000e0041\U000e0100`},
		{"\ue000\uffff", `\ue000\uffff`},
		{"a\xff\xc3b\xe2\x80", `a\xff\xc3b\xe2\x80`},
		{"\ufffd", "\ufffd"},
		{`C:\new`, `C:\new`},
	} {
		if got := Visible(tt.in); got != tt.want {
			t.Errorf("Visible(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	if got := VisibleLines("a\n\tb\r\x1b"); got != "a\n\tb\\r\\x1b" {
		t.Errorf("VisibleLines: %q", got)
	}
}

func TestVisibleProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { checkVisible(t, rapid.String().Draw(t, "text")) })
}

func FuzzVisible(f *testing.F) {
	for _, s := range []string{"", "a\x1bb", "\u202e", "\xff", "\U000e0041", `\x1b`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkVisible(t, s) })
}

func checkVisible(t interface {
	Helper()
	Fatalf(string, ...any)
}, s string) {
	t.Helper()
	shown := Visible(s)
	if !utf8.ValidString(shown) || strings.ContainsFunc(shown, Hidden) || strings.ContainsFunc(shown, unicode.IsControl) {
		t.Fatalf("Visible(%q) = %q", s, shown)
	}
	if again := Visible(shown); again != shown {
		t.Fatalf("Visible(%q) = %q, and once more %q", s, shown, again)
	}
	raw, err := json.Marshal([]string{s})
	if err != nil {
		t.Fatalf("marshal %q: %v", s, err)
	}
	safe := VisibleJSON(raw)
	if bytes.ContainsFunc(safe, Hidden) {
		t.Fatalf("VisibleJSON of %q is %q", raw, safe)
	}
	var before, after []string
	if json.Unmarshal(raw, &before) != nil || json.Unmarshal(safe, &after) != nil || before[0] != after[0] {
		t.Fatalf("VisibleJSON of %q is %q, which decodes to %q", raw, safe, after)
	}
}

func TestVisibleLeavesVisibleTextAlone(t *testing.T) {
	text, doc := "Grüße, your code is 42", []byte(`{"text":"plain"}`)
	if n := testing.AllocsPerRun(100, func() { Visible(text); VisibleJSON(doc) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

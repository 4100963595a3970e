package event

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestFold(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"nothing to do", "your code is 424242", "your code is 424242"},
		{"empty", "", ""},
		{"case", "Your CODE", "your code"},
		{"full case folding", "STRASSE Straße", "strasse strasse"},
		{"runs of space", "a  b\t\n c\r\nd", "a b c d"},
		{"each kind of space", "a\tb\nc\vd\fe\rf g", "a b c d e f g"},
		{"space at the ends stays, as one", "  a  ", " a "},
		{"no-break and wide spaces", "a\u00a0\u2003b\u3000c\u2028d", "a b c d"},
		{"curly quotes", "Don’t say “code” ‘now’", `don't say "code" 'now'`},
		{"letter apostrophe", "donʼt", "don't"},
		{"zero width", "co\u200bd\u200ce\u2060\ufeff", "code"},
		{"soft hyphen", "verifi\u00adcation", "verification"},
		{"direction marks", "\u202a+1 415\u202c \u200e\u2066x\u2069", "+1 415 x"},
		{"variation selectors", "❤\ufe0f ❤", "❤ ❤"},
		{"joined emoji", "👩\u200d💻", "👩💻"},
		{"grapheme joiner", "c\u034fode", "code"},
		{"hangul fillers", "a\u3164b\uffa0c\u115f", "abc"},
		{"tags", "a\U000e0041b", "ab"},
		{"control characters", "a\x00b\x1bc\x7fd\u0081", "abcd"},
		{"full width", "ＣＯＤＥ １２３", "code 123"},
		{"mathematical letters", "𝐜𝐨𝐝𝐞", "code"},
		{"ligature", "ﬁne", "fine"},
		{"decomposed accents", "cafe\u0301", "café"},
		{"accents over an invisible", "e\u200b\u0301", "é"},
		{"space between removed characters", "a \u200b b", "a b"},
		{"arabic number sign is seen", "\u0600", "\u0600"},
		{"not valid UTF-8", "a\xffb", "a\ufffdb"},
	}
	for _, tt := range tests {
		if got := Fold(tt.in); got != tt.want {
			t.Errorf("%s: Fold(%q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
}

func TestFoldProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { checkFold(t, rapid.String().Draw(t, "text")) })
}

// The pathological case of normalisation: more marks than it composes in one step.
func TestFoldManyMarks(t *testing.T) {
	t.Parallel()
	for _, mark := range []string{"\u0301", "\u0323\u0301", "\u0345", "\u0308\u0301\u0345", "\u3099"} {
		for n := range 70 {
			checkFold(t, "a"+strings.Repeat(mark, n)+"Ω"+strings.Repeat(mark, n))
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"", "Code", "don’t", "e\u200b\u0301", "ﬁ\u00adNE", "\u0345Α", "a\xffb", "ᾳ\u034f", strings.Repeat("\u0315\u0301", 40)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkFold(t, s) })
}

// checkFold holds a text to what Fold promises of every text.
func checkFold(t interface {
	Helper()
	Fatalf(string, ...any)
}, s string) {
	t.Helper()
	folded := Fold(s)
	if again := Fold(folded); again != folded {
		t.Fatalf("Fold(%q) = %q, and folded again %q", s, folded, again)
	}
	if !utf8.ValidString(folded) {
		t.Fatalf("Fold(%q) = %q is not valid UTF-8", s, folded)
	}
	if strings.Contains(folded, "  ") {
		t.Fatalf("Fold(%q) = %q has a run of spaces", s, folded)
	}
	for _, r := range folded {
		if r != ' ' && (unicode.IsSpace(r) || unicode.IsControl(r) || invisible(r)) {
			t.Fatalf("Fold(%q) = %q has %U", s, folded, r)
		}
	}
}

func TestFoldLeavesFoldedTextAlone(t *testing.T) {
	s := "your verification code is 424242, don't share it"
	if n := testing.AllocsPerRun(100, func() { Fold(s) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkFold(b *testing.B) {
	for _, bm := range []struct{ name, text string }{
		{"folded", "your verification code is 424242, don't share it"},
		{"ascii", "Your verification code is 424242, don't share it"},
		{"quotes", "Your verification code is 424242, don’t share it 👍"},
		{"japanese", "認証コードは４２４２４２です。誰にも教えないでください"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Fold(bm.text)
			}
		})
	}
}

// What one sender writes must not cost everyone's time: a text beyond what is
// normalised is folded by its bytes.
func TestFoldOfHugeText(t *testing.T) {
	t.Parallel()
	if got := len(Fold(strings.Repeat("ﷺ", 350_000))); got > 2_000_000 {
		t.Errorf("1 MB of U+FDFA folds to %d bytes", got)
	}
	long := strings.Repeat("Ein  Wort, das “niemand” sagt. ", 4000)
	if want := strings.Repeat(`ein wort, das "niemand" sagt. `, 4000); Fold(long) != want {
		t.Errorf("a long text folds to %q…", Fold(long)[:60])
	}
}

func BenchmarkFoldHuge(b *testing.B) {
	huge := strings.Repeat("ﷺ", 350_000)
	for b.Loop() {
		Fold(huge)
	}
}

// ASCII is folded by code of its own, up to the first byte that is not ASCII, valid
// UTF-8 or not. The result is the same as for any other text.
func TestFoldOfASCIIIsThatOfAnyText(t *testing.T) {
	t.Parallel()
	for a := range byte(utf8.RuneSelf + 1) {
		for b := range byte(utf8.RuneSelf + 1) {
			for _, s := range []string{string([]byte{a, b}), string([]byte{'x', a, b, 'Y'})} {
				if got, want := Fold(s), foldUnicode(s); got != want {
					t.Fatalf("Fold(%q) = %q, as any text %q", s, got, want)
				}
			}
		}
	}
}

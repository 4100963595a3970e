package event

import (
	"testing"

	"pgregory.net/rapid"
)

func TestNormalizeHandle(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"+14155551234", "+14155551234"},
		{"+1 (415) 555-1234", "+14155551234"},
		{" +1.415.555.1234 ", "+14155551234"},
		{"(+1) 415/555 1234", "+14155551234"},
		{"+1\u00a0415\u2011555\u20131234", "+14155551234"},
		{"\u202a+1 415 555 1234\u202c", "+14155551234"},
		{"＋１４１５", "+1415"},
		{"415-555-1234", "4155551234"},
		{"22395", "22395"},
		{"Ann@Example.COM ", "ann@example.com"},
		{"ÄNN@example.com", "änn@example.com"},
		{"AMAZON", "amazon"},
		{"1-800-FLOWERS", "1-800-flowers"},
		{"1+2", "1+2"},
		{"++1", "++1"},
		{"-", "-"},
		{"", ""},
	}
	for _, tt := range tests {
		if got := NormalizeHandle(tt.in); got != tt.want {
			t.Errorf("NormalizeHandle(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestNormalizeHandleTwice(t *testing.T) {
	t.Parallel()
	anything := rapid.OneOf(rapid.String(), rapid.StringMatching(`[-+0-9 ().A-Za-z@\x{200e}\x{a0}]{0,20}`))
	rapid.Check(t, func(t *rapid.T) {
		s := anything.Draw(t, "handle")
		once := NormalizeHandle(s)
		if twice := NormalizeHandle(once); twice != once {
			t.Fatalf("NormalizeHandle(%q) = %q, and again %q", s, once, twice)
		}
	})
}

func TestNormalizeHandleLeavesNormalizedAlone(t *testing.T) {
	for _, s := range []string{"+14155551234", "ann@example.com"} {
		if n := testing.AllocsPerRun(100, func() { NormalizeHandle(s) }); n != 0 {
			t.Errorf("%s: %v allocations, want none", s, n)
		}
	}
}

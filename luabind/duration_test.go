package luabind

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "5m": 5 * time.Minute, "2h": 2 * time.Hour, "1d": 24 * time.Hour,
		"1h30m": 90 * time.Minute, "1d 12h": 36 * time.Hour, "1.5h": 90 * time.Minute, "0": 0, "0s": 0,
		"90": 90 * time.Second, "0.5": 500 * time.Millisecond, "250ms": 250 * time.Millisecond,
		" 10s ": 10 * time.Second, "366d": MaxDuration, "0.1s": 100 * time.Millisecond,
	} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"":                                 "is empty: expected seconds, or a string like",
		"-5m":                              "is negative",
		"-5":                               "is negative",
		"5 minutes":                        `not understood`,
		"5min":                             `unknown unit "min"`,
		"5M":                               `unknown unit "M"`,
		"m":                                "not understood",
		"5m30":                             "not understood",
		"30m1h":                            "units out of order",
		"1h1h":                             "units out of order",
		"367d":                             "too long: at most 366d",
		"366d1ms":                          "too long",
		"1e9":                              `unknown unit "e"`,
		"99999999":                         "too long: it is in seconds",
		"inf":                              "not understood",
		"0x10":                             `unknown unit "x"`,
		"1.2.3s":                           "not understood",
		"9999999999999999999999999999999d": "too long",
	} {
		if got, err := ParseDuration(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseDuration(%q) = %v, %v; want an error with %q", s, got, err, want)
		}
	}
	for _, n := range []float64{-1, math.NaN(), math.Inf(1), math.Inf(-1), 366*86400 + 1} {
		if got, err := secondsDuration(n); err == nil {
			t.Errorf("secondsDuration(%v) = %v, want an error", n, got)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"90s", "1h30m", "1.5h", "-5", "366d", "1d2h3m4s5ms"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err == nil && (d < 0 || d > MaxDuration) {
			t.Errorf("ParseDuration(%q) = %v, out of bounds", s, d)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("the error for %d bytes has %d", len(s), len(err.Error()))
		}
	})
}

package diag

import (
	"math"
	"testing"
	"time"
)

func TestDurationsForPeople(t *testing.T) {
	for _, test := range []struct {
		d            time.Duration
		exact, about string
	}{
		{0, "0s", "0s"},
		{-90 * time.Second, "-1m30s", "0s"},
		{300 * time.Nanosecond, "300ns", "1µs"},
		{85400 * time.Nanosecond, "85.4µs", "85µs"},
		{2840 * time.Microsecond, "2.84ms", "2.8ms"},
		{74600 * time.Microsecond, "74.6ms", "75ms"},
		{5320 * time.Millisecond, "5.32s", "5.3s"},
		{30 * time.Second, "30s", "30s"},
		{59990 * time.Millisecond, "59.99s", "1m"},
		{time.Minute, "1m", "1m"},
		{90 * time.Second, "1m30s", "1m30s"},
		{time.Minute + 500*time.Millisecond, "1m0.5s", "1m"},
		{time.Hour, "1h", "1h"},
		{time.Hour + 5*time.Second, "1h5s", "1h"},
		{90 * time.Minute, "1h30m", "1h30m"},
		{4*time.Hour + 34*time.Minute + time.Second, "4h34m1s", "4h34m"},
		{20 * time.Hour, "20h", "20h"},
		{24 * time.Hour, "1d", "1d"},
		{48*time.Hour + time.Minute, "2d1m", "2d"},
		{88 * time.Hour, "3d16h", "3d16h"},
		{400 * 24 * time.Hour, "400d", "400d"},
		{math.MaxInt64, "106751d23h47m16.854775807s", "106751d23h"},
	} {
		if got := Duration(test.d); got != test.exact {
			t.Errorf("Duration(%v) is %q, want %q", test.d, got, test.exact)
		}
		if got := About(test.d); got != test.about {
			t.Errorf("About(%v) is %q, want %q", test.d, got, test.about)
		}
	}
	if got := Duration(math.MinInt64); got == "" {
		t.Error("the least duration has no words")
	}
}

package chat

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		attempt int
		jitter  float64
		want    time.Duration
	}{
		{1, 0, 500 * time.Millisecond}, {1, 1, time.Second}, {2, 1, 2 * time.Second},
		{3, 0.5, 3 * time.Second}, {9, 1, 256 * time.Second}, {10, 1, backoffMax}, {5000, 1, backoffMax},
	} {
		if got := Backoff(tc.attempt, tc.jitter); got != tc.want {
			t.Errorf("attempt %d jitter %v: %v, want %v", tc.attempt, tc.jitter, got, tc.want)
		}
	}
}

package main

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// The process ends in a bounded time, whatever hangs; and not before.
func TestStoppingIsBounded(t *testing.T) {
	for _, test := range []struct {
		name     string
		endsIn   time.Duration // the daemon; 0: never
		overdue  bool
		exitsAt  time.Duration
		patience time.Duration
	}{
		{"in time", 9 * time.Second, false, 0, 10 * time.Second},
		{"never", 0, true, 10 * time.Second, 10 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended, began := make(chan struct{}), time.Now()
				if test.endsIn > 0 {
					time.AfterFunc(test.endsIn, func() { close(ended) })
				}
				exited := false
				endOverdue(ended, test.patience, slog.New(slog.DiscardHandler), func(code int) {
					exited = true
					if took := time.Since(began); code != exitFailure || took != test.exitsAt {
						t.Errorf("exit %d after %v", code, took)
					}
				})
				if exited != test.overdue {
					t.Errorf("exited: %t, want %t", exited, test.overdue)
				}
			})
		})
	}
}

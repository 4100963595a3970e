package system

import (
	"time"

	"golang.org/x/sys/unix"
)

// Monotonic returns the time of the clock that service managers compare times by
// (CLOCK_MONOTONIC); 0: it is not known.
func Monotonic() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

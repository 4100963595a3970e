//go:build !linux

package system

import "time"

// Monotonic returns 0: no service manager of this system compares times.
func Monotonic() time.Duration { return 0 }

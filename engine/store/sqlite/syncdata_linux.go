package sqlite

import (
	"errors"
	"os"
	"syscall"
)

// syncData makes durable what was written to a file, with its size.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

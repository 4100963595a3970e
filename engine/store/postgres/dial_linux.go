package postgres

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// limitSilence bounds how long what was sent may stay without an acknowledgement (tcp(7)).
func limitSilence(network, _ string, c syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silentFor.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}

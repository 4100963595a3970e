//go:build !linux

package postgres

import "syscall"

// limitSilence does nothing where the kernel has no such limit: only keepalive ends the connection.
func limitSilence(string, string, syscall.RawConn) error { return nil }

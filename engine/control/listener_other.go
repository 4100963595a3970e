//go:build !linux

package control

import "net"

// listenerOf returns 0: which process listens on the socket is known on Linux only.
func listenerOf(net.Conn) int { return 0 }

// userOf knows nobody: which user a connection is of is known on Linux only.
func userOf(net.Conn) (uid int, known bool) { return 0, false }

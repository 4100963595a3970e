//go:build !linux

package control

import "net"

// listenerOf returns 0: which process listens on the socket is known on Linux only.
func listenerOf(net.Conn) int { return 0 }

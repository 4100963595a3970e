package control

import (
	"net"
	"syscall"
)

// listenerOf returns the id of the process that listens on the socket of a connection; 0: not
// known.
func listenerOf(conn net.Conn) (pid int) {
	if cred := credentialsOf(conn); cred != nil {
		return int(cred.Pid)
	}
	return 0
}

// userOf returns the id of the user of the process on the other end of a socket's connection.
func userOf(conn net.Conn) (uid int, known bool) {
	if cred := credentialsOf(conn); cred != nil {
		return int(cred.Uid), true
	}
	return 0, false
}

// credentialsOf returns those of the process on the other end, when the connection was made; nil:
// they are not known.
func credentialsOf(conn net.Conn) (cred *syscall.Ucred) {
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return nil
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) { // if it fails, they are not known
		if c, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			cred = c
		}
	})
	return cred
}

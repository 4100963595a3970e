package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"chertd/engine/system"
	"chertd/luabind/diag"
)

// maxSocketPath is the longest path of a socket on Linux (sun_path, without its final
// zero byte). Other systems have a lower limit, and report it themselves.
const maxSocketPath = 107

// elsewhere is a hint.
const elsewhere = "set control.socket to a path in a folder that chertd can write to"

// SocketError is the reason why a control socket can't be opened, and the fix.
type SocketError struct {
	Path  string
	Why   string
	InUse bool // another process listens on it
	hint  string
	err   error // of the system; nil: none
}

// Unwrap returns the error of the system; nil: there was none.
func (e *SocketError) Unwrap() error { return e.err }

// socketError returns the SocketError of an error of the system.
func socketError(path string, err error, why string) *SocketError {
	return &SocketError{Path: path, Why: why, hint: cmp.Or(diag.OpenFilesHint(err), elsewhere), err: err}
}

func (e *SocketError) Error() string { return "open the control socket " + e.Path + ": " + e.Why }

// Hint returns what to do about it.
func (e *SocketError) Hint() string { return e.hint }

// Listen opens a socket that only the daemon's user can use: it has mode 0600 from the
// beginning. A missing folder is created with mode 0700. A socket that an ended process
// has left is replaced; one on which another process listens is an error. Closing the
// listener removes the socket.
func Listen(path string) (net.Listener, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, socketError(path, err, err.Error())
	}
	if len(path) > maxSocketPath {
		return nil, &SocketError{Path: path, Why: fmt.Sprintf("the path has %d bytes, the system allows %d", len(path), maxSocketPath), hint: "set control.socket to a shorter path"}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, socketError(path, err, err.Error())
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	// On Linux the file takes the mode of its descriptor. Other systems refuse this;
	// there the Chmod below makes it private.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(system.MakePrivate)
	}}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, socketError(path, err, err.Error())
	}
	u := l.(*net.UnixListener)
	u.SetUnlinkOnClose(false)
	s := &socket{UnixListener: u, path: path}
	if err = os.Chmod(path, 0o600); err == nil {
		s.file, err = os.Lstat(path)
	}
	if err != nil {
		u.Close()
		return nil, socketError(path, err, err.Error())
	}
	return s, nil
}

// removeStale removes a socket that nobody listens on any more.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return socketError(path, err, err.Error())
	}
	if info.Mode().Type() != fs.ModeSocket {
		return &SocketError{Path: path, Why: "the path exists but is not a socket", hint: "move the file away, or set control.socket to another path"}
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
	}
	if diag.OpenFilesHint(err) != "" {
		return socketError(path, err, err.Error())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return &SocketError{Path: path, Why: "another process listens on it", InUse: true, hint: "stop the other chertd, or give this one a control.socket of its own"}
	}
	if err := os.Remove(path); err != nil {
		return socketError(path, err, "remove the socket of an ended process: "+err.Error())
	}
	return nil
}

// socket is a listener that removes its own file, but not another of the same name.
type socket struct {
	*net.UnixListener
	path string
	file fs.FileInfo
}

// Accept returns a connection whose remote address is the user of the other process, as far as the
// system knows it.
func (s *socket) Accept() (net.Conn, error) {
	c, err := s.UnixListener.Accept()
	if err != nil {
		return nil, err
	}
	if uid, known := userOf(c); known {
		return peerConn{c, peerAddr(uid)}, nil
	}
	return c, nil
}

// peerConn is a connection of a process of a known user.
type peerConn struct {
	net.Conn
	peer peerAddr
}

// RemoteAddr implements net.Conn.
func (c peerConn) RemoteAddr() net.Addr { return c.peer }

func (s *socket) Close() error {
	if info, err := os.Lstat(s.path); err == nil && os.SameFile(info, s.file) {
		_ = os.Remove(s.path) // the next start replaces what is left
	}
	return s.UnixListener.Close()
}

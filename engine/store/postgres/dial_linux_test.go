package postgres

import (
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

// The kernel ends a connection to a server that is no longer there.
func TestConnectionsLimitSilence(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config, err := pgx.ParseConfig("postgres://u@localhost/d")
	if err != nil {
		t.Fatal(err)
	}
	setNetwork(config)
	c, err := config.DialFunc(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var limit, keepalive int
	err = raw.Control(func(fd uintptr) {
		limit, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		keepalive, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
	})
	if err != nil || int64(limit) != silentFor.Milliseconds() || keepalive == 0 || config.ConnectTimeout != connectFor {
		t.Errorf("silence %d ms, keepalive %d, connect in %s, %v", limit, keepalive, config.ConnectTimeout, err)
	}
}

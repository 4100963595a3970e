package chert

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
)

// ErrStopped is the cause of an Error of a call that its last look has stopped: Chert has
// received nothing of it.
var ErrStopped = errors.New("stopped before the request was written")

type lastLookKey struct{}

// WithLastLook returns a context for calls that look a last time whether they are still to be
// made: stop is called when a call has its connection, which may take seconds, right before
// its request is written. If stop returns true nothing is written, and the call fails with
// ErrStopped. It needs a transport that reports its connections, as the default one does.
func WithLastLook(ctx context.Context, stop func() bool) context.Context {
	return context.WithValue(ctx, lastLookKey{}, stop)
}

func lastLookOf(ctx context.Context) func() bool {
	stop, _ := ctx.Value(lastLookKey{}).(func() bool)
	return stop
}

// conn is a connection on which nothing more is written once it is cut.
type conn struct {
	net.Conn
	cut atomic.Bool
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	if c.cut.Load() {
		return 0, ErrStopped
	}
	return c.Conn.Write(b)
}

// cut makes a connection unusable that a call has for itself. That of HTTP/2 is shared; there
// the end of the call's context is enough, as it is looked at before a request is written.
func cut(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		if t.ConnectionState().NegotiatedProtocol == "h2" {
			return
		}
		c = t.NetConn()
	}
	if own, ok := c.(*conn); ok {
		own.cut.Store(true)
	}
}

// dialing returns a function that dials connections that can be cut.
func dialing(d *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: c}, nil
	}
}

package postgres

import (
	"net"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// connectFor is how long a connection to one address may take, unless the URL has
	// connect_timeout.
	connectFor = 5 * time.Second
	// silentFor is about how long a server that answers nothing, as its machine or the network has
	// failed, is waited for. The kernel's default is a quarter of an hour, and COMMIT is never
	// interrupted.
	silentFor = 10 * time.Second
)

// setNetwork lets connections end soon after the other side is no longer there.
func setNetwork(c *pgx.ConnConfig) {
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectFor
	}
	d := &net.Dialer{
		Timeout:         c.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silentFor / 2, Interval: silentFor / 5, Count: 3},
		Control:         limitSilence,
	}
	c.DialFunc = d.DialContext
}

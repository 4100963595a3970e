package source

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// ServerConfig bounds a server. Zero fields take the defaults.
type ServerConfig struct {
	Handler  http.Handler
	MaxConns int // open connections, further ones wait to be accepted; default 512
	InFlight int // requests being answered, further ones get 503; default 256
	Log      *slog.Logger
}

// NewServer makes the server in which a Webhook, or any handler that strangers
// can reach, is served: slow and idle senders are cut off, and what is in
// flight is bounded. Serve it on a listener of LimitListener.
func NewServer(cfg ServerConfig) *http.Server {
	log := cmp.Or(cfg.Log, slog.Default())
	return &http.Server{
		Handler:           limitInFlight(cfg.Handler, cmp.Or(cfg.InFlight, 256)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// LimitListener wraps a listener so that at most n of its connections are open
// at once; 0 takes the default, 512.
func LimitListener(l net.Listener, n int) net.Listener {
	return &limitListener{
		Listener: l,
		slots:    make(chan struct{}, cmp.Or(n, 512)),
		closed:   make(chan struct{}),
	}
}

// limitInFlight answers 503 where waiting would only pile up: the sender tries
// again later, and what it sends then is read when there is room for it.
func limitInFlight(next http.Handler, n int) http.Handler {
	slots := make(chan struct{}, n)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(rw, r)
		default:
			unavailable(rw, "too many deliveries at once")
		}
	})
}

type limitListener struct {
	net.Listener
	slots  chan struct{} // one token an open connection
	once   sync.Once
	closed chan struct{} // closed by Close
}

func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: conn, release: func() { <-l.slots }}, nil
}

func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	once    sync.Once
	release func()
}

func (c *limitedConn) Close() error {
	defer c.once.Do(c.release)
	return c.Conn.Close()
}

package source

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// ServerConfig bounds a server. Zero fields take the defaults.
type ServerConfig struct {
	Handler   http.Handler
	MaxConns  int   // open connections; default 512
	MaxHeader int64 // bytes of a request's header; default 64 KiB
	// Refused, if set, is called with each status of 400 and more, and with the
	// beginning of its request: net/http answers some requests without the handler.
	Refused func(status int, head []byte)
	Log     *slog.Logger
}

// Server serves a Webhook. Strangers can reach it, so it closes the connections of slow
// and idle senders. The limit of headers can change while it serves: as an http.Server
// keeps the one that it began with, another one replaces it.
type Server struct {
	cfg   ServerConfig
	conns *Connections

	mu       sync.Mutex
	current  *http.Server
	stopped  bool
	listener net.Listener   // what Serve was given; nil: nothing yet
	retiring sync.WaitGroup // servers that were replaced, until their connections end
	retired  []*http.Server // the same, for Close
	arrivals chan arrival   // what was accepted
	closing  chan struct{}  // closed by Shutdown and Close
}

// arrival is the result of Accept of the listener.
type arrival struct {
	conn net.Conn
	err  error
}

// NewServer returns a Server and the bound of its connections. Serve it on a listener
// of Connections.Listener.
func NewServer(cfg ServerConfig) (*Server, *Connections) {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	c := NewConnections(cmp.Or(cfg.MaxConns, 512), cfg.Refused, cfg.Log)
	s := &Server{cfg: cfg, conns: c, arrivals: make(chan arrival), closing: make(chan struct{})}
	s.current = s.bounded(cfg.MaxHeader)
	return s, c
}

// bounded returns an http.Server with a limit of headers.
func (s *Server) bounded(maxHeader int64) *http.Server {
	h := &http.Server{
		Handler:           s.cfg.Handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    int(cmp.Or(maxHeader, 64<<10)),
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	s.conns.Bind(h)
	return h
}

// Serve serves the connections of a listener until Shutdown or Close, and then returns
// http.ErrServerClosed. Call it once.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	s.listener = l
	stopped := s.stopped
	s.mu.Unlock()
	if stopped {
		l.Close()
		return http.ErrServerClosed
	}
	var accepting sync.WaitGroup
	defer accepting.Wait()
	defer s.stop()
	accepting.Go(func() { s.accept(l) })
	for {
		s.mu.Lock()
		h := s.current
		s.mu.Unlock()
		err := h.Serve(&share{Listener: l, of: s, done: make(chan struct{})})
		s.mu.Lock()
		stopped := s.stopped
		s.mu.Unlock()
		switch {
		case stopped:
			return http.ErrServerClosed
		case !errors.Is(err, http.ErrServerClosed):
			return err
		}
	}
}

// accept passes connections to the current server.
func (s *Server) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		select {
		case s.arrivals <- arrival{conn, err}:
		case <-s.closing:
			if conn != nil {
				conn.Close()
			}
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// SetMaxHeader changes the limit of headers for new connections. Requests under way
// keep theirs.
func (s *Server) SetMaxHeader(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.current.MaxHeaderBytes == int(cmp.Or(bytes, 64<<10)) {
		return
	}
	old := s.current
	s.current = s.bounded(bytes)
	s.retired = append(s.retired, old)
	s.retiring.Go(func() {
		_ = old.Shutdown(context.Background()) // Close ends what takes too long
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, h := range s.retired {
			if h == old {
				s.retired = append(s.retired[:i], s.retired[i+1:]...)
				break
			}
		}
	})
}

// Shutdown stops accepting and waits for the requests under way, or for ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	h := s.stop()
	err := h.Shutdown(ctx)
	ended := make(chan struct{})
	go func() { s.retiring.Wait(); close(ended) }()
	select {
	case <-ended:
		return err
	case <-ctx.Done():
		s.closeRetired()
		<-ended
		return cmp.Or(err, ctx.Err())
	}
}

// Close closes all connections, also those with requests under way.
func (s *Server) Close() error {
	err := s.stop().Close()
	s.closeRetired()
	s.retiring.Wait()
	return err
}

// stop prevents that another server takes over, and returns the current one.
func (s *Server) stop() *http.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.closing)
		if s.listener != nil {
			s.listener.Close()
		}
	}
	return s.current
}

func (s *Server) closeRetired() {
	s.mu.Lock()
	retired := append([]*http.Server(nil), s.retired...)
	s.mu.Unlock()
	for _, h := range retired {
		h.Close()
	}
}

// share is the listener of one of the servers. Closing it leaves the listener open for
// the next server.
type share struct {
	net.Listener
	of   *Server
	once sync.Once
	done chan struct{}
}

func (l *share) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, net.ErrClosed
	default:
	}
	select {
	case a := <-l.of.arrivals:
		return a.conn, a.err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *share) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

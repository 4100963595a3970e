package source

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"chertd/luabind/diag"
)

// Connections bounds the open connections of a server. When there is no place for a
// new one, an old one is closed: the one that has been idle longest, or else the one
// whose request takes longest to arrive. A connection whose request has arrived, and
// is being stored or answered, is never closed.
//
// An idle connection is cheap to open again, and a slow one is rarely a sender's. A
// delivery that finds no place is lost.
type Connections struct {
	max     int
	grace   time.Duration // for which a request may arrive before its connection may be closed
	now     func() time.Time
	log     *slog.Logger
	refused func(status int, head []byte)

	mu     sync.Mutex
	open   map[*conn]bool
	freed  chan struct{} // signalled when a connection ends or becomes idle
	noFile time.Time     // when the process last had too many files open; zero: never
	logged time.Time     // when that was last logged
}

// arrivalGrace is how long a connection keeps its place while its request arrives. A
// request of Chert's takes some milliseconds.
const arrivalGrace = time.Second

// NewConnections returns a bound of n connections. refused, if not nil, is called
// with each status of 400 and more, and with the beginning of its request.
func NewConnections(n int, refused func(status int, head []byte), log *slog.Logger) *Connections {
	return &Connections{
		max: n, grace: arrivalGrace, now: time.Now, log: log, refused: refused,
		open: map[*conn]bool{}, freed: make(chan struct{}, 1),
	}
}

// phase is how far the request of a connection has come.
type phase int

const (
	fresh    phase = iota // no request has been made on it yet
	idle                  // between two requests
	arriving              // a part of a request has been read
	arrived               // all of it has been read, and it is being handled
)

// conn is a connection with a place.
type conn struct {
	net.Conn
	all *Connections

	// Guarded by all.mu.
	phase phase
	since time.Time
	head  []byte // how the current request begins
}

// headKept is how much of a request is kept in case net/http refuses it.
const headKept = 4 << 10

// Listener wraps the listener of the server.
func (c *Connections) Listener(l net.Listener) net.Listener {
	return &listener{Listener: l, all: c, closed: make(chan struct{})}
}

// Bind sets the hooks of a server that report how far requests have come. The handler
// should call HasArrived. Without that a request counts as arriving until it was
// answered.
func (c *Connections) Bind(s *http.Server) {
	s.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, nc)
	}
	s.ConnState = func(nc net.Conn, state http.ConnState) {
		if cn, ok := nc.(*conn); ok && state == http.StateIdle {
			cn.move(idle)
		}
	}
}

type connKey struct{}

// HasArrived notes that all of a request has been read, so that its connection is not
// closed to make room for a new one.
func HasArrived(r *http.Request) {
	if cn, ok := r.Context().Value(connKey{}).(*conn); ok {
		cn.move(arrived)
	}
}

// NoFiles returns when the process last had too many files open to accept a
// connection; zero: never.
func (c *Connections) NoFiles() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.noFile
}

// listener accepts a connection, and then makes a place for it.
type listener struct {
	net.Listener
	all    *Connections
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if diag.OpenFilesHint(err) != "" {
		l.all.outOfFiles(err)
	}
	if err != nil {
		return nil, err // net/http retries if that can help
	}
	cn := &conn{Conn: nc, all: l.all}
	if !l.all.place(cn, l.closed) {
		nc.Close()
		return nil, net.ErrClosed
	}
	return cn, nil
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// place gives a new connection a place. It waits while all places have requests that
// arrive or are handled. It returns false once closed is closed.
func (c *Connections) place(cn *conn, closed <-chan struct{}) bool {
	for {
		wait, ok := c.tryPlace(cn)
		if ok {
			return true
		}
		t := time.NewTimer(wait)
		select {
		case <-c.freed:
		case <-t.C:
		case <-closed:
			t.Stop()
			return false
		}
		t.Stop()
	}
}

// tryPlace gives a connection a place if one is free or another connection can be
// closed. Otherwise it returns how long to wait before the next try.
func (c *Connections) tryPlace(cn *conn) (wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if len(c.open) >= c.max {
		victim, in := c.victim(now, c.grace)
		if victim == nil {
			return in, false
		}
		c.end(victim)
	}
	cn.phase, cn.since = fresh, now
	c.open[cn] = true
	return 0, true
}

// victim returns the connection to close: an idle one, or one whose request has taken
// longer than grace. If there is none, it returns how long to wait before the next
// try.
func (c *Connections) victim(now time.Time, grace time.Duration) (victim *conn, in time.Duration) {
	in = c.grace
	for cn := range c.open {
		age := now.Sub(cn.since)
		switch {
		case cn.phase == arrived:
			continue
		case cn.phase != idle && age < grace:
			in = min(in, grace-age)
			continue
		}
		if victim == nil || cn.closesBefore(victim) {
			victim = cn
		}
	}
	return victim, in
}

// closesBefore orders connections to close: idle ones first, then the oldest.
func (cn *conn) closesBefore(other *conn) bool {
	if a, b := cn.phase == idle, other.phase == idle; a != b {
		return a
	}
	return cn.since.Before(other.since)
}

// end closes a connection to make room for another.
func (c *Connections) end(cn *conn) {
	delete(c.open, cn)
	cn.Conn.Close()
}

// outOfFiles closes a connection if it can, because the process has no file descriptor
// left for another, and logs that at most once a minute.
func (c *Connections) outOfFiles(err error) {
	c.mu.Lock()
	now := c.now()
	c.noFile = now
	if victim, _ := c.victim(now, 0); victim != nil {
		c.end(victim)
	}
	due := c.logged.IsZero() || now.Sub(c.logged) >= refusalEvery || now.Before(c.logged)
	if due {
		c.logged = now
	}
	c.mu.Unlock()
	if due {
		c.log.Error("could not accept a connection: the process has too many files open", "err", err, "hint", diag.OpenFilesHint(err))
	}
}

func (cn *conn) move(to phase) {
	cn.all.mu.Lock()
	if cn.phase != to {
		cn.phase, cn.since = to, cn.all.now()
	}
	cn.all.mu.Unlock()
	if to == idle {
		cn.all.mayPlace()
	}
}

// mayPlace wakes the new connection that waits for a place, if there is one.
func (c *Connections) mayPlace() {
	select {
	case c.freed <- struct{}{}:
	default:
	}
}

// Read notes that a request has begun to arrive.
func (cn *conn) Read(b []byte) (int, error) {
	n, err := cn.Conn.Read(b)
	if n > 0 {
		cn.all.mu.Lock()
		if cn.phase == fresh || cn.phase == idle {
			cn.phase, cn.since = arriving, cn.all.now()
			cn.head = cn.head[:0]
		}
		if room := headKept - len(cn.head); cn.all.refused != nil && cn.phase == arriving && room > 0 {
			cn.head = append(cn.head, b[:min(n, room)]...)
		}
		cn.all.mu.Unlock()
	}
	return n, err
}

// Write reports the status of an answer, as net/http answers some requests without the
// handler.
func (cn *conn) Write(b []byte) (int, error) {
	if cn.all.refused != nil {
		if status := statusOf(b); status >= 400 {
			cn.all.mu.Lock()
			head := bytes.Clone(cn.head)
			cn.all.mu.Unlock()
			cn.all.refused(status, head)
		}
	}
	return cn.Conn.Write(b)
}

// statusOf returns the status of an answer that begins with b; 0 if none does.
func statusOf(b []byte) int {
	if len(b) < len("HTTP/1.1 200") || !bytes.HasPrefix(b, []byte("HTTP/1.")) || b[8] != ' ' {
		return 0
	}
	status, _ := strconv.Atoi(string(b[9:12]))
	return status
}

func (cn *conn) Close() error {
	c := cn.all
	c.mu.Lock()
	delete(c.open, cn)
	c.mu.Unlock()
	c.mayPlace()
	return cn.Conn.Close()
}

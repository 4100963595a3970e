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

	"chertd/luabind"
)

// Connections bounds the open connections of a server. When there is no place
// for a new one, an old one gives way: the one that has been idle longest, or
// else the one whose request takes longest to arrive. One whose request has
// arrived, and is being stored or answered, never does.
//
// Idle connections are cheap to make again and slow ones are rarely a sender's;
// a delivery that finds no place is lost.
type Connections struct {
	max     int
	grace   time.Duration // in which a request may arrive undisturbed
	now     func() time.Time
	log     *slog.Logger
	refused func(status int, head []byte)

	mu     sync.Mutex
	open   map[*conn]bool
	freed  chan struct{} // signalled when a connection ends or becomes idle
	noFile time.Time     // when the process last had too many files open; zero: never
	logged time.Time     // when that was last logged
}

// arrivalGrace is how long a connection without a place may keep others out
// while its request arrives. A sender's takes some milliseconds.
const arrivalGrace = time.Second

// NewConnections bounds connections to a number. refused, if not nil, is called
// with each status of 400 and more, and with the beginning of its request.
func NewConnections(n int, refused func(status int, head []byte), log *slog.Logger) *Connections {
	return &Connections{
		max: n, grace: arrivalGrace, now: time.Now, log: log, refused: refused,
		open: map[*conn]bool{}, freed: make(chan struct{}, 1),
	}
}

// phase is how far the connection's request has come.
type phase int

const (
	fresh    phase = iota // no request has been made on it yet
	idle                  // between two requests
	arriving              // a part of a request has been read
	arrived               // it has been read: it is being handled
)

// conn is a connection with a place.
type conn struct {
	net.Conn
	all *Connections

	// Guarded by all.mu.
	phase phase
	since time.Time
	head  []byte // how the request at hand begins
}

// headKept is how much of a request is kept for the case that net/http refuses it.
const headKept = 4 << 10

// Listener wraps the listener that the server is served on.
func (c *Connections) Listener(l net.Listener) net.Listener {
	return &listener{Listener: l, all: c, closed: make(chan struct{})}
}

// Bind has the server say how far requests have come. Its handler may call
// HasArrived; a connection whose handler does not is one whose request arrives
// until it was answered.
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

// HasArrived says that all of a request has been read: from now on its
// connection does not give way to new ones.
func HasArrived(r *http.Request) {
	if cn, ok := r.Context().Value(connKey{}).(*conn); ok {
		cn.move(arrived)
	}
}

// NoFiles is when the process last had too many files open to accept a
// connection; zero: never.
func (c *Connections) NoFiles() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.noFile
}

// listener accepts a connection first and then makes a place for it.
type listener struct {
	net.Listener
	all    *Connections
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if luabind.OpenFilesHint(err) != "" {
		l.all.outOfFiles(err)
	}
	if err != nil {
		return nil, err // net/http tries again if that can help
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

// place gives a new connection a place, and waits for one if all are taken by
// requests that arrive or are handled. It is false once closed is closed.
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

// tryPlace gives the connection a place if there is one, or one can be made.
// If not it says when to look again.
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

// victim is the connection that gives way: an idle one, or one whose request
// has had its grace. If there is none it says in how long to look again.
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
		if victim == nil || cn.givesWayBefore(victim) {
			victim = cn
		}
	}
	return victim, in
}

// givesWayBefore puts idle connections first, and then the oldest.
func (cn *conn) givesWayBefore(other *conn) bool {
	if a, b := cn.phase == idle, other.phase == idle; a != b {
		return a
	}
	return cn.since.Before(other.since)
}

// end closes a connection for another's sake. Whoever serves it finds it closed.
func (c *Connections) end(cn *conn) {
	delete(c.open, cn)
	cn.Conn.Close()
}

// outOfFiles logs that the process has no file descriptor left for another
// connection, and gives one back if it can.
func (c *Connections) outOfFiles(err error) {
	c.mu.Lock()
	now := c.now()
	c.noFile = now
	if victim, _ := c.victim(now, 0); victim != nil {
		c.end(victim)
	}
	tell := c.logged.IsZero() || now.Sub(c.logged) >= refusalEvery || now.Before(c.logged)
	if tell {
		c.logged = now
	}
	c.mu.Unlock()
	if tell {
		c.log.Error("no connection can be accepted: the process has too many files open", "error", err, "hint", luabind.OpenFilesHint(err))
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

// mayPlace wakes up the new connection that waits for a place, if one does.
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

// Write looks at the status of an answer: net/http answers some requests that
// no handler sees.
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

// statusOf is the status of an answer that begins with b; 0 if none does.
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

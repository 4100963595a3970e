package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// hall is a webhook behind a server with few places, whose clock the test moves.
type hall struct {
	*bench
	conns *Connections
	addr  string
	clock atomic.Int64 // nanoseconds since some moment
}

func newHall(t *testing.T, places int, change func(*WebhookConfig)) *hall {
	t.Helper()
	h := &hall{bench: newBench(t, change)}
	url, conns := serveOn(t, ServerConfig{Handler: h.bench, MaxConns: places, Refused: h.RefusedStatus})
	conns.mu.Lock()
	conns.now = func() time.Time { return testNow.Add(time.Duration(h.clock.Load())) }
	conns.mu.Unlock()
	h.conns, h.addr = conns, strings.TrimPrefix(url, "http://")
	return h
}

const head = "POST /webhooks/chert HTTP/1.1\r\nHost: x\r\nX-Webhook-Signature: t=" + testTimestamp + ",v1=" + testDigest + "\r\n"

var whole = fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(testBody), testBody)

// dial opens a connection, sends text on it, and returns once the server has
// given it a place and read that text.
func (h *hall) dial(t *testing.T, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	want := fresh
	if text != "" {
		want = arriving
	}
	for !h.in(c, want) {
		runtime.Gosched() // the server's own goroutines must get to it
	}
	return c
}

// in reports whether the server has the connection, in a phase.
func (h *hall) in(c net.Conn, p phase) bool {
	h.conns.mu.Lock()
	defer h.conns.mu.Unlock()
	for cn := range h.conns.open {
		if cn.RemoteAddr().String() == c.LocalAddr().String() {
			return cn.phase == p
		}
	}
	return false
}

// status reads an answer's status; 0 if the connection was closed instead.
func status(t *testing.T, c net.Conn) int {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

// deliver sends a delivery on a new connection and returns the answer's status.
func (h *hall) deliver(t *testing.T) int {
	t.Helper()
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, whole)
	return status(t, c)
}

// TestSendersFindAPlace: whatever strangers keep their connections open with, a
// new sender is answered, and the one that gives way is the right one.
func TestSendersFindAPlace(t *testing.T) {
	t.Parallel()
	slow := map[string]string{
		"silent":       "",
		"slow header":  "POST /webhooks/chert HTTP/1.1\r\nHost: x\r\nX-",
		"slow body":    head + "Content-Length: 500\r\n\r\n{",
		"slow chunks":  head + "Transfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n",
		"large body":   head + "Content-Length: 900000\r\n\r\n" + strings.Repeat(" ", 100<<10),
		"half a verb":  "P",
		"endless line": "POST /" + strings.Repeat("x", 2000),
	}
	for name, text := range slow {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHall(t, 3, nil)
			var kept []net.Conn
			for range 3 {
				kept = append(kept, h.dial(t, text))
				h.clock.Add(int64(arrivalGrace)) // the first is the oldest
			}
			if got := h.deliver(t); got != 200 {
				t.Fatalf("a new sender is answered %d", got)
			}
			if got := status(t, kept[0]); got != 0 {
				t.Errorf("the oldest is answered %d, want it closed", got)
			}
			want := fresh
			if text != "" {
				want = arriving
			}
			if !h.in(kept[2], want) {
				t.Error("the newest gave way, too")
			}
		})
	}
}

// TestIdleConnectionsCloseBeforeArrivingOnes: of an idle connection and one whose request
// arrives slowly, the idle one gives way, though it is younger.
func TestIdleConnectionsCloseBeforeArrivingOnes(t *testing.T) {
	t.Parallel()
	h := newHall(t, 2, nil)
	slow := h.dial(t, head)
	h.clock.Add(int64(time.Minute))
	kept := h.dial(t, whole[:len(whole)-1])
	io.WriteString(kept, whole[len(whole)-1:])
	if got := status(t, kept); got != 200 {
		t.Fatalf("answered %d", got)
	}
	for !h.in(kept, idle) {
		runtime.Gosched()
	}
	if got := h.deliver(t); got != 200 {
		t.Fatalf("a new sender is answered %d", got)
	}
	if !h.in(slow, arriving) {
		t.Error("the one whose request arrives gave way")
	}
	fmt.Fprintf(slow, "Content-Length: %d\r\n\r\n%s", len(testBody), testBody)
	if got := status(t, slow); got != 200 {
		t.Errorf("the slow one is answered %d", got)
	}
}

// TestConnectionsOfArrivedRequestsStayOpen: a connection whose delivery is being stored
// keeps its place however long that takes, and so does one that has its grace;
// the new one waits for them.
func TestConnectionsOfArrivedRequestsStayOpen(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}, 2), make(chan struct{})
	h := newHall(t, 2, nil)
	ingest := h.cfg.Ingest
	h.cfg.Ingest = func(ctx context.Context, a []turn.Arrival) ([]store.Receipt, error) {
		entered <- struct{}{}
		<-release
		return ingest(ctx, a)
	}
	storing := h.dial(t, head)
	fmt.Fprintf(storing, "Content-Length: %d\r\n\r\n%s", len(testBody), testBody)
	<-entered
	h.clock.Add(int64(time.Hour))
	graced := h.dial(t, head) // just begun

	answered := make(chan int)
	go func() { answered <- h.deliver(t) }()
	for !h.waits() {
		runtime.Gosched()
	}
	fmt.Fprintf(graced, "Content-Length: %d\r\n\r\n%s", len(testBody), testBody)
	<-entered
	close(release)
	for name, c := range map[string]net.Conn{"being stored": storing, "in its grace": graced} {
		if got := status(t, c); got != 200 {
			t.Errorf("the one %s is answered %d", name, got)
		}
	}
	if got := <-answered; got != 200 {
		t.Errorf("the one that waited is answered %d", got)
	}
}

// waits reports whether all places are taken and none gives way.
func (h *hall) waits() bool {
	h.conns.mu.Lock()
	defer h.conns.mu.Unlock()
	victim, _ := h.conns.victim(h.conns.now(), arrivalGrace)
	return len(h.conns.open) == h.conns.max && victim == nil
}

// TestClosedConnectionsFreeTheirPlaces: closing a connection twice gives one place back.
func TestClosedConnectionsFreeTheirPlaces(t *testing.T) {
	t.Parallel()
	c := NewConnections(1, nil, slog.New(slog.DiscardHandler))
	near, far := net.Pipe()
	defer near.Close()
	first := &conn{Conn: far, all: c}
	if !c.place(first, nil) {
		t.Fatal("no place for the first")
	}
	first.Close()
	first.Close()
	near2, far2 := net.Pipe()
	defer near2.Close()
	second := &conn{Conn: far2, all: c}
	if wait, ok := c.tryPlace(second); !ok || wait != 0 {
		t.Fatal("no place for the second")
	}
	third := &conn{Conn: far2, all: c}
	if wait, ok := c.tryPlace(third); ok || wait <= 0 || wait > arrivalGrace {
		t.Errorf("a third has a place: %t, looks again in %v", ok, wait)
	}
	closed := make(chan struct{})
	close(closed)
	if c.place(third, closed) {
		t.Error("a third has a place once the listener is closed")
	}
}

// TestPlaceComesWithoutDelay: a new connection that waits has its place in the
// moment another becomes idle, ends, or has had its grace; and gives up in the
// moment the listener closes.
func TestPlaceComesWithoutDelay(t *testing.T) {
	t.Parallel()
	const after = 300 * time.Millisecond // less than the grace
	for _, tc := range []struct {
		name   string
		phase  phase // of the one that has the place
		then   func(cn *conn, l net.Listener)
		placed bool
		in     time.Duration
	}{
		{"idle", arrived, func(cn *conn, _ net.Listener) { cn.move(idle) }, true, after},
		{"ends", arrived, func(cn *conn, _ net.Listener) { cn.Close() }, true, after},
		{"listener closes", arrived, func(_ *conn, l net.Listener) { l.Close() }, false, after},
		{"grace", arriving, func(*conn, net.Listener) {}, true, arrivalGrace},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := NewConnections(1, nil, slog.New(slog.DiscardHandler))
			calls := &piped{conns: make(chan net.Conn, 2)}
			l := c.Listener(calls)
			var far []net.Conn
			for range 2 {
				near, other := net.Pipe()
				calls.conns <- near
				far = append(far, other)
			}
			first, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			first.(*conn).move(tc.phase)
			began := time.Now()
			time.AfterFunc(after, func() { tc.then(first.(*conn), l) })
			second, err := l.Accept()
			if (err == nil) != tc.placed || err != nil && !errors.Is(err, net.ErrClosed) || time.Since(began) != tc.in {
				t.Errorf("%s: %v after %v, want a place: %t after %v", tc.name, err, time.Since(began), tc.placed, tc.in)
			}
			time.Sleep(arrivalGrace)
			first.Close()
			if err == nil {
				second.Close()
			}
			for _, f := range far {
				f.Close()
			}
		})
	}
}

// piped is a listener whose connections a test makes.
type piped struct{ conns chan net.Conn }

func (p *piped) Accept() (net.Conn, error) { return <-p.conns, nil }
func (p *piped) Close() error              { return nil }
func (p *piped) Addr() net.Addr            { return nil }

// flaky is a listener whose Accept fails first.
type flaky struct {
	net.Listener
	mu   sync.Mutex
	errs []error
}

func (f *flaky) Accept() (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: err}
	}
	return f.Listener.Accept()
}

// TestTooManyOpenFiles: a process without a descriptor left logs it, once, with
// the fix, gives one back that an idle connection holds, and accepts again.
func TestTooManyOpenFiles(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := NewConnections(8, nil, slog.New(slog.NewTextHandler(&log, nil)))
	c.now = func() time.Time { return testNow }
	near, far := net.Pipe()
	defer near.Close()
	victim := &conn{Conn: far, all: c}
	c.place(victim, nil)

	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := c.Listener(&flaky{Listener: inner, errs: []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED}})
	defer l.Close()
	for range 3 {
		if _, err := l.Accept(); err == nil {
			t.Fatal("no error")
		}
	}
	if _, err := near.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the idle connection is open: %v", err)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "too many files open") || !strings.Contains(got, "LimitNOFILE") {
		t.Errorf("logged %s", got)
	}
	if !c.NoFiles().Equal(testNow) {
		t.Errorf("it was out of files at %v", c.NoFiles())
	}
	client, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	served, err := l.Accept()
	if err != nil {
		t.Fatalf("no connection is accepted afterwards: %v", err)
	}
	served.Close()
}

// TestTooManyOpenFilesIsLoggedOnceAMinute, the first time immediately, and by a
// clock that was set back as well.
func TestTooManyOpenFilesIsLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := NewConnections(8, nil, slog.New(slog.NewTextHandler(&log, nil)))
	for _, step := range []struct {
		at   time.Duration
		tell bool
	}{{0, true}, {0, false}, {refusalEvery - 1, false}, {refusalEvery, true}, {refusalEvery + 1, false}, {-time.Hour, true}, {1 - time.Hour, false}} {
		c.now = func() time.Time { return testNow.Add(step.at) }
		log.Reset()
		c.outOfFiles(syscall.EMFILE)
		if logged := log.Len() > 0; logged != step.tell || !c.NoFiles().Equal(c.now()) {
			t.Errorf("at %v it is logged: %t, and it was out of files at %v", step.at, logged, c.NoFiles())
		}
	}
}

// TestStatusOf: only the beginning of an answer has a status.
func TestStatusOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"HTTP/1.1 431 Request Header Fields Too Large\r\n": 431, "HTTP/1.0 400 Bad Request\r\n": 400,
		"HTTP/1.1 200 OK\r\n": 200, "HTTP/1.1 4": 0, "": 0, "HTTP/1.1-431 x": 0, `{"x":"HTTP/1.1 431 x"}`: 0, "HTTP/1.1 abc x": 0,
	} {
		if got := statusOf([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

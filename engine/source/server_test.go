package source

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// net/http lingers half a second on a connection whose body it left unread,
	// even beyond Close.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// serveOn starts a server on a limited loopback listener.
func serveOn(t *testing.T, cfg ServerConfig) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Log = slog.New(slog.DiscardHandler)
	s := NewServer(cfg)
	var served sync.WaitGroup
	served.Go(func() {
		if err := s.Serve(LimitListener(l, cfg.MaxConns)); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		s.Close()
		served.Wait()
	})
	return "http://" + l.Addr().String()
}

// A real server answers a body that is too large, chunked or not, and stores nothing.
func TestServerRefusesLargeBodies(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	url := serveOn(t, ServerConfig{Handler: b})
	big := strings.Repeat("x", 2<<20)
	for name, body := range map[string]io.Reader{
		"with a length": strings.NewReader(big),
		"chunked":       io.MultiReader(strings.NewReader(big)),
	} {
		r := delivery(testSecret, big)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/webhooks/chert", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = r.Header
		tr := &http.Transport{}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		resp.Body.Close()
		tr.CloseIdleConnections()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: answered %d, want 413", name, resp.StatusCode)
		}
	}
	if len(b.arrivals)+len(b.quarantined) != 0 {
		t.Error("something was stored")
	}
}

func TestServerBoundsRequestsInFlight(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	url := serveOn(t, ServerConfig{InFlight: 1, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-release
	})})
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	get := func() (int, string) {
		resp, err := client.Get(url)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Retry-After")
	}
	var first sync.WaitGroup
	first.Go(func() {
		if status, _ := get(); status != 200 {
			t.Errorf("the first was answered %d", status)
		}
	})
	<-entered
	status, retry := get()
	close(release)
	first.Wait()
	if status != 503 || retry == "" {
		t.Errorf("the second was answered %d with Retry-After %q, want 503 with one", status, retry)
	}
}

func TestLimitListener(t *testing.T) {
	t.Parallel()
	inner := &pipeListener{conns: make(chan net.Conn, 3), asked: make(chan struct{}, 4)}
	l := LimitListener(inner, 1)
	for range 3 {
		near, far := net.Pipe()
		defer near.Close()
		inner.conns <- far
	}
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan net.Conn)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		second <- conn
	}()
	// Closing twice frees one place, not two.
	first.Close()
	first.Close()
	conn := <-second
	if n := len(inner.asked); n != 2 {
		t.Errorf("%d connections taken, want 2", n)
	}
	waiting := make(chan error)
	go func() {
		_, err := l.Accept()
		waiting <- err
	}()
	l.Close()
	if err := <-waiting; !errors.Is(err, net.ErrClosed) {
		t.Errorf("waiting Accept ended with %v, want net.ErrClosed", err)
	}
	if n := len(inner.asked); n != 2 {
		t.Errorf("%d connections taken beyond the limit, want 2", n)
	}
	conn.Close()
}

// A sender that never ends its header must not keep a connection for good.
func TestServerHasTimeouts(t *testing.T) {
	t.Parallel()
	s := NewServer(ServerConfig{Handler: http.NotFoundHandler()})
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Errorf("a limit is missing: %+v", s)
	}
	url := serveOn(t, ServerConfig{Handler: http.NotFoundHandler()})
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The server may close before it has read all of this.
	_, _ = conn.Write(append([]byte("GET / HTTP/1.1\r\nHost: x\r\nX: "), bytes.Repeat([]byte("x"), 64<<10)...))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 64 KiB was answered %d, want 431", resp.StatusCode)
	}
}

type pipeListener struct {
	net.Listener
	conns chan net.Conn
	asked chan struct{} // one token an Accept
}

func (l *pipeListener) Accept() (net.Conn, error) {
	l.asked <- struct{}{}
	return <-l.conns, nil
}

func (l *pipeListener) Close() error { return nil }

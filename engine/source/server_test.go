package source

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
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

// serveOn starts a server on a bounded loopback listener.
func serveOn(t *testing.T, cfg ServerConfig) (url string, conns *Connections) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s, conns := NewServer(cfg)
	var served sync.WaitGroup
	served.Go(func() {
		if err := s.Serve(conns.Listener(l)); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		s.Close()
		served.Wait()
	})
	return "http://" + l.Addr().String(), conns
}

// A real server answers a body that is too large, chunked or not, and stores nothing.
func TestServerRefusesLargeBodies(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	url, _ := serveOn(t, ServerConfig{Handler: b})
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

// A sender that never ends its header must not keep a connection for good.
func TestServerHasTimeouts(t *testing.T) {
	t.Parallel()
	s, _ := NewServer(ServerConfig{Handler: http.NotFoundHandler()})
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes != 64<<10 {
		t.Errorf("a limit is missing: %+v", s)
	}
}

// TestHeaderUpToTheLimit: a delivery with nearly 64 KiB of headers is taken; one
// with more is answered 431, and the webhook is told of it. So is a 417.
func TestHeaderUpToTheLimit(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	url, _ := serveOn(t, ServerConfig{Handler: b, Refused: b.RefusedStatus})
	exchange := func(head string) int {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// The server may close before it has read all of this.
		fmt.Fprintf(conn, "POST /webhooks/chert HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Webhook-Signature: t=%s,v1=%s\r\nContent-Length: %d\r\n%s\r\n%s", testTimestamp, testDigest, len(testBody), head, testBody)
		r := bufio.NewReader(conn)
		resp, err := http.ReadResponse(r, nil)
		if err == nil && resp.StatusCode == http.StatusContinue {
			resp, err = http.ReadResponse(r, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	many := "X-Forwarded-Client-Cert: " + strings.Repeat("a", 60<<10) + "\r\n"
	for _, test := range []struct {
		head   string
		status int
	}{
		{many, 200}, {many + many, 431}, {"Expect: x\r\n", 417}, {"Expect: 100-continue\r\n", 200}, {"no colon\r\n", 400},
	} {
		if got := exchange(test.head); got != test.status {
			t.Errorf("%.40q of %d bytes: %d, want %d", test.head, len(test.head), got, test.status)
		}
	}
	want := map[Refusal]int64{RefusedHeader: 1, RefusedExpect: 1, RefusedHTTP: 1}
	if got := b.Stats().Refused; !reflect.DeepEqual(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

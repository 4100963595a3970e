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

// The bound of headers changes while requests are served: what is under way ends
// as it began, and the requests after it are bounded as well. No connection is lost.
func TestServerChangesItsLimitOfHeaders(t *testing.T) {
	t.Parallel()
	inside, leave := make(chan struct{}, 1), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			inside <- struct{}{}
			<-leave
		}
		io.WriteString(w, "done")
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, conns := NewServer(ServerConfig{Handler: handler, MaxHeader: 64 << 10, Log: slog.New(slog.DiscardHandler)})
	served := make(chan error, 1)
	go func() { served <- s.Serve(conns.Listener(l)) }()
	url := "http://" + l.Addr().String()
	ask := func(path string, header int) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Large", strings.Repeat("x", header))
		tr := &http.Transport{DisableKeepAlives: true}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	slow := make(chan int, 1)
	go func() { slow <- ask("/slow", 1) }()
	<-inside
	if code := ask("/", 30<<10); code != http.StatusOK {
		t.Errorf("30 KiB of headers are answered %d at first", code)
	}
	s.SetMaxHeader(8 << 10)
	if code := ask("/", 30<<10); code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("30 KiB of headers are answered %d where 8 KiB are allowed", code)
	}
	for _, n := range []int64{128 << 10, 16 << 10, 128 << 10} {
		s.SetMaxHeader(n)
	}
	if code := ask("/", 100<<10); code != http.StatusOK {
		t.Errorf("100 KiB of headers are answered %d where 128 KiB are allowed", code)
	}
	close(leave)
	if code := <-slow; code != http.StatusOK {
		t.Errorf("a request under way was answered %d", code)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	s.SetMaxHeader(1 << 20) // nothing is served any more
}

// A sender that never ends its header must not keep a connection forever.
func TestServerHasTimeouts(t *testing.T) {
	t.Parallel()
	server, _ := NewServer(ServerConfig{Handler: http.NotFoundHandler()})
	if s := server.current; s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes != 64<<10 {
		t.Errorf("a limit is missing: %+v", s)
	}
}

// TestHeaderUpToTheLimit: a delivery with nearly 64 KiB of headers is taken; one
// with more is answered 431, and the webhook counts it. So is a 417.
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
	want := map[Refusal]int64{refusedHeader: 1, refusedExpect: 1, refusedRequest: 1}
	if got := b.Stats().Refused; !reflect.DeepEqual(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// What net/http refuses before the webhook sees it is counted and logged with what
// is wrong and the fix, as a lost delivery if it was signed. Values of headers stay
// out of the log.
func TestMalformedRequestsAreNamed(t *testing.T) {
	t.Parallel()
	const start, signed = "POST /webhooks/chert HTTP/1.1\r\n", "X-Webhook-Signature: t=1,v1=secret\r\n"
	for name, tc := range map[string]struct {
		request string
		why     Refusal // "": net/http takes it
		level   string
		fix     string
	}{
		"a space in a header's name":     {start + "Host: x\r\n" + signed + "Bad Header: secret\r\n", refusedRequest, "ERROR", `Bad Header`},
		"an empty header's name":         {start + "Host: x\r\n" + signed + ": secret\r\n", refusedRequest, "ERROR", "the name of its header"},
		"a space before the colon":       {start + "Host: x\r\n" + signed + "Bad : secret\r\n", refusedRequest, "ERROR", "the name of its header"},
		"a control character":            {start + "Host: x\r\n" + signed + "From: secret\x01\r\n", refusedRequest, "ERROR", "its header From has a control character"},
		"no colon":                       {start + "Host: x\r\n" + signed + "secret\r\n", refusedRequest, "ERROR", "no colon"},
		"a bad escape in the path":       {"POST /webhooks/chert%zz HTTP/1.1\r\nHost: x\r\n" + signed, refusedRequest, "ERROR", "%zz"},
		"a space in the path":            {"POST /webhooks/ chert HTTP/1.1\r\nHost: x\r\n" + signed, refusedRequest, "ERROR", "has a space"},
		"no path":                        {"POST webhooks HTTP/1.1\r\nHost: x\r\n" + signed, refusedRequest, "ERROR", "the subscription's URL"},
		"two Hosts":                      {start + "Host: x\r\nHost: secret\r\n" + signed, refusedRequest, "ERROR", "2 Host headers"},
		"no Host":                        {start + signed, refusedRequest, "ERROR", "no Host header"},
		"a malformed Host":               {start + "Host: se/cret\r\n" + signed, refusedRequest, "ERROR", "what the proxy changes"},
		"two lengths":                    {start + "Host: x\r\n" + signed + "Content-Length: 1\r\nContent-Length: 2\r\n", refusedRequest, "ERROR", "several Content-Lengths"},
		"a length that is not a number":  {start + "Host: x\r\n" + signed + "Content-Length: secret\r\n", refusedRequest, "ERROR", "not a number"},
		"another transfer encoding":      {start + "Host: x\r\n" + signed + "Transfer-Encoding: gzip\r\n", refusedRequest, "ERROR", "not chunked"},
		"HTTP/3.0":                       {"POST /webhooks/chert HTTP/3.0\r\nHost: x\r\n" + signed, refusedRequest, "ERROR", "use HTTP/1.1"},
		"without a signature":            {start + "Host: x\r\nHost: y\r\n", refusedRequest, "WARN", "2 Host headers"},
		"by the account's signature":     {start + "Host: x\r\nHost: y\r\nx-chert-signature: secret\r\n", refusedRequest, "ERROR", "2 Host headers"},
		"the second of a connection":     {start + "Host: x\r\n" + signed + "Content-Length: 0\r\n\r\nGET /%zz HTTP/1.1\r\nHost: x\r\n", refusedRequest, "", "%zz"},
		"TLS":                            {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03secret\n", refusedHTTP, "WARN", "TLS"},
		"another protocol":               {"EHLO secret\r\n", refusedHTTP, "WARN", "another protocol"},
		"a header that has to be a list": {start + "Host: x\r\nX-Odd: a,b;c=\"d\"\r\nUser-Agent: \xff\r\n", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			url, _ := serveOn(t, ServerConfig{Handler: b, Refused: b.RefusedStatus})
			conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for i, request := range strings.SplitAfter(tc.request, "\r\n\r\n") {
				last := !strings.HasSuffix(request, "\r\n\r\n")
				if last {
					request += "\r\n"
				}
				if _, err := io.WriteString(conn, request); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatalf("answer %d: %v", i, err)
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			counted := b.Stats().Refused
			if tc.why == "" {
				if counted[refusedRequest]+counted[refusedHTTP] != 0 {
					t.Errorf("counted %v", counted)
				}
				return
			}
			got := b.log.String()
			if counted[tc.why] != 1 || !strings.Contains(got, "level="+tc.level) || !strings.Contains(got, tc.fix) || strings.Contains(got, "secret") {
				t.Errorf("counted %v, logged\n%s", counted, got)
			}
		})
	}
}

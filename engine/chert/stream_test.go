package chert

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// streaming is a server of streams that calls body once its header is sent, and answers
// every other request with a read.
func streaming(body func(w http.ResponseWriter, r *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/events/stream" {
			io.WriteString(w, `{"chat_id":"c1","status":"read"}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		w.Header().Set("X-Trace-Id", "t1")
		w.Header().Set("Date", testNow.Format(http.TimeFormat))
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		body(w, r)
	}
}

func TestStreamIsSignedAndRead(t *testing.T) {
	t.Parallel()
	got := make(chan *http.Request, 2)
	s := newServer(t, streaming(func(w http.ResponseWriter, r *http.Request) {
		got <- r
		io.WriteString(w, "data: {}\n\n")
	}))
	c := newClient(t, s.URL, nil)
	body, reply, err := c.Stream(t.Context(), time.Date(2026, 5, 24, 3, 0, 0, 7, time.FixedZone("", 7200)))
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if reply != (Reply{Status: 200, TraceID: "t1", Date: testNow}) {
		t.Errorf("the reply is %+v", reply)
	}
	if text, err := io.ReadAll(body); string(text) != "data: {}\n\n" || err != nil {
		t.Errorf("read %q, %v", text, err)
	}
	r := <-got
	if r.Method != "GET" || r.URL.RawQuery != "since=2026-05-24T01%3A00%3A00Z" {
		t.Errorf("requested %s %s", r.Method, r.URL)
	}
	for name, want := range map[string]string{
		"Accept": "text/event-stream", "Accept-Encoding": "identity", "X-Chert-Tenant": "acme-7a3f",
		"X-Chert-Signature": NewKey(testSecret).Signature("1779586534", nil),
	} {
		if h := r.Header.Get(name); h != want {
			t.Errorf("%s: %q, want %q", name, h, want)
		}
	}
	body, _, err = c.Stream(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
	if r := <-got; r.URL.RawQuery != "" {
		t.Errorf("without since, requested %s", r.URL)
	}
}

// A call and a stream at the same time, where calls have one place and one connection.
func TestStreamTakesNoPlaceOfCalls(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	s := newServer(t, streaming(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(gone)
	}))
	c := newClient(t, s.URL, func(cfg *Config) { cfg.MaxConns = 1 })
	body, _, err := c.Stream(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.MarkRead(t.Context(), "c1"); err != nil {
			t.Errorf("a call while the stream is open: %v", err)
		}
	}
	body.Close()
	<-gone
	if _, err := body.Read(make([]byte, 1)); err == nil {
		t.Error("a closed stream can be read")
	}
}

func TestStreamRefused(t *testing.T) {
	t.Parallel()
	const html = "<html><head><title>502 Bad Gateway</title></head></html>"
	tests := []struct {
		name      string
		status    int
		header    http.Header
		body      string
		want      Error  // its Status, Code, Retryable, RetryAfter, Foreign
		wantError string // the end of its message
	}{
		{"bad signature", 401, nil, `{"success":false,"error":{"status":401,"code":2004,"message":"bad signature","retryable":false},"trace_id":"t"}`,
			Error{Status: 401, Code: 2004}, "bad signature (trace t)"},
		{"rate limited", 429, http.Header{"Retry-After": {"7"}}, `{"success":false,"error":{"status":429,"code":1007,"message":"slow down","retryable":true,"retry_after":3},"trace_id":"t"}`,
			Error{Status: 429, Code: 1007, Retryable: true, RetryAfter: 7 * time.Second}, "slow down (trace t)"},
		{"proxy", 502, http.Header{"Content-Type": {"text/html"}}, html,
			Error{Status: 502, Retryable: true, Foreign: true}, "this answer is not from Chert (text/html: 502 Bad Gateway)"},
		{"page", 200, http.Header{"Content-Type": {"text/html; charset=utf-8"}}, html,
			Error{Status: 200, Retryable: true, Foreign: true}, "not a stream of events (text/html: 502 Bad Gateway)"},
		{"JSON", 200, http.Header{"Content-Type": {"application/json"}}, `{"events":[]}`,
			Error{Status: 200, Retryable: true, Foreign: true}, `not a stream of events (application/json: {"events":[]})`},
		{"envelope with 200", 200, nil, `{"success":false,"error":{"status":403,"code":2005,"message":"suspended","retryable":false},"trace_id":"t"}`,
			Error{Status: 403, Code: 2005}, "suspended (trace t)"},
		{"redirect", 302, http.Header{"Location": {"https://login.example.com/x"}}, "",
			Error{Status: 302, Retryable: true, Foreign: true}, "redirected to login.example.com, which is not followed; this answer is not from Chert (no content type)"},
		{"stream of another status", 206, http.Header{"Content-Type": {"text/event-stream"}}, "data: {}\n\n",
			Error{Status: 206, Retryable: true, Foreign: true}, "does not have status 200"},
		{"secret", 502, nil, "you sent " + testSecret, Error{Status: 502, Retryable: true, Foreign: true}, "you sent [secret])"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, answering(tt.status, tt.header, tt.body))
			body, _, err := newClient(t, s.URL, nil).Stream(t.Context(), time.Time{})
			if body != nil {
				t.Fatal("there is a body")
			}
			e := wantError(t, err)
			got := Error{Status: e.Status, Code: e.Code, Retryable: e.Retryable, RetryAfter: e.RetryAfter, Foreign: e.Foreign}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if text := e.Error(); !strings.HasPrefix(text, "open the stream of events: ") || !strings.HasSuffix(text, tt.wantError) {
				t.Errorf("the error is %q, want one that ends in %q", text, tt.wantError)
			}
		})
	}
}

// roundTripper is an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The timeout is for the header of the answer, and for the body of one that is not a stream.
func TestStreamTimeout(t *testing.T) {
	t.Parallel()
	waits := func(r *http.Request) error {
		<-r.Context().Done()
		return context.Cause(r.Context())
	}
	answers := func(media string) roundTripper {
		return func(r *http.Request) (*http.Response, error) {
			body, w := io.Pipe()
			go func() { w.CloseWithError(waits(r)) }()
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {media}}, Body: body, Request: r}, nil
		}
	}
	open := func(t *testing.T, transport roundTripper) (io.ReadCloser, error) {
		cfg := Config{BaseURL: "http://127.0.0.1:1", Tenant: "acme-7a3f", SigningSecret: testSecret, Timeout: 10 * time.Second, Transport: transport}
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		body, _, err := c.Stream(t.Context(), time.Time{})
		return body, err
	}
	for name, transport := range map[string]roundTripper{
		"no answer":      func(r *http.Request) (*http.Response, error) { return nil, waits(r) },
		"a hanging page": answers("text/html"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := open(t, transport)
				if e := wantError(t, err); !e.Retryable || time.Since(began) != 10*time.Second {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
			})
		})
	}
	t.Run("a stream", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			body, err := open(t, answers("text/event-stream"))
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Hour, func() { body.Close() })
			began := time.Now()
			if _, err := body.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) && !errors.Is(err, io.ErrClosedPipe) || time.Since(began) != time.Hour {
				t.Errorf("after %v: %v, want it to last until it is closed", time.Since(began), err)
			}
		})
	})
}

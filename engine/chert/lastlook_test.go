package chert

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// A call whose last look stops it sends nothing, on a new connection and on one that was
// used before, over HTTP/1.1, TLS and HTTP/2, and the next call goes out.
func TestLastLookStopsTheRequest(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*httptest.Server){
		"HTTP/1.1": (*httptest.Server).Start,
		"TLS":      (*httptest.Server).StartTLS,
		"HTTP/2":   func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() },
	} {
		var received atomic.Int32
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			received.Add(1)
			if (name == "HTTP/2") != (r.ProtoMajor == 2) {
				t.Errorf("%s: the request came by %s", name, r.Proto)
			}
			w.Write([]byte(`{"chat_id":"c1","status":"read"}`))
		}))
		start(s)
		defer s.Close()
		transport := newTransport(2)
		if s.TLS != nil {
			transport.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		}
		c, err := New(Config{BaseURL: s.URL, Tenant: "acme", SigningSecret: "0123456789abcdef0123456789abcdef", Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		looks := 0
		stopped := WithLastLook(t.Context(), func() bool { looks++; return true })
		for i, ctx := range []context.Context{
			stopped, // on a new connection
			WithLastLook(t.Context(), func() bool { return false }),
			stopped, stopped, // on one that was used
			t.Context(),
		} {
			before := received.Load()
			_, err := c.MarkRead(ctx, "c1")
			if ctx != stopped {
				if err != nil || received.Load() != before+1 {
					t.Errorf("%s: call %d is answered %v, and %d requests were received", name, i, err, received.Load()-before)
				}
				continue
			}
			var e *Error
			if !errors.Is(err, ErrStopped) || !errors.As(err, &e) || e.Unknown || received.Load() != before {
				t.Errorf("%s: call %d was stopped: %v, and %d requests were received", name, i, err, received.Load()-before)
			}
		}
		if looks != 3 {
			t.Errorf("%s: %d looks of three calls", name, looks)
		}
	}
}

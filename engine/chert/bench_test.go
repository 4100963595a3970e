package chert

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// markReadServer returns the address of a server that answers each mark-read.
func markReadServer(b *testing.B) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"chat_id":"c1","status":"read"}`)
	}))
	b.Cleanup(srv.Close)
	return srv.URL
}

// BenchmarkMarkRead compares a call with the bare round trip of the same request, which
// is its lower bound.
func BenchmarkMarkRead(b *testing.B) {
	b.Run("call", func(b *testing.B) {
		c, err := New(Config{BaseURL: markReadServer(b), Tenant: "acme", SigningSecret: "s3cret"})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		b.ReportAllocs()
		for b.Loop() {
			if err := dispatched(b.Context(), c); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("round trip", func(b *testing.B) {
		t := newTransport(8)
		defer t.CloseIdleConnections()
		base := markReadServer(b)
		b.ReportAllocs()
		for b.Loop() {
			req, _ := http.NewRequest(http.MethodPost, base+"/chats/chat-1/mark-read", nil)
			req.Header.Set("X-Chert-Tenant", "acme")
			req.Header.Set("X-Chert-Signature", "v1,1,aa")
			resp, err := t.RoundTrip(req)
			if err != nil {
				b.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
}

// BenchmarkMarkReadAlone leaves the network out.
func BenchmarkMarkReadAlone(b *testing.B) {
	c, err := New(Config{BaseURL: "http://127.0.0.1:9", Tenant: "acme", SigningSecret: "s3cret", Transport: canned{}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := dispatched(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}

// TestMarkReadAllocatesLittle counts what a call allocates apart from the transport. The
// limit leaves room for the state of a signature: with -race, its pool keeps only some.
func TestMarkReadAllocatesLittle(t *testing.T) {
	c, err := New(Config{BaseURL: "http://127.0.0.1:9", Tenant: "acme", SigningSecret: "s3cret", Transport: canned{}})
	if err != nil {
		t.Fatal(err)
	}
	const most = 36 // 29: 5 are the answer, 4 the context
	if n := testing.AllocsPerRun(200, func() { err = dispatched(t.Context(), c) }); err != nil || n > most {
		t.Errorf("a call allocates %.0f objects, want at most %d; error %v", n, most, err)
	}
}

// dispatched makes a call within a time, as dispatch does.
func dispatched(ctx context.Context, c *Client) error {
	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	_, err := c.MarkRead(ctx, "chat-1")
	return err
}

// canned answers each call without a network.
type canned struct{}

func (canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200,
		Header:     http.Header{"Date": {"Mon, 05 Jan 2026 12:00:00 GMT"}, "Content-Type": {"application/json"}},
		Body:       io.NopCloser(&text{`{"chat_id":"c1","status":"read"}`}),

		ContentLength: 32,
	}, nil
}

// text is a strings.Reader that can't be copied from in another way.
type text struct{ rest string }

func (t *text) Read(b []byte) (int, error) {
	n := copy(b, t.rest)
	if t.rest = t.rest[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

package source

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// BenchmarkServed compares a delivery over a connection with a bare http.Server that
// reads the same request, which is its lower bound.
func BenchmarkServed(b *testing.B) {
	const body = `{"event":"message.received","event_id":"chert:msg:7b7f4a1cc9d54809a1e4f1b2","timestamp":"2026-05-24T01:35:34.000Z",` +
		`"event_type":"message.received","partner_id":"acme-7a3f","data":{"chat":{"id":"17f6e9ed","is_group":false,` +
		`"handles":[{"handle":"+14152165723","service":"imessage","is_me":true},{"handle":"+14155551234","service":"imessage","is_me":false}],` +
		`"owner_handle":{"handle":"+14152165723","service":"imessage","is_me":true}},"message":{"id":"0D36042D","direction":"inbound",` +
		`"sender_handle":{"handle":"+14155551234","service":"imessage","is_me":false},"parts":[{"type":"text","value":"Sure, what time?"}],` +
		`"sent_at":"2026-05-24T01:35:33.000Z"}}}`
	b.Run("webhook", func(b *testing.B) {
		w := newBench(b, func(cfg *WebhookConfig) {
			cfg.Ingest = func(_ context.Context, a []turn.Arrival) ([]store.Receipt, error) {
				return make([]store.Receipt, len(a)), nil
			}
		})
		s, conns := NewServer(ServerConfig{Handler: w, Refused: w.RefusedStatus})
		l := listen(b)
		go s.Serve(conns.Listener(l))
		defer s.Close()
		deliver(b, l.Addr().String(), body)
	})
	b.Run("bare", func(b *testing.B) {
		s := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.ReadAll(r.Body) })}
		l := listen(b)
		go s.Serve(l)
		defer s.Close()
		deliver(b, l.Addr().String(), body)
	})
}

func listen(b *testing.B) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// deliver sends a delivery over and over, and reads the answers.
func deliver(b *testing.B, address, body string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	request := fmt.Appendf(nil, "POST /webhooks/chert HTTP/1.1\r\nHost: chertd\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Webhook-Signature: %s\r\n\r\n%s",
		len(body), delivery(testSecret, body).Header.Get(headerSignature), body)
	answers := bufio.NewReader(c)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			b.Fatal(err)
		}
		if io.Copy(io.Discard, resp.Body); resp.StatusCode != http.StatusOK {
			b.Fatalf("answered %s", resp.Status)
		}
	}
}

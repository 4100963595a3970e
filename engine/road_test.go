package engine

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	benchTenant = "bench-0000"
	benchSecret = "0123456789abcdef0123456789abcdef"
	benchHook   = "whsec_bench"
)

// road is both ends of the way from webhook to call: it sends signed events, and is an
// API that answers mark-read and nothing else.
type road struct {
	url     string // of the API
	webhook string // URL
	chats   int    // of the events, in turns; 0: a chat an event
	next    int    // number of the next event

	seconds, cpu float64 // that benchmarks add up

	mu    sync.Mutex
	sent  map[string]time.Time // chats whose call has not come: when their last event was sent
	took  []time.Duration      // from then to the call
	ended chan struct{}        // closed when no chat is left; nil: nobody waits
}

func newRoad(b testing.TB, chats int) *road {
	r := &road{chats: chats, sent: map[string]time.Time{}}
	r.url = serve(b, r)
	return r
}

func (r *road) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	now := time.Now()
	id, ok := strings.CutSuffix(strings.TrimPrefix(req.URL.Path, "/api/v1/chats/"), "/mark-read")
	if !ok {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"chat_id": %q, "status": "read"}`, id)
	r.mu.Lock()
	defer r.mu.Unlock()
	if sent, ok := r.sent[id]; ok {
		r.took = append(r.took, now.Sub(sent))
		delete(r.sent, id)
	}
	r.settle()
}

// post sends n events over so many connections, rate a second (0: as fast as they are
// acknowledged), and waits for the acknowledgements.
func (r *road) post(b testing.TB, n, conns, rate int) {
	due := make(chan int)
	var sending sync.WaitGroup
	for range conns {
		sending.Go(func() {
			var c hookConnection
			defer c.close()
			for i := range due {
				chat := chatName(i)
				if r.chats > 0 {
					chat = chatName(i % r.chats)
				}
				request := webhookRequest(r.webhook, i, chat)
				r.mu.Lock()
				r.sent[chat] = time.Now()
				r.mu.Unlock()
				if err := c.post(r.webhook, request); err != nil {
					b.Error(err)
				}
			}
		})
	}
	began := time.Now()
	for i := range n {
		if rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		due <- r.next
		r.next++
	}
	close(due)
	sending.Wait()
}

// await waits until the call of each chat has arrived.
func (r *road) await(b testing.TB) {
	ended := make(chan struct{})
	r.mu.Lock()
	r.ended = ended
	r.settle()
	r.mu.Unlock()
	select {
	case <-ended:
	case <-time.After(5 * time.Minute):
		b.Fatal("a call has not arrived")
	}
}

// settle ends the waiting once no chat is left.
func (r *road) settle() {
	if r.ended != nil && len(r.sent) == 0 {
		close(r.ended)
		r.ended = nil
	}
}

func chatName(i int) string { return "chat-" + strconv.Itoa(i) }

// webhookBody returns the body of the i-th event.
func webhookBody(i int, chat string) []byte {
	return fmt.Appendf(nil, `{"event": "message.received", "event_id": "chert:msg:%d",
 "timestamp": "2026-05-24T01:35:34.000Z", "api_version": "v1", "webhook_version": "2026-05-04",
 "event_type": "message.received", "trace_id": "a1b2c3", "partner_id": %q,
 "data": {"chat": {"id": %q, "is_group": false,
   "handles": [{"handle": "+14152165723", "service": "imessage", "is_me": true}, {"handle": "+14155551234", "service": "imessage", "is_me": false}],
   "owner_handle": {"handle": "+14152165723", "service": "imessage", "is_me": true}},
  "message": {"id": "0D36042D-%d", "direction": "inbound",
   "sender_handle": {"handle": "+14155551234", "service": "imessage", "is_me": false},
   "parts": [{"type": "text", "value": "Your verification code is 482913"}],
   "sent_at": "2026-05-24T01:35:33.000Z"}}}`, i, benchTenant, chat, i)
}

// webhookRequest returns the whole signed request of the i-th event.
func webhookRequest(webhook string, i int, chat string) []byte {
	body := webhookBody(i, chat)
	u, err := url.Parse(webhook)
	if err != nil {
		panic(err)
	}
	ts := strconv.FormatInt(time.Now().Unix(), 10)
	head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Webhook-Signature: t=%s,v1=%s\r\n\r\n",
		u.Path, u.Host, len(body), ts, sign(benchHook, ts, body))
	return append(head, body...)
}

// hookConnection is a kept-alive connection to a webhook. It costs less than an
// http.Client, whose processor time would count as the daemon's.
type hookConnection struct {
	c net.Conn
	r *bufio.Reader
}

// post sends a request, and again after a 503, until it is acknowledged.
func (c *hookConnection) post(webhook string, request []byte) error {
	for {
		if c.c == nil {
			u, err := url.Parse(webhook)
			if err != nil {
				return err
			}
			if c.c, err = net.Dial("tcp", u.Host); err != nil {
				return err
			}
			c.r = bufio.NewReader(c.c)
		}
		if _, err := c.c.Write(request); err != nil {
			return err
		}
		answer, err := http.ReadResponse(c.r, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil {
			return err
		}
		if answer.Close {
			c.close()
		}
		switch answer.StatusCode {
		case http.StatusOK:
			return nil
		case http.StatusServiceUnavailable:
			time.Sleep(time.Millisecond)
		default:
			return fmt.Errorf("the webhook answered %s", answer.Status)
		}
	}
}

func (c *hookConnection) close() {
	if c.c != nil {
		c.c.Close()
		c.c = nil
	}
}

func sign(secret, ts string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	io.WriteString(mac, ts+".")
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// serve serves a handler on loopback until the benchmark ends.
func serve(b testing.TB, h http.Handler) (url string) { return serveNoted(b, h, nil) }

// serveNoted is serve with a function that is called when the state of a connection changes.
func serveNoted(b testing.TB, h http.Handler, note func(net.Conn, http.ConnState)) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{Handler: h, ConnState: note}
	go s.Serve(l)
	b.Cleanup(func() { s.Close() })
	return "http://" + l.Addr().String()
}

// Package chert is a client of the Chert API: signed calls, one type of error, the
// events log and webhook subscriptions. It makes each call once. When to call, and
// what an error means for other calls, is up to the caller.
package chert

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Client makes calls to Chert. Each call is one request with its own signature, and is
// never repeated. Its methods may be called from many goroutines.
type Client struct {
	base     url.URL // its path has no slash at the end
	cfg      Config
	secret   atomic.Pointer[secret] // authenticates calls
	template *http.Request          // each call has a copy of it
	header   http.Header            // of every call; each call has a copy, but shares the values
	slots    chan *slot             // those that no call has
	streams  http.RoundTripper      // opens streams
	traced   bool                   // the transport reports when it has a connection
}

// slot is a call's place in flight. Calls use it one after another.
type slot struct {
	sent    atomic.Bool // the call has a connection, so the request may be on its way
	trace   httptrace.ClientTrace
	stop    func() bool        // the call's last look; nil: it has none
	stopped atomic.Bool        // the last look has stopped it
	cancel  context.CancelFunc // ends the call; set with stop
}

// connected is called when the call has a connection, right before its request is written.
func (s *slot) connected(info httptrace.GotConnInfo) {
	if s.stop == nil || !s.stop() {
		s.sent.Store(true)
		return
	}
	s.stopped.Store(true)
	cut(info.Conn)
	s.cancel() // or it would be tried on another connection
}

// secret is the signing secret, in the forms that calls need.
type secret struct {
	text string
	key  *Key
}

// Reply is what every successful call returns.
type Reply struct {
	Status  int
	TraceID string    // for Chert's support; empty if Chert sent none
	Date    time.Time // Chert's clock, to the second; zero if unknown
}

// New checks a configuration and returns a client for it. It makes no call.
func New(cfg Config) (*Client, error) {
	if cfg.Auth == "" {
		cfg.Auth = AuthHMAC
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = DefaultMaxConns
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	streams := cfg.Transport
	if cfg.Transport == nil {
		cfg.Transport, streams = newTransport(cfg.MaxConns), newStreamTransport()
	}
	_, traced := cfg.Transport.(*http.Transport)
	base, err := url.Parse(strings.TrimRight(cfg.BaseURL, "/"))
	if err != nil {
		return nil, fmt.Errorf("read chert base_url: %w", err)
	}
	c := &Client{
		base:    *base,
		cfg:     cfg,
		header:  http.Header{"Accept": {"application/json"}, "User-Agent": {"chertd"}},
		slots:   make(chan *slot, cfg.MaxConns),
		streams: streams,
		traced:  traced,
	}
	if c.template, err = http.NewRequest(http.MethodGet, "/", nil); err != nil {
		return nil, fmt.Errorf("make the requests of chert: %w", err)
	}
	for range cfg.MaxConns {
		s := &slot{}
		s.trace.GotConn = s.connected
		c.slots <- s
	}
	if cfg.Tenant != "" {
		c.header["X-Chert-Tenant"] = []string{cfg.Tenant}
	}
	c.secret.Store(&secret{cfg.SigningSecret, NewKey(cfg.SigningSecret)})
	return c, nil
}

// SetSigningSecret changes the secret that signs further calls. Calls in flight are
// not affected.
func (c *Client) SetSigningSecret(text string) error {
	cfg := c.cfg
	cfg.SigningSecret = text
	if err := cfg.check(); err != nil {
		return err
	}
	c.secret.Store(&secret{text, NewKey(text)})
	return nil
}

// Close closes idle connections. Calls in flight are not affected.
func (c *Client) Close() {
	if t, ok := c.cfg.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

func (c *Client) String() string { return c.cfg.String() }

// Format prints the client without its secret, with any verb.
func (c *Client) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue logs the client without its secret.
func (c *Client) LogValue() slog.Value { return c.cfg.LogValue() }

// Bounds of a connection to Chert.
const (
	dialTime      = 5 * time.Second // for the connection, and again for its TLS handshake
	dialKeepAlive = 30 * time.Second
	maxHeader     = 64 << 10 // of an answer, in bytes
)

func newTransport(conns int) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialing(&net.Dialer{Timeout: dialTime, KeepAlive: dialKeepAlive}),
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTime,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        conns,
		MaxIdleConnsPerHost:    conns,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// call describes one request.
type call struct {
	what   string    // for people, with a %q for each of of, such as "mark chat %q as read"
	of     [2]string // put into what where a call fails
	method string
	path   []string // segments; each is escaped
	query  url.Values
	body   any // sent as JSON; nil: none

	// success checks for the documented answer. nil: none is documented, and success is
	// a JSON object that reports no error, or a 204.
	success success
	list    bool // its answer may be as long as maxList
	stream  bool // it is answered by a stream
	private bool // its answer has a secret, and errors quote nothing of it
}

func (k *call) String() string {
	of := []any{k.of[0], k.of[1]}
	return fmt.Sprintf(k.what, of[:strings.Count(k.what, "%q")]...)
}

// do makes a call and decodes its answer into into, unless that is nil. Its error is
// nil or an *Error.
func (c *Client) do(ctx context.Context, k call, into any) (Reply, error) {
	fail := func(e *Error) (Reply, error) {
		e.Call = k.String()
		e.Message = c.redact(e.Message)
		return Reply{}, e
	}
	address, err := c.address(k)
	if err != nil {
		return fail(&Error{Message: err.Error(), cause: err})
	}
	var body []byte
	if k.body != nil {
		if body, err = json.Marshal(k.body); err != nil {
			return fail(&Error{Message: "encode the request: " + err.Error(), cause: err})
		}
	}
	var s *slot
	select {
	case s = <-c.slots:
		s.sent.Store(false)
		s.stopped.Store(false)
		defer func() { c.slots <- s }()
	case <-ctx.Done():
		return fail(&Error{Message: "waiting for a free connection: " + ctx.Err().Error(), Retryable: true, cause: ctx.Err()})
	}
	// A context with a timer takes as much memory as the answer. Dispatch gives one.
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > c.cfg.Timeout {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.cfg.Timeout)
		defer cancel()
	}
	if s.stop = lastLookOf(ctx); s.stop != nil {
		ctx, s.cancel = context.WithCancel(ctx)
		defer s.cancel()
	}
	req := c.request(httptrace.WithClientTrace(ctx, &s.trace), &k, &address, body)
	// An http.Client would follow redirects, and so send a signature or a token to
	// another host.
	resp, err := c.cfg.Transport.RoundTrip(req)
	if err != nil && s.stopped.Load() {
		return fail(&Error{Message: ErrStopped.Error(), Retryable: true, cause: ErrStopped})
	}
	if err != nil {
		return fail(transportError(err, s.sent.Load() || !c.traced, c.cfg.Timeout))
	}
	defer resp.Body.Close()
	reply, e := c.read(resp, &k, into)
	if e != nil {
		return fail(e)
	}
	return reply, nil
}

// address returns the URL of a call. Ids come from events and rules; each stays one
// segment of the path, whatever it contains.
func (c *Client) address(k call) (url.URL, error) {
	u := c.base
	plain := true // no id has a character that is escaped
	for _, segment := range k.path {
		if segment == "" || segment == "." || segment == ".." {
			return u, fmt.Errorf("%q is not an id", segment)
		}
		plain = plain && url.PathEscape(segment) == segment
	}
	path := strings.Join(k.path, "/")
	u.Path, u.RawQuery = c.base.Path+"/"+path, k.query.Encode()
	if plain && c.base.RawPath == "" {
		return u, nil // net/url escapes the path as it is
	}
	escaped := make([]string, len(k.path))
	for i, segment := range k.path {
		escaped[i] = url.PathEscape(segment)
	}
	u.RawPath = c.base.EscapedPath() + "/" + strings.Join(escaped, "/")
	return u, nil
}

// Values of headers, which requests share and nothing changes.
var (
	jsonType = []string{"application/json"}
	sseType  = []string{"text/event-stream"}
	identity = []string{"identity"}
)

// request makes a request and signs it.
func (c *Client) request(ctx context.Context, k *call, address *url.URL, body []byte) *http.Request {
	req := c.template.WithContext(ctx)
	req.Method, req.URL, req.Host = k.method, address, address.Host
	req.Header = make(http.Header, len(c.header)+3)
	if len(body) > 0 {
		req.ContentLength = int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody()
	}
	if k.method == http.MethodGet {
		// The transport would repeat a GET automatically when an idle connection turns
		// out to be closed, and so send one signature twice. It does not repeat a
		// request whose body can't be read again. This body is empty.
		req.Body, req.GetBody = io.NopCloser(eof{}), nil
	}
	maps.Copy(req.Header, c.header)
	if k.stream {
		req.Header["Accept"] = sseType
	}
	if !k.list {
		// The answer is a few bytes. For gzip, the transport adds a map of headers.
		req.Header["Accept-Encoding"] = identity
	}
	if k.method == http.MethodPost || body != nil {
		req.Header["Content-Type"] = jsonType
	}
	if c.cfg.Auth == AuthBearer {
		req.Header["Authorization"] = []string{"Bearer " + c.secret.Load().text}
	} else {
		timestamp := strconv.FormatInt(c.cfg.Now().Unix(), 10)
		req.Header["X-Chert-Signature"] = []string{c.secret.Load().key.Signature(timestamp, body)}
	}
	return req
}

// redact removes the secret from a message: a server or proxy may have copied it from
// the request.
func (c *Client) redact(message string) string {
	return strings.ReplaceAll(message, c.secret.Load().text, "[secret]")
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// Package chert speaks to the Chert API: signed calls, one kind of error, the
// events log and webhook subscriptions. It decides nothing: when to call, and
// what a failure means for other calls, is for who calls.
package chert

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Client makes calls to Chert. It may be used from many goroutines. Nothing is
// repeated: each call is one request, signed for it alone.
type Client struct {
	base   string // without a slash at the end
	cfg    Config
	secret atomic.Pointer[string] // that signs
	slots  chan struct{}          // one token a call in flight
	traced bool                   // the transport reports when it has a connection
}

// Reply is what is known of every call that succeeded.
type Reply struct {
	Status  int
	TraceID string    // what support asks for; empty if Chert sent none
	Date    time.Time // Chert's clock, to the second; zero if it did not say
}

// New checks the configuration and makes a client of it. It makes no call.
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
	if cfg.Transport == nil {
		cfg.Transport = newTransport(cfg.MaxConns)
	}
	_, traced := cfg.Transport.(*http.Transport)
	c := &Client{
		base:   strings.TrimRight(cfg.BaseURL, "/"),
		cfg:    cfg,
		slots:  make(chan struct{}, cfg.MaxConns),
		traced: traced,
	}
	c.secret.Store(&cfg.SigningSecret)
	return c, nil
}

// SetSigningSecret signs calls with another secret from now on; those that are
// on their way are not disturbed.
func (c *Client) SetSigningSecret(secret string) error {
	cfg := c.cfg
	cfg.SigningSecret = secret
	if err := cfg.check(); err != nil {
		return err
	}
	c.secret.Store(&secret)
	return nil
}

// Close gives idle connections back. Calls in flight are not disturbed.
func (c *Client) Close() {
	if t, ok := c.cfg.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

func (c *Client) String() string { return c.cfg.String() }

// Format prints the client without its secret, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue logs the client without its secret.
func (c *Client) LogValue() slog.Value { return c.cfg.LogValue() }

func newTransport(conns int) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        conns,
		MaxIdleConnsPerHost:    conns,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// call is one request to be made.
type call struct {
	what   string // for people: "mark chat c1 as read"
	method string
	path   []string // segments; each is escaped
	query  url.Values
	body   any // sent as JSON; nil: none

	// success is the documented answer. nil: none is documented, and an answer
	// is a JSON object that speaks of no error, or a 204.
	success success
	list    bool // its answer may be long: maxList
}

// do makes a call and decodes its answer into into, unless that is nil. An
// error is always an *Error.
func (c *Client) do(ctx context.Context, k call, into any) (Reply, error) {
	fail := func(e *Error) (Reply, error) {
		e.Call = k.what
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
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return fail(&Error{Message: "waiting for a free connection: " + ctx.Err().Error(), Retryable: true, cause: ctx.Err()})
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()

	// Once there is a connection the request may be on its way.
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	req, err := c.request(ctx, k.method, address, body)
	if err != nil {
		return fail(&Error{Message: "make the request: " + err.Error(), cause: err})
	}
	// Not an http.Client: it would follow redirects, and carry a signature or
	// a token elsewhere.
	resp, err := c.cfg.Transport.RoundTrip(req)
	if err != nil {
		return fail(transportError(err, sent.Load() || !c.traced, c.cfg.Timeout))
	}
	defer resp.Body.Close()
	reply, e := c.read(resp, k, into)
	if e != nil {
		return fail(e)
	}
	return reply, nil
}

// address is the call's URL. Ids come from events and rules: each stays one
// segment of the path, whatever is in it.
func (c *Client) address(k call) (string, error) {
	var b strings.Builder
	b.WriteString(c.base)
	for _, segment := range k.path {
		if segment == "" || segment == "." || segment == ".." {
			return "", fmt.Errorf("%q is not an id", segment)
		}
		b.WriteByte('/')
		b.WriteString(url.PathEscape(segment))
	}
	if len(k.query) > 0 {
		b.WriteByte('?')
		b.WriteString(k.query.Encode())
	}
	return b.String(), nil
}

// request makes a request and signs it.
func (c *Client) request(ctx context.Context, method, address string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == http.MethodGet {
		// The transport repeats a GET by itself when a kept connection turns out
		// to be dead, and would send one signature twice. A body that can't be
		// had again forbids that; this one is empty, so that none is sent.
		req.Body, req.GetBody = io.NopCloser(eof{}), nil
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "chertd")
	if method == http.MethodPost || body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.cfg.Tenant != "" {
		req.Header.Set("X-Chert-Tenant", c.cfg.Tenant)
	}
	if c.cfg.Auth == AuthBearer {
		req.Header.Set("Authorization", "Bearer "+*c.secret.Load())
	} else {
		timestamp := strconv.FormatInt(c.cfg.Now().Unix(), 10)
		req.Header.Set("X-Chert-Signature", Signature(*c.secret.Load(), timestamp, body))
	}
	return req, nil
}

// redact keeps the secret out of messages that a server, or a proxy in
// between, made of what it was sent.
func (c *Client) redact(message string) string {
	return strings.ReplaceAll(message, *c.secret.Load(), "[secret]")
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

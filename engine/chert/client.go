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
	base   string // without a slash at the end
	cfg    Config
	secret atomic.Pointer[string] // signs calls
	slots  chan struct{}          // holds one element per call in flight
	traced bool                   // the transport reports when it has a connection
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

// SetSigningSecret changes the secret that signs further calls. Calls in flight are
// not affected.
func (c *Client) SetSigningSecret(secret string) error {
	cfg := c.cfg
	cfg.SigningSecret = secret
	if err := cfg.check(); err != nil {
		return err
	}
	c.secret.Store(&secret)
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

// call describes one request.
type call struct {
	what   string // for people, such as "mark chat c1 as read"
	method string
	path   []string // segments; each is escaped
	query  url.Values
	body   any // sent as JSON; nil: none

	// success checks for the documented answer. nil: none is documented, and success is
	// a JSON object that reports no error, or a 204.
	success success
	list    bool // its answer may be as long as maxList
}

// do makes a call and decodes its answer into into, unless that is nil. Its error is
// nil or an *Error.
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
	// An http.Client would follow redirects, and so send a signature or a token to
	// another host.
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

// address returns the URL of a call. Ids come from events and rules; each stays one
// segment of the path, whatever it contains.
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
		// The transport would repeat a GET automatically when an idle connection turns
		// out to be closed, and so send one signature twice. It does not repeat a
		// request whose body can't be read again. This body is empty.
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

// redact removes the secret from a message: a server or proxy may have copied it from
// the request.
func (c *Client) redact(message string) string {
	return strings.ReplaceAll(message, *c.secret.Load(), "[secret]")
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

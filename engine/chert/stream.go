package chert

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"
)

// Stream opens the stream of events that were created after since; zero: of those to come.
// Chert's times are whole seconds. The answer's header must arrive within the timeout of a
// call. After that nothing bounds the stream: Chert ends it after a minute, and the caller
// when it closes the body or ctx ends. An answer that is not a stream is an *Error, as for
// every call.
//
// A stream lasts longer than calls may take, so it takes none of their places in flight, and
// has a connection of its own.
func (c *Client) Stream(ctx context.Context, since time.Time) (io.ReadCloser, Reply, error) {
	k := call{what: "open the stream of events", method: http.MethodGet, path: []string{"events", "stream"}, stream: true}
	if !since.IsZero() {
		k.query = url.Values{"since": {since.UTC().Format(time.RFC3339)}}
	}
	fail := func(e *Error) (io.ReadCloser, Reply, error) {
		e.Call = k.String()
		e.Message = c.redact(e.Message)
		return nil, Reply{}, e
	}
	address, err := c.address(k)
	if err != nil {
		return fail(&Error{Message: err.Error(), cause: err})
	}
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(c.cfg.Timeout, func() { cancel(context.DeadlineExceeded) })
	var s slot
	s.trace.GotConn = s.connected
	resp, err := c.streams.RoundTrip(c.request(httptrace.WithClientTrace(ctx, &s.trace), &k, &address, nil))
	if err != nil {
		timer.Stop()
		if cause := context.Cause(ctx); errors.Is(cause, context.DeadlineExceeded) {
			err = cause
		}
		cancel(nil)
		return fail(transportError(err, s.sent.Load() || !c.traced, c.cfg.Timeout))
	}
	if resp.StatusCode == http.StatusOK && isStream(resp) && timer.Stop() {
		e := Error{Status: resp.StatusCode}
		answered(resp, &e)
		return &streamBody{resp.Body, cancel}, Reply{Status: e.Status, TraceID: e.TraceID, Date: e.Date}, nil
	}
	defer cancel(nil)
	defer timer.Stop()
	defer resp.Body.Close()
	_, e := c.read(resp, &k, nil)
	return fail(e)
}

// isStream reports whether an answer has the type of Server-Sent Events.
func isStream(resp *http.Response) bool {
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return media == "text/event-stream"
}

// streamBody is the body of a stream. Closing it ends the request.
type streamBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

// Close implements io.Closer.
func (b *streamBody) Close() error {
	b.cancel(nil)
	return b.ReadCloser.Close()
}

// newStreamTransport returns the transport of streams. Each stream has a connection of its
// own, which ends with it:
//
//   - Calls keep all of their connections, of which they have as many as places in flight.
//   - A reader that is slow fills the connection's buffers and so slows Chert down. On a
//     shared connection of HTTP/2 that could hold up the answers of calls.
//   - The next stream can't get the connection of one that was cut off because it was dead.
//
// Once a minute, a new connection costs nothing.
func newStreamTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTime, KeepAlive: dialKeepAlive}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTime,
		DisableKeepAlives:      true, // with HTTP/1.1, as a TLSClientConfig turns HTTP/2 off
		MaxResponseHeaderBytes: maxHeader,
	}
}

// notStream describes, for people, a good answer that is not taken for a stream.
func notStream(resp *http.Response, body []byte) string {
	switch {
	case !isStream(resp):
		return "the response is not a stream of events" + describe(resp, body)
	case resp.StatusCode != http.StatusOK:
		return "the response is a stream of events, but does not have status 200"
	}
	return "no answer in time"
}

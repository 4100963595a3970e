package tracing

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"chertd/engine/notify"
	"chertd/luabind/diag"
)

// maxAnswer is how much of an answer is read, and shown how much of it is logged, in bytes.
const (
	maxAnswer = 64 << 10
	shown     = 200
)

// poster makes requests to the collector: POST of protobuf, as OTLP over HTTP has it.
type poster struct {
	c        *Config
	client   *http.Client
	resource *resourcepb.Resource
	scope    *commonpb.InstrumentationScope
}

// answer is what became of a request.
type answer struct {
	err   error         // nil: the collector took the spans
	retry bool          // the same request may succeed later
	after time.Duration // that the collector asks to wait before; 0: none
	hint  string        // for people

	refused int64  // spans that the collector refused of those that it took
	message string // why
}

func newPoster(c *Config) poster {
	transport := c.Transport
	if transport == nil {
		dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: 5 * time.Second,
			ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return poster{
		c: c,
		// A redirect would carry the header to a host that nobody has configured.
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{
			text("service.name", "chertd"), text("service.version", c.Version), text("chertd.tenant", c.Tenant),
		}},
		scope: &commonpb.InstrumentationScope{Name: "chertd", Version: valid(c.Version)},
	}
}

func (p *poster) close() { p.client.CloseIdleConnections() }

// bodyOf returns the body of a request. TracesData is encoded as the request of the protocol is, whose
// own type would bring gRPC with it.
func (p *poster) bodyOf(spans []*tracepb.Span) ([]byte, error) {
	return proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: p.resource, ScopeSpans: []*tracepb.ScopeSpans{{Scope: p.scope, Spans: spans}},
	}}})
}

// send makes a request.
func (p *poster) send(ctx context.Context, body []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, p.c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.c.URL, bytes.NewReader(body))
	if err != nil {
		return answer{err: err, hint: "correct tracing.url"}
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "chertd/"+p.c.Version)
	if p.c.Header != "" {
		req.Header.Set(p.c.Header, p.c.Value)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // the line has the URL
		}
		return answer{err: fmt.Errorf("no answer: %w", err), retry: true, hint: "start the collector, or correct tracing.url; chertd doctor checks the connection"}
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // a shorter one is as good
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		refused, message := partialSuccess(text)
		return answer{refused: refused, message: shownText(message)}
	}
	return p.refusal(resp, text)
}

// refusal judges an answer that is not a success. Which ones to send again is the protocol's rule.
func (p *poster) refusal(resp *http.Response, body []byte) answer {
	a := answer{err: fmt.Errorf("the collector answered %d", resp.StatusCode)}
	// Errors are encoded, too, as a status whose second field is the message.
	if message := shownText(errorMessage(resp.Header.Get("Content-Type"), body)); message != "" && !p.secret(message) {
		a.err = fmt.Errorf("%w: %s", a.err, message)
	}
	switch code := resp.StatusCode; code {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		a.retry, a.after = true, notify.RetryAfter(resp.Header.Get("Retry-After"), p.c.Now())
		a.hint = "chertd sends the spans again; if it persists, look at the log of the collector"
	case http.StatusUnauthorized, http.StatusForbidden:
		a.hint = "correct tracing.token and tracing.header"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		a.hint = "tracing.url needs the whole path, which is /v1/traces as a rule"
	case http.StatusUnsupportedMediaType:
		a.hint = "tracing.url must take OTLP over HTTP, as protobuf"
	default:
		a.hint = "look at the log of the collector"
		if code >= 300 && code < 400 {
			a.hint = "redirects are not followed: write the final address as tracing.url"
		}
	}
	return a
}

// secret reports whether a text contains the value of the header.
func (p *poster) secret(text string) bool {
	_, token, _ := strings.Cut(p.c.Value, " ")
	return p.c.Value != "" && strings.Contains(text, p.c.Value) || token != "" && strings.Contains(text, token)
}

// partialSuccess reads ExportTraceServiceResponse, whose field 1 is ExportTracePartialSuccess: field 1
// counts the spans that were refused, and field 2 says why.
func partialSuccess(body []byte) (refused int64, message string) {
	eachField(body, func(field protowire.Number, _ uint64, inner []byte) {
		if field == 1 {
			eachField(inner, func(field protowire.Number, n uint64, text []byte) {
				switch field {
				case 1:
					refused = int64(n)
				case 2:
					message = string(text)
				}
			})
		}
	})
	return refused, message
}

// errorMessage returns the message of an answer that is an error.
func errorMessage(contentType string, body []byte) (message string) {
	if !strings.HasPrefix(contentType, "application/x-protobuf") {
		return string(body)
	}
	eachField(body, func(field protowire.Number, _ uint64, text []byte) {
		if field == 2 {
			message = string(text)
		}
	})
	return message
}

// eachField calls each with the fields of a message, varints as n and what has a length as b, up to
// where it is malformed.
func eachField(message []byte, each func(field protowire.Number, n uint64, b []byte)) {
	for len(message) > 0 {
		field, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return
		}
		message = message[size:]
		var n uint64
		var b []byte
		switch kind {
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			b, size = protowire.ConsumeBytes(message)
		default:
			size = protowire.ConsumeFieldValue(field, kind, message)
		}
		if size < 0 {
			return
		}
		each(field, n, b)
		message = message[size:]
	}
}

// shownText returns the beginning of a text as one line.
func shownText(text string) string {
	line := strings.Join(strings.Fields(valid(text)), " ")
	if len(line) > shown {
		line = valid(line[:shown]) + "…"
	}
	return diag.Visible(line)
}

package tracing

import (
	"net/url"
	"strconv"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"chertd/engine/dispatch"
	"chertd/rules/chat"
)

// serverName is the server of Chert's API, as attributes of spans name it.
type serverName struct {
	address string
	port    int64
}

// serverOf returns the server of a URL.
func serverOf(baseURL string) (s serverName) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return s
	}
	s.address, s.port = u.Hostname(), 443
	if u.Scheme == "http" {
		s.port = 80
	}
	if n, err := strconv.ParseInt(u.Port(), 10, 64); err == nil {
		s.port = n
	}
	return s
}

// callSpans returns the span of an attempt of a call, named and attributed as OpenTelemetry wants it of
// an HTTP client, and of the time that its first attempt waited for the rate, its line and a place.
func (r *Recorder) callSpans(a *dispatch.Attempt) []span {
	call := &a.Call
	of := &call.Actions[0]
	parent := keyAction + itoa(of.ID.N)
	method, path := dispatch.RequestOf(call.Kind)
	s := newSpan("call/"+itoa(of.ID.N)+"/"+itoa(int(a.Began.UnixMilli())), parent, method+" "+path, a.Began, a.Ended,
		text("http.request.method", method), text("url.template", path), text("chertd.action.id", of.ID.String()), text("chertd.call.kind", string(call.Kind)),
		text("chert.trace_id", a.TraceID))
	s.Kind = tracepb.Span_SPAN_KIND_CLIENT
	add := func(key string, value int64) { s.Attributes = append(s.Attributes, number(key, value)) }
	if n := len(call.Actions); n > 1 {
		add("chertd.call.actions", int64(n))
	}
	if n := call.Attempt - 1; n > 0 {
		add("http.request.resend_count", int64(n))
	}
	if a.HTTP != 0 {
		add("http.response.status_code", int64(a.HTTP))
	}
	if target, ok := chat.NotifyTarget(call.Chat); ok {
		s.Name = method + " notify"
		s.Attributes = append(s.Attributes, text("chertd.notify.target", target)) // its address may be secret
	} else if r.server.address != "" {
		s.Attributes = append(s.Attributes, text("server.address", r.server.address))
		add("server.port", r.server.port)
	}
	if e := a.Err; e != nil {
		kind := "no_answer"
		if e.Status != 0 {
			kind = strconv.Itoa(e.Status)
		}
		if e.Code != 0 {
			add("chert.error.code", int64(e.Code))
		}
		s.Attributes = append(s.Attributes, text("error.type", kind))
		s.fail("")
	}
	all := []span{s}
	if waits := notBefore(of.Due, of.Requested); call.Attempt == 1 && a.Began.After(waits) {
		all = append(all, newSpan("turn/"+itoa(of.ID.N)+"/"+itoa(int(a.Began.UnixMilli())), parent, "wait for the call", waits, a.Began))
	}
	return all
}

func itoa(n int) string { return strconv.Itoa(n) }

package tracing

import (
	"context"
	"net/http"
	"runtime"
	"testing"
	"time"

	"chertd/engine/dispatch"
	"chertd/engine/event"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// BenchmarkSpansOfARead makes, encodes and hands to a transport the spans of an event whose read is made
// immediately: what a sampled event costs.
func BenchmarkSpansOfARead(b *testing.B) {
	r, _ := recorder(&collector{answers: []func(*http.Request) (*http.Response, error){status(200, "")}})
	r.sender.post.client.Transport = discard{}
	now := time.Now()
	raw := []byte(`{"event": "message.received", "event_id": "chert:msg:1", "trace_id": "a1b2c3", "data": {"chat": {"id": "c1"}, "message": {"id": "m1", "parts": [{"type": "text", "value": "Your verification code is 482913"}]}}}`)
	e := &turn.Entry{Arrival: turn.Arrival{Received: now, Event: event.Event{ID: "chert:msg:1", Type: event.MessageReceived, Source: event.SourceWebhook, Raw: raw, Chat: &event.Chat{ID: "c1"}}}}
	d := &turn.Decision{At: now, Took: time.Millisecond, Rules: []turn.RuleDecision{{Pack: "codes", Version: "92a77dbc92a77dbc", Rule: "read codes", Place: "rules/codes.lua:1", Asked: []string{"mark_read"}, Steps: 40}}}
	a := chat.Action{Kind: chat.Read, Chat: "c1", Pack: "codes", Version: "92a77dbc92a77dbc", Rule: "read codes", Place: "rules/codes.lua:1", Status: chat.Done, Why: chat.WhyRead, Attempts: 1, TraceID: "a1b2c3d4", Requested: now, Ended: now}
	call := dispatch.Attempt{Call: chat.Call{Chat: "c1", Kind: chat.Read, Attempt: 1, Actions: []chat.Action{a}}, Began: now, Ended: now, HTTP: 200, TraceID: "a1b2c3d4"}
	outcome := func() string { return "waiting" }
	b.ReportAllocs()
	for i := range b.N {
		e.Seq = int64(i + 1)
		call.Call.Actions[0].ID.Seq, a.ID.Seq = e.Seq, e.Seq
		r.Journaled([]turn.Entry{*e})
		r.Handled(e, d, nil, outcome)
		r.Called(&call)
		r.Ended(&a)
		for len(r.reports) > maxQueued/2 {
			runtime.Gosched()
		}
	}
	r.Finish(context.Background())
	r.Close(context.Background())
	n := r.Counts()
	b.ReportMetric(float64(n.Dropped)/float64(b.N), "dropped/op")
}

// discard answers requests without a look at them.
type discard struct{}

func (discard) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

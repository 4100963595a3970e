package event

import "testing"

func TestTraceIDIsThatOfTheDelivery(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ source, raw, want string }{
		{SourceWebhook, `{"event_type":"message.received","trace_id":"a1b2c3d4e5f6"}`, "a1b2c3d4e5f6"},
		{SourceCatchup, `{"data":{"trace_id":"inner"},"trace_id":"outer"}`, "outer"},
		{SourceWebhook, `{"data":{"trace_id":"inner"}}`, ""},
		{SourceWebhook, `{"trace_id":17}`, ""},
		{SourceWebhook, `{"trace_id":null}`, ""},
		{SourceWebhook, `{"trace_id":"a\nb"}`, ""},
		{SourceWebhook, ``, ""},
		{SourceWebhook, `[1`, ""},
		{SourceSignal, `{"trace_id":"a1b2c3d4e5f6"}`, ""},
	} {
		e := Event{Source: test.source, Raw: []byte(test.raw)}
		if got := e.TraceID(); got != test.want {
			t.Errorf("trace_id of %s by %s is %q, want %q", test.raw, test.source, got, test.want)
		}
	}
}

package chert

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Only the documented shape says which message is the newest. What is not of that shape says
// nothing, and is not an outage of the way to Chert; a page of a proxy is.
func TestNewestIsTheDirectionOfTheLastMessage(t *testing.T) {
	t.Parallel()
	const in, out = `{"chat_id":"c1","direction":"inbound","created_at":"2026-01-05T12:00:00Z"}`, `{"chat_id":"c1","direction":"outbound","created_at":"2026-01-05T12:01:00Z"}`
	const form, last = "Chert's list of the chat's messages is not in its documented form", "the newest message that Chert lists "
	unclear := func(why string) Newest { return Newest{Unclear: why} }
	for body, want := range map[string]Newest{
		`{"messages":[` + in + `],"has_more":false}`:            {Direction: Inbound},
		`{"messages":[` + in + `,` + out + `],"has_more":true}`: {Direction: Outbound},
		`{"messages":[` + out + `,` + in + `]}`:                 unclear("Chert's list of the chat's messages is not oldest first"),
		`{"messages":[]}`:                                       unclear("Chert lists no messages of the chat"),
		`{"messages":null}`:                                     unclear("Chert lists no messages of the chat"),
		`{"messages":"none"}`:                                   unclear(form),
		`{"list":[]}`:                                           unclear(form),
		`{"messages":[{"chat_id":"c2","direction":"inbound","created_at":"2026-01-05T12:00:00Z"}]}`:                  unclear(last + "is of another chat"),
		`{"messages":[{"chat_id":"c1","direction":"sideways","created_at":"2026-01-05T12:00:00Z"}]}`:                 unclear(last + "is neither inbound nor outbound"),
		`{"messages":[{"chat_id":"c1","direction":7,"created_at":"2026-01-05T12:00:00Z"}]}`:                          unclear(form),
		`{"messages":[{"chat_id":"c1","direction":"inbound","created_at":null}]}`:                                    unclear(last + "has no time"),
		`{"messages":[{"chat_id":"c1","direction":"inbound","created_at":"yesterday"}]}`:                             unclear(form),
		`{"messages":[{"chat_id":"c1","direction":"inbound","created_at":"2026-01-05T14:00:00+02:00"},` + out + `]}`: {Direction: Outbound},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != "/api/v1/chats/c1/messages" {
				t.Errorf("%s %s", r.Method, r.URL.Path)
			}
			w.Write([]byte(body))
		}))
		got, _, err := newClient(t, server.URL, nil).Newest(t.Context(), "c1", Known{})
		server.Close()
		if got != want || err != nil {
			t.Errorf("%s: %+v, %v, want %+v", body, got, err, want)
		}
	}
	for _, c := range []struct {
		status  int
		body    string
		foreign bool
		code    int
	}{
		{200, "<html>log in</html>", true, 0},
		{502, "bad gateway", true, 0},
		{404, `{"error":{"code":2002,"message":"chat not found","retryable":false}}`, false, 2002},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			w.Write([]byte(c.body))
		}))
		got, _, err := newClient(t, server.URL, nil).Newest(t.Context(), "c1", Known{})
		server.Close()
		var e *Error
		if !errors.As(err, &e) || got != (Newest{}) || e.Foreign != c.foreign || e.Code != c.code {
			t.Errorf("%s: %+v, %+v", c.body, got, err)
		}
	}
}

// An answer that does not have a message that an event has brought is older than that message.
func TestNewestKnowsOfTheKnownMessage(t *testing.T) {
	t.Parallel()
	const out = `{"id":"m1","chat_id":"c1","direction":"outbound","created_at":"2026-01-05T12:00:00Z"}`
	const in = `{"id":"m2","chat_id":"c1","direction":"inbound","created_at":"2026-01-05T12:00:10Z"}`
	at := time.Date(2026, time.January, 5, 12, 0, 10, 0, time.UTC)
	stale := Newest{Unclear: "Chert's list does not have the chat's newest message yet, of 2026-01-05T12:00:10Z"}
	for _, test := range []struct {
		list  string
		known Known
		want  Newest
	}{
		{out, Known{}, Newest{Direction: Outbound}},
		{out, Known{IDs: []string{"m2"}, Sent: at}, stale},
		{out + "," + in, Known{IDs: []string{"m2"}, Sent: at}, Newest{Direction: Inbound}},
		{out + "," + in, Known{IDs: []string{"guid", "m2"}, Sent: at.Add(time.Minute)}, Newest{Direction: Inbound}}, // the event has another time
		{out + "," + in, Known{IDs: []string{"other id"}, Sent: at.Add(900 * time.Millisecond)}, Newest{Direction: Inbound}},
		{out, Known{IDs: []string{"m2"}, Sent: at.Add(-10 * time.Second)}, Newest{Direction: Outbound}}, // answered since
		{out, Known{IDs: []string{"m2"}}, Newest{Direction: Outbound}},                                  // its time is not known
	} {
		if got := newestOf("c1", test.known, []byte("["+test.list+"]")); got != test.want {
			t.Errorf("%s, known %+v: %+v, want %+v", test.list, test.known, got, test.want)
		}
	}
}

package chert

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
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
		got, _, err := newClient(t, server.URL, nil).Newest(t.Context(), "c1")
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
		got, _, err := newClient(t, server.URL, nil).Newest(t.Context(), "c1")
		server.Close()
		var e *Error
		if !errors.As(err, &e) || got != (Newest{}) || e.Foreign != c.foreign || e.Code != c.code {
			t.Errorf("%s: %+v, %+v", c.body, got, err)
		}
	}
}

package dispatch

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/rules/chat"
)

// roundTrip is a transport of a test.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A refusal for the clock corrects it, and the call is signed again, once. What
// Chert answers besides teaches its time; what others answer teaches nothing.
func TestCallIsSignedAgainAfterClockSkewOnce(t *testing.T) {
	t.Parallel()
	const date = "Sun, 24 May 2026 01:35:34 GMT"
	envelope := func(code int) string {
		return fmt.Sprintf(`{"success":false,"error":{"code":%d,"retryable":false}}`, code)
	}
	const success = `{"chat_id":"c1","status":"read"}`
	skew, gone, proxy := envelope(chert.CodeClockSkew), envelope(chert.CodeChatNotFound), "<html>"
	for _, tc := range []struct {
		name      string
		answers   []string // of each request
		corrects  bool     // whether learning corrects the clock
		learned   string   // of each Date: whether it came with a refusal
		code      int      // of the error; 0: success
		retryable bool
	}{
		{"success", []string{success}, false, "date", 0, false},
		{"success that corrects the clock", []string{success}, true, "date", 0, false},
		{"skew, corrected", []string{skew, success}, true, "refused", 0, false},
		{"skew, not corrected", []string{skew}, false, "refused", chert.CodeClockSkew, true},
		{"skew twice", []string{skew, skew}, true, "refused", chert.CodeClockSkew, true},
		{"skew, then another refusal", []string{skew, gone}, true, "refused", chert.CodeChatNotFound, false},
		{"another refusal", []string{gone}, false, "date", chert.CodeChatNotFound, false},
		{"another refusal that corrects the clock", []string{gone}, true, "date", chert.CodeChatNotFound, false},
		{"a proxy's page", []string{proxy}, true, "", -1, true},
	} {
		asked := 0
		api, err := chert.New(chert.Config{
			BaseURL: "http://127.0.0.1:1/api", Tenant: "acme", SigningSecret: "secret",
			Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				body := tc.answers[min(asked, len(tc.answers)-1)]
				asked++
				status := 401
				if body == success {
					status = 200
				}
				return &http.Response{StatusCode: status, Header: http.Header{"Date": {date}, "X-Trace-Id": {"t1"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		var learned []string
		client := NewClient(api, func(at time.Time, refused bool) bool {
			if at.Format(http.TimeFormat) != date {
				t.Errorf("%s: it learns %v", tc.name, at)
			}
			learned = append(learned, map[bool]string{true: "refused", false: "date"}[refused])
			return tc.corrects
		}, slog.New(slog.DiscardHandler))
		trace, err := client.Call(t.Context(), chat.Call{Chat: "c1", Kind: chat.Read, Actions: []chat.Action{{}}})
		e := asError(err)
		code, retryable := 0, false
		if e != nil {
			if code, retryable = e.Code, e.Retryable; e.Foreign {
				code = -1
			}
		}
		if code != tc.code || retryable != tc.retryable || asked != len(tc.answers) {
			t.Errorf("%s: code %d, retryable %t after %d requests; want %d, %t after %d", tc.name, code, retryable, asked, tc.code, tc.retryable, len(tc.answers))
		}
		if got := strings.Join(learned, " "); got != tc.learned {
			t.Errorf("%s: it learned %q, want %q", tc.name, got, tc.learned)
		}
		if e == nil && trace.TraceID != "t1" {
			t.Errorf("%s: trace %q", tc.name, trace.TraceID)
		}
	}
}

// What no call does is an error, and is not sent.
func TestUnknownKindIsNotCalled(t *testing.T) {
	t.Parallel()
	api, err := chert.New(chert.Config{
		BaseURL: "http://127.0.0.1:1/api", Tenant: "acme", SigningSecret: "secret",
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			t.Errorf("%s was asked", r.URL)
			return nil, io.EOF
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	client := NewClient(api, func(time.Time, bool) bool { return false }, slog.New(slog.DiscardHandler))
	_, err = client.Call(t.Context(), chat.Call{Chat: "c1", Kind: "dance", Actions: []chat.Action{{}}})
	if e := asError(err); e == nil || e.Retryable || e.Unknown || !strings.Contains(e.Error(), "dance") {
		t.Errorf("the call ended with %v", err)
	}
}

// A question has which message is the newest or, if Chert's answer does not say it, why not.
func TestQuestionThatIsNotAnsweredSaysWhy(t *testing.T) {
	t.Parallel()
	for messages, want := range map[string]Reply{
		`[{"chat_id":"c1","direction":"inbound","created_at":"2026-01-05T12:00:00Z"}]`:  {HTTP: 200, Newest: chat.NewestInbound},
		`[{"chat_id":"c1","direction":"outbound","created_at":"2026-01-05T12:00:00Z"}]`: {HTTP: 200, Newest: chat.NewestOutbound},
		`[]`: {HTTP: 200, Newest: chat.NewestUnknown, Unclear: "Chert lists no messages of the chat"},
	} {
		api, err := chert.New(chert.Config{
			BaseURL: "http://127.0.0.1:1/api", Tenant: "acme", SigningSecret: "secret",
			Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"messages":` + messages + `}`))}, nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		client := NewClient(api, func(time.Time, bool) bool { return false }, slog.New(slog.DiscardHandler))
		got, err := client.Call(t.Context(), chat.Call{Chat: "c1", Kind: chat.Question})
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", messages, got, err, want)
		}
	}
}

// RequestOf names the request that the client really makes, for each kind of call to Chert.
func TestRequestOfNamesTheRequest(t *testing.T) {
	t.Parallel()
	for _, kind := range []chat.Kind{chat.Read, chat.Typing, chat.React, chat.Send, chat.Question} {
		var made string
		api, err := chert.New(chert.Config{
			BaseURL: "http://127.0.0.1:1/api", Tenant: "acme", SigningSecret: "secret",
			Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
				made = req.Method + " " + strings.TrimPrefix(req.URL.Path, "/api")
				return nil, io.ErrUnexpectedEOF
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		client := NewClient(api, func(time.Time, bool) bool { return false }, slog.New(slog.DiscardHandler))
		call := chat.Call{Chat: "x17", Kind: kind, Actions: []chat.Action{{Kind: kind, Chat: "x17", Target: "x17", Body: []byte(`"x"`)}}}
		if _, err := client.Call(t.Context(), call); err == nil {
			t.Fatalf("%s succeeds", kind)
		}
		method, path := RequestOf(kind)
		if want := method + " " + strings.Replace(path, "{id}", "x17", 1); made != want {
			t.Errorf("a call of kind %s is %q, want %q", kind, made, want)
		}
	}
	if method, path := RequestOf(chat.Notify); method != http.MethodPost || path != "" {
		t.Errorf("a notification is %s %q", method, path)
	}
}

package chert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
)

// everyCall makes each call of the client, by its name.
var everyCall = map[string]func(*testing.T, *Client) error{
	"mark-read":     func(t *testing.T, c *Client) error { _, err := c.MarkRead(t.Context(), "c1"); return err },
	"typing":        func(t *testing.T, c *Client) error { _, err := c.Typing(t.Context(), "c1", "typing"); return err },
	"react":         func(t *testing.T, c *Client) error { _, err := c.React(t.Context(), "m1", "love"); return err },
	"send":          func(t *testing.T, c *Client) error { _, _, err := c.Send(t.Context(), "c1", "hi", "k"); return err },
	"messages":      func(t *testing.T, c *Client) error { _, _, _, err := c.Messages(t.Context(), "c1"); return err },
	"phone-numbers": func(t *testing.T, c *Client) error { _, _, err := c.PhoneNumbers(t.Context()); return err },
	"events":        func(t *testing.T, c *Client) error { _, _, err := c.Events(t.Context(), EventQuery{}); return err },
	"subscribe": func(t *testing.T, c *Client) error {
		_, _, err := c.Subscribe(t.Context(), NewSubscription{URL: "https://example.com"})
		return err
	},
	"change subscription": func(t *testing.T, c *Client) error {
		_, _, err := c.UpdateSubscription(t.Context(), "s1", SubscriptionChange{})
		return err
	},
	"subscriptions":       func(t *testing.T, c *Client) error { _, _, err := c.Subscriptions(t.Context()); return err },
	"replay":              func(t *testing.T, c *Client) error { _, err := c.Replay(t.Context(), "evt1", "s1"); return err },
	"delete subscription": func(t *testing.T, c *Client) error { _, err := c.DeleteSubscription(t.Context(), "s1"); return err },
}

// A call succeeds by its own documented answer, and by no other's.
func TestEachCallHasItsOwnSuccess(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{ // → the calls that it is the success of, besides those of undocumented answers
		`{"chat_id":"c1","status":"read"}`:                  "mark-read",
		`{"status":"sent","chat_id":"c1","state":"typing"}`: "typing react",
		`{"message":{"id":"m1"}}`:                           "send",
		`{"message":"queued"}`:                              "",
		`{"message":null}`:                                  "",
		`{"messages":[],"has_more":false}`:                  "messages",
		`{"messages":null}`:                                 "",
		`{"messages":{}}`:                                   "",
		`{"phone_numbers":[]}`:                              "phone-numbers",
		`{"events":[],"next_cursor":null}`:                  "events",
		`{"subscriptions":[]}`:                              "subscriptions",
		`{"subscription":{"id":"s1"}}`:                      "subscribe change_subscription",
		`{"id":"x1"}`:                                       "subscribe change_subscription",
		`{"event_id":"x1"}`:                                 "",
		`{}`:                                                "",
		`{"success":true}`:                                  "",
		`{"ok":true}`:                                       "",
	}
	undocumented := "delete_subscription replay"
	for body, list := range bodies {
		for name, call := range everyCall {
			s := newServer(t, answering(200, nil, body))
			err := call(t, newClient(t, s.URL, nil))
			want := strings.Contains(" "+list+" "+undocumented+" ", " "+strings.ReplaceAll(name, " ", "_")+" ")
			if (err == nil) != want {
				t.Errorf("%s answered with %s: %v, want success: %t", name, body, err, want)
			}
			if err != nil {
				if e := wantError(t, err); !e.Foreign || !e.Unknown || !e.Retryable || e.Call == "" {
					t.Errorf("%s answered with %s: %+v", name, body, *e)
				}
			}
		}
	}
	for name, call := range everyCall {
		for _, body := range []string{``, `null`, `[]`, `"read"`, `<html>`, `{"error":"x"}`, `{"success":false}`} {
			s := newServer(t, answering(200, nil, body))
			if err := call(t, newClient(t, s.URL, nil)); err == nil {
				t.Errorf("%s succeeded by %q", name, body)
			}
		}
		s := newServer(t, answering(204, nil, ""))
		err := call(t, newClient(t, s.URL, nil))
		if want := strings.Contains(" "+undocumented+" ", " "+strings.ReplaceAll(name, " ", "_")+" "); (err == nil) != want {
			t.Errorf("%s answered without content: %v, want success: %t", name, err, want)
		}
	}
}

// An answer is read to its bound and no further, and its connection is closed:
// whoever answers without an end can't fill the memory or keep the call.
func TestAnswersAreReadToTheirBound(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		call   string
		most   int64 // bytes that may be written before the connection is closed
	}{
		"a read":              {200, "mark-read", 8 << 20},
		"a refusal":           {404, "mark-read", 8 << 20},
		"a list":              {200, "events", 64 << 20},
		"a refusal of a list": {503, "events", 8 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var written atomic.Int64
			closed := make(chan struct{})
			s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				defer close(closed)
				w.WriteHeader(tc.status)
				io.WriteString(w, `{"success":false,"error":{"code":2002,"retryable":false},"x":"`)
				chunk := strings.Repeat("x", 64<<10)
				for {
					n, err := io.WriteString(w, chunk)
					if written.Add(int64(n)); err != nil {
						return
					}
				}
			})
			e := wantError(t, everyCall[tc.call](t, newClient(t, s.URL, nil)))
			<-closed
			if n := written.Load(); n > tc.most {
				t.Errorf("%d MiB were written before the connection was closed", n>>20)
			}
			if !e.Foreign || !e.Retryable || e.Code != 0 {
				t.Errorf("%+v, want it foreign: a cut answer says nothing", *e)
			}
		})
	}
	// What fits is read whole.
	for _, tc := range []struct {
		call, body string
		size       int
		ok         bool
	}{
		{"mark-read", `{"status":"read","x":"%s"}`, maxAnswer, true},
		{"mark-read", `{"status":"read","x":"%s"}`, maxAnswer + 1, false},
		{"events", `{"events":[],"x":"%s"}`, maxAnswer + 1, true},
		{"events", `{"events":[],"x":"%s"}`, maxList, true},
		{"events", `{"events":[],"x":"%s"}`, maxList + 1, false},
	} {
		body := fmt.Sprintf(tc.body, strings.Repeat("x", tc.size-len(tc.body)+2))
		s := newServer(t, answering(200, nil, body))
		if err := everyCall[tc.call](t, newClient(t, s.URL, nil)); (err == nil) != tc.ok || len(body) != tc.size || !tc.ok && !errors.Is(err, ErrTooLong) {
			t.Errorf("%s with %d bytes: %v, want success: %t", tc.call, len(body), err, tc.ok)
		}
	}
}

// FuzzAnswer: whatever is answered, a read succeeds only by the documented words,
// and ends only by a whole envelope.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		`{"chat_id":"c1","status":"read"}`, `{"status":"read","error":null,"success":true}`, `{"Status":"read"}`,
		`{"success":false,"error":{"status":404,"code":2002,"message":"m","retryable":false},"trace_id":"t"}`,
		`{"success":"false","error":{"code":"2002","retryable":"0","retry_after":" 3 "}}`, `{"error":{"code":1e3}}`, `<html>`, ``, `null`,
	} {
		f.Add(200, body)
		f.Add(404, body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		status = 200 + (status%400+400)%400
		if status == 204 || status == 304 {
			status = 200 // without a body
		}
		c := newClient(t, "http://127.0.0.1:1", func(cfg *Config) {
			cfg.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
			})
		})
		_, err := c.MarkRead(t.Context(), "c1")
		var got map[string]any
		valid := json.Unmarshal([]byte(body), &got) == nil && got != nil
		if err == nil {
			if !valid || status > 299 || got["status"] != "read" || got["error"] != nil || got["success"] == false {
				t.Fatalf("%d %q is a read", status, body)
			}
			return
		}
		e := wantError(t, err)
		inner, _ := got["error"].(map[string]any)
		switch {
		case e.Foreign && (!e.Retryable || e.Code != 0):
			t.Fatalf("%d %q ends the read, or has a code, and is not Chert's: %+v", status, body, *e)
		case !e.Foreign && (!valid || inner == nil || inner["code"] == nil || e.Code <= 0 || got["success"] == true):
			t.Fatalf("%d %q is taken for an envelope: %+v", status, body, *e)
		case e.RetryAfter < 0 || e.Message == "":
			t.Fatalf("%d %q: %+v", status, body, *e)
		}
	})
}

// What is not Chert's is described, so that one sees who answered; the status of
// an error is that of HTTP, but in a 2xx that of the envelope.
func TestAnswersAreDescribed(t *testing.T) {
	t.Parallel()
	html, text := http.Header{"Content-Type": {"text/html; charset=utf-8"}}, http.Header{"Content-Type": {"text/plain"}}
	for _, tc := range []struct {
		status  int
		header  http.Header
		body    string
		code    int // of the error's status
		message string
	}{
		{502, html, "<html>\n<head><TITLE>\n 502  Bad\tGateway </TITLE></head>", 502, "Bad Gateway; this answer is not from Chert (text/html: 502 Bad Gateway)"},
		{404, html, "<html><body>nothing here</body></html>", 404, "Not Found; this answer is not from Chert (text/html)"},
		{503, text, "  upstream connect\n error ", 503, "Service Unavailable; this answer is not from Chert (text/plain: upstream connect error)"},
		{500, text, strings.Repeat("é", 200), 500, "Internal Server Error; this answer is not from Chert (text/plain: " + strings.Repeat("é", 100) + "…)"},
		{599, http.Header{"Content-Type": nil}, "", 599, "unknown status; this answer is not from Chert (no content type)"},
		{200, html, "<title>Sign in</title>", 200, "the response is not a JSON object (text/html: Sign in)"},
		{404, text, `{"success":false,"error":{"status":503,"code":2002,"message":"m","retryable":false}}`, 404, "m"},
		{200, text, `{"success":false,"error":{"status":503,"code":2002,"message":"m","retryable":false}}`, 503, "m"},
		{200, text, `{"success":false,"error":{"code":2002,"retryable":false}}`, 200, "Chert gave no message"},
		{200, text, `{"success":false,"error":{"status":7,"code":2002,"retryable":false}}`, 200, "Chert gave no message"},
	} {
		s := newServer(t, answering(tc.status, tc.header, tc.body))
		_, err := newClient(t, s.URL, nil).MarkRead(t.Context(), "c1")
		if e := wantError(t, err); e.Status != tc.code || e.Message != tc.message {
			t.Errorf("%d %q: %d %q, want %d %q", tc.status, tc.body, e.Status, e.Message, tc.code, tc.message)
		}
	}
}

// The fast path reads what encoding/json reads, or leaves it to it.
func TestPlainObjectReadsAsJSONDoes(t *testing.T) {
	t.Parallel()
	plain := 0
	for _, body := range []string{
		`{"chat_id":"c1","status":"read"}`, "{\"chat_id\": \"c1\", \"status\": \"read\"}\n", " { \"a\" :\t\"b\" , \"a\" : \"c\" } ", `{"":""}`,
		`{}`, `{ }`, ``, `{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":"b"`, `{"a":"b",`, `{"a":"b",}`, `{"a":"b"} x`, `{"a":"b"}}`, `{"a" "b"}`, `{,"a":"b"}`, `{"a":"b";"c":"d"}`,
		`["a"]`, `"a"`, `null`, `{"a":1}`, `{"a":null}`, `{"a":"b","c":{"d":"e"}}`, `{"a":"\n"}`, `{"\u0061":"b"}`, `{"é":"b"}`, "{\"a\":\"\xff\"}", "{\"a\":\"\x00\"}", "{\"a\x0b\":\"b\"}",
	} {
		got := plainObject([]byte(body))
		if got == nil {
			continue
		}
		plain++
		var want map[string]json.RawMessage
		read := map[string]json.RawMessage{}
		for _, f := range got {
			read[f.name] = got.get(f.name)
		}
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Errorf("%q is not JSON, and becomes %q", body, got)
		} else if !reflect.DeepEqual(read, want) {
			t.Errorf("%q becomes %q, want %q", body, got, want)
		}
	}
	if plain != 4 {
		t.Errorf("%d of the objects are plain, want 4", plain)
	}
}

package chert

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Every documented error, in the documented bytes.
func TestDocumentedErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code, status int
		retryable    bool
		retryAfter   int // seconds
	}{
		{CodeMissingField, 400, false, 0},
		{CodeInvalidValue, 400, false, 0},
		{CodeInvalidValue, 422, false, 0}, // mark-read: no resolvable recipient
		{CodeInvalidJSON, 400, false, 0},
		{CodeRateLimited, 429, true, 2},
		{CodeTenantNotFound, 404, false, 0},
		{CodeChatNotFound, 404, false, 0},
		{CodeMessageNotFound, 404, false, 0},
		{CodeNotFound, 404, false, 0},
		{CodeBadSignature, 401, false, 0},
		{CodeNoCredentials, 401, false, 0},
		{CodeClockSkew, 401, false, 0},
		{CodeSuspended, 403, false, 0},
		{CodeNotPermitted, 403, false, 0},
		{CodeEmailNotVerified, 403, false, 0},
		{CodeAccountLimit, 402, false, 0},
		{CodeInternal, 500, true, 0},
		{CodeDeliveryUnavailable, 503, true, 0},
		{CodeDeliveryError, 502, true, 0},
		{CodeDeliveryUnconfigured, 500, false, 0},
		{CodeDeliveryFailed, 502, true, 0},
		{CodeLinesSaturated, 503, true, 30},
		{CodeUnknownEffect, 400, false, 0},
		{CodeNotSupported, 501, false, 0},
		{CodeNotSupported, 422, false, 0},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d with %d", tt.code, tt.status), func(t *testing.T) {
			t.Parallel()
			retryAfter, header := "", http.Header{
				"Content-Type": {"application/json"},
				"X-Trace-Id":   {"a1b2c3d4e5f6"},
				"Date":         {"Sun, 24 May 2026 01:35:34 GMT"},
			}
			if tt.retryAfter > 0 {
				retryAfter = fmt.Sprintf(`, "retry_after": %d`, tt.retryAfter)
				header.Set("Retry-After", fmt.Sprint(tt.retryAfter))
			}
			body := fmt.Sprintf(`{"success": false,
 "error": {"status": %d, "code": %d, "message": "what went wrong", "retryable": %t%s},
 "trace_id": "a1b2c3d4e5f6"}`, tt.status, tt.code, tt.retryable, retryAfter)
			s := newServer(t, answering(tt.status, header, body))
			_, err := newClient(t, s.URL, nil).MarkRead(t.Context(), "c1")
			got := *wantError(t, err)
			want := Error{
				Call: `mark chat "c1" as read`, Status: tt.status, Code: tt.code, Message: "what went wrong",
				Retryable: tt.retryable, RetryAfter: time.Duration(tt.retryAfter) * time.Second,
				TraceID: "a1b2c3d4e5f6", Date: testNow,
			}
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			text := fmt.Sprintf(`mark chat "c1" as read: %d, code %d: what went wrong (trace a1b2c3d4e5f6)`, tt.status, tt.code)
			if got.Error() != text {
				t.Errorf("reads %s\nwant  %s", got.Error(), text)
			}
		})
	}
}

// What counts is the envelope's word, whatever the status and the code say.
func TestRetryableIsTheEnvelopesWord(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		body   string
		want   bool
		code   int // 0: no envelope
	}{
		{"503 not to be repeated", 503, `{"success":false,"error":{"code":3002,"retryable":false}}`, false, 3002},
		{"404 to be repeated", 404, `{"success":false,"error":{"code":2002,"retryable":true}}`, true, 2002},
		{"envelope without it: 502", 502, `{"success":false,"error":{"code":4001}}`, true, 4001},
		{"envelope without it: 400", 400, `{"success":false,"error":{"code":1001}}`, false, 1001},
		{"fields of strange types", 503, `{"success":"no","error":{"code":"x","status":[],"message":7,"retryable":true}}`, true, 0},
		{"error as text", 403, `{"error":"forbidden"}`, false, 0},
		{"HTML 502", 502, `<html>Bad Gateway</html>`, true, 0},
		{"HTML 404", 404, `<html>Not Found</html>`, false, 0},
		{"408", 408, ``, true, 0},
		{"425", 425, ``, true, 0},
		{"429", 429, `slow down`, true, 0},
		{"500", 500, ``, true, 0},
		{"501 without the envelope", 501, ``, true, 0},
		{"504", 504, `null`, true, 0},
		{"400", 400, `[]`, false, 0},
		{"410", 410, `{}`, false, 0},
		{"success: false with 200", 200, `{"success":false,"error":{"status":503,"code":3002,"message":"m","retryable":true}}`, true, 3002},
		{"an error with 200", 200, `{"error":{"code":2002,"message":"m"}}`, false, 2002},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, answering(tt.status, nil, tt.body))
			_, err := newClient(t, s.URL, nil).MarkRead(t.Context(), "c1")
			e := wantError(t, err)
			// Without the envelope it was a proxy that gave up.
			unknown := !strings.Contains(tt.body, `"error"`) && (tt.status >= 500 || tt.status == 408)
			if e.Retryable != tt.want || e.Code != tt.code || e.Unknown != unknown || e.Message == "" {
				t.Errorf("%+v, want retryable=%t code=%d unknown=%t and a message", *e, tt.want, tt.code, unknown)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, header, body, date string
		want                     time.Duration
	}{
		{"body alone", "", "2", "", 2 * time.Second},
		{"header alone", "7", "0", "", 7 * time.Second},
		{"larger body", "2", "5", "", 5 * time.Second},
		{"larger header", "5", "2", "", 5 * time.Second},
		{"fraction", "", "0.5", "", 500 * time.Millisecond},
		{"date, by the server's clock", "Sun, 24 May 2026 02:00:10 GMT", "1", "Sun, 24 May 2026 02:00:00 GMT", 10 * time.Second},
		{"date, by ours", "Sun, 24 May 2026 01:35:54 GMT", "1", "-", 20 * time.Second},
		{"date gone by", "Sun, 24 May 2026 01:00:00 GMT", "0", "Sun, 24 May 2026 02:00:00 GMT", 0},
		{"negative", "-5", "-5", "", 0},
		{"nonsense", "soon", "1", "", time.Second},
		{"more than a day", "99999999999999", "1", "", 24 * time.Hour},
		{"more than a number holds", "99999999999999999999999", "1", "", time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			if tt.header != "" {
				header.Set("Retry-After", tt.header)
			}
			switch tt.date {
			case "":
			case "-":
				header["Date"] = nil // keeps the server from adding one
			default:
				header.Set("Date", tt.date)
			}
			s := newServer(t, answering(429, header, `{"success":false,"error":{"code":1007,"retryable":true,"retry_after":`+tt.body+`}}`))
			_, err := newClient(t, s.URL, nil).MarkRead(t.Context(), "c1")
			if e := wantError(t, err); e.RetryAfter != tt.want {
				t.Errorf("wait %v, want %v", e.RetryAfter, tt.want)
			}
		})
	}
}

// A 2xx that is not Chert's word is no success, and no failure either.
func TestMalformedSuccess(t *testing.T) {
	t.Parallel()
	huge := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"status":"read","x":"`)
		chunk := strings.Repeat("x", 1<<20)
		for range maxAnswer >> 20 {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
		io.WriteString(w, `"}`)
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"login page", answering(200, http.Header{"Content-Type": {"text/html; charset=utf-8"}}, "<html>Sign in</html>"), "text/html"},
		{"empty", answering(200, nil, ""), "not a JSON object"},
		{"array", answering(200, nil, "[]"), "not a JSON object"},
		{"null", answering(200, nil, "null"), "not a JSON object"},
		{"cut JSON", answering(200, nil, `{"chat_id":"c1","sta`), "not a JSON object"},
		{"cut body", answering(200, http.Header{"Content-Length": {"100"}}, `{"chat_id":"c1"}`), "cut short"},
		{"too long", huge, "longer than 16 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, tt.handler)
			_, err := newClient(t, s.URL, nil).MarkRead(t.Context(), "c1")
			e := wantError(t, err)
			if !e.Retryable || !e.Unknown || e.Status != 200 || !strings.Contains(e.Message, tt.want) {
				t.Errorf("%+v, want it retryable, unknown, and a message with %q", *e, tt.want)
			}
		})
	}
}

func TestSuccess(t *testing.T) {
	t.Parallel()
	date := http.Header{"Date": {"Sun, 24 May 2026 01:35:34 GMT"}}
	traced := date.Clone()
	traced.Set("X-Trace-ID", "h1")
	tests := []struct {
		name   string
		status int
		header http.Header
		body   string
		trace  string
	}{
		{"documented", 200, traced, `{"chat_id": "0f2d3c1a-8b4e-4f6a-90d2-1a3b4c5d6e7f", "status": "read"}`, "h1"},
		{"trace in the body", 200, date, `{"chat_id":"c1","status":"read","trace_id":"b1"}`, "b1"},
		{"success said", 200, date, `{"success":true,"error":null}`, ""},
		{"strange fields", 200, date, `{"chat_id":7,"status":[],"success":"yes"}`, ""},
		{"accepted", 202, date, `{}`, ""},
		{"no content", 204, date, ``, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, answering(tt.status, tt.header, tt.body))
			got, err := newClient(t, s.URL, nil).MarkRead(t.Context(), "c1")
			if err != nil {
				t.Fatal(err)
			}
			if want := (Reply{Status: tt.status, TraceID: tt.trace, Date: testNow}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestMessagesOfServersArePrintable(t *testing.T) {
	t.Parallel()
	got := printable("a\x1b[31m\r\nb\xff\u202ec " + strings.Repeat("é", 600))
	if want := "a[31m  bc " + strings.Repeat("é", 490) + "…"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

package chert

import (
	"fmt"
	"io"
	"net/http"
	"slices"
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
		{CodeEmailNotVerified, 403, false, 0},
		{CodeIntegrationMissing, 403, false, 0},
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

// The envelope alone says whether a call may be repeated, whatever the status and
// the code are. Without it nothing was said about the call: it is repeated.
func TestOnlyTheEnvelopeEndsACall(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		body   string
		want   bool
		code   int // 0: not Chert's
	}{
		{"503 not to be repeated", 503, `{"success":false,"error":{"code":3002,"retryable":false}}`, false, 3002},
		{"404 to be repeated", 404, `{"success":false,"error":{"code":2002,"retryable":true}}`, true, 2002},
		{"a code of the future", 418, `{"success":false,"error":{"code":6001,"retryable":false}}`, false, 6001},
		{"envelope without it: 502", 502, `{"success":false,"error":{"code":4001}}`, true, 4001},
		{"envelope without it: 400", 400, `{"success":false,"error":{"code":1001}}`, false, 1001},
		{"fields of strange types", 503, `{"success":"no","error":{"code":"x","status":[],"message":7,"retryable":true}}`, true, 0},
		{"fields of strange types in a 404", 404, `{"success":"no","error":{"code":"x","status":[],"message":7,"retryable":false}}`, true, 0},
		{"error as text", 403, `{"error":"forbidden"}`, true, 0},
		{"error as list", 403, `{"success":false,"error":[{"code":2002,"retryable":false}]}`, true, 0},
		{"another API's error", 404, `{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}`, true, 0},
		{"another API's error, almost Chert's", 404, `{"success":false,"error":{"code":404,"message":"no route","retryable":false}}`, true, 0},
		{"a code of the future, retryable unclear", 404, `{"success":false,"error":{"code":6001,"retryable":null}}`, true, 0},
		{"a code of the future without success", 404, `{"error":{"code":6001,"retryable":false}}`, true, 0},
		{"an error that succeeded", 404, `{"success":true,"error":{"code":2002,"retryable":false}}`, true, 0},
		{"names in capitals", 404, `{"Success":false,"Error":{"Code":2002,"Retryable":false}}`, true, 0},
		{"code in capitals", 404, `{"success":false,"error":{"Code":2002,"retryable":false}}`, true, 0},
		{"an envelope in a list", 404, `[{"success":false,"error":{"code":2002,"retryable":false}}]`, true, 0},
		{"a cut envelope", 404, `{"success":false,"error":{"code":2002,"retryable":false`, true, 0},
		{"two values", 404, `{"success":false,"error":{"code":2002,"retryable":false}} {}`, true, 0},
		{"HTML 502", 502, `<html>Bad Gateway</html>`, true, 0},
		{"HTML 404", 404, `<html>Not Found</html>`, true, 0},
		{"401", 401, ``, true, 0},
		{"402", 402, ``, true, 0},
		{"407", 407, ``, true, 0},
		{"408", 408, ``, true, 0},
		{"425", 425, ``, true, 0},
		{"429", 429, `slow down`, true, 0},
		{"500", 500, ``, true, 0},
		{"501 without the envelope", 501, ``, true, 0},
		{"504", 504, `null`, true, 0},
		{"599", 599, ``, true, 0},
		{"400", 400, `[]`, true, 0},
		{"410", 410, `{}`, true, 0},
		{"a read in a 404", 404, `{"chat_id":"c1","status":"read"}`, true, 0},
		{"success: false with 200", 200, `{"success":false,"error":{"status":503,"code":3002,"message":"m","retryable":true}}`, true, 3002},
		{"an error with 200", 200, `{"error":{"code":2002,"message":"m"}}`, false, 2002},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, answering(tt.status, nil, tt.body))
			_, err := newClient(t, s.URL, nil).MarkRead(t.Context(), "c1")
			e := wantError(t, err)
			foreign := tt.code == 0
			unknown := foreign && (tt.status >= 500 || tt.status == 408) // the proxy that gave up may have passed it on
			if e.Retryable != tt.want || e.Code != tt.code || e.Foreign != foreign || e.Unknown != unknown || e.Message == "" {
				t.Errorf("%+v, want retryable=%t code=%d foreign=%t unknown=%t and a message", *e, tt.want, tt.code, foreign, unknown)
			}
		})
	}
}

// Fields of other types are read for what they clearly mean, and for nothing else.
func TestFieldsAreReadForWhatTheyClearlyMean(t *testing.T) {
	t.Parallel()
	// Of a documented code whose usual value is another, so that a field that is
	// not read shows.
	for raw, want := range map[string]bool{
		`true`: true, `"true"`: true, `"TRUE"`: true, `" true "`: true, `1`: true, `1.0`: true, `"1"`: true, `1e0`: true, `"1.0"`: true, `"yes"`: true, `" Yes "`: true,
	} {
		if e := envelopeOf(object([]byte(`{"success":false,"error":{"code":2002,"retryable":` + raw + `}}`))); e == nil || e.retryable != want {
			t.Errorf("retryable %s of code 2002 is read as %+v, want %t", raw, e, want)
		}
	}
	for _, raw := range []string{`false`, `"false"`, `"False"`, `0`, `0.0`, `"0"`, `-0`, `"no"`, `"NO"`} {
		if e := envelopeOf(object([]byte(`{"success":false,"error":{"code":3002,"retryable":` + raw + `}}`))); e == nil || e.retryable {
			t.Errorf("retryable %s of code 3002 is read as %+v, want false", raw, e)
		}
	}
	// Not clear: the documented value counts; a code without one is not Chert's.
	for _, raw := range []string{`null`, `[]`, `{}`, `[true]`, `2`, `-1`, `0.5`, `"y"`, `"yes please"`, `"not now"`, `""`, `"null"`, `"2"`, `"0x1"`, `"NaN"`, `"tru"`} {
		for code, usual := range map[int]bool{2002: false, 3002: true} {
			e := envelopeOf(object(fmt.Appendf(nil, `{"success":false,"error":{"code":%d,"retryable":%s}}`, code, raw)))
			if e == nil || e.retryable != usual {
				t.Errorf("retryable %s of code %d is read as %+v, want the documented %t", raw, code, e, usual)
			}
		}
		if e := envelopeOf(object([]byte(`{"success":false,"error":{"code":6001,"retryable":` + raw + `}}`))); e != nil {
			t.Errorf("retryable %s of a code that is not documented is read as %+v", raw, e)
		}
	}
	for raw, want := range map[string]int{
		`1007`: 1007, `"1007"`: 1007, `" 1007 "`: 1007, `1007.0`: 1007, `"1007.0"`: 1007, `1.007e3`: 1007,
		`1007.5`: 0, `"x1007"`: 0, `[1007]`: 0, `null`: 0, `""`: 0, `{}`: 0, `true`: 0, `"0x3ef"`: 0, `1e99`: 0, `-1007`: 0,
	} {
		got := 0
		if e := envelopeOf(object([]byte(`{"success":false,"error":{"code":` + raw + `,"retryable":true}}`))); e != nil {
			got = e.code
		}
		if got != want {
			t.Errorf("code %s is read as %d, want %d", raw, got, want)
		}
	}
	for raw, want := range map[string]int{`2147483648`: 1 << 31, `2147483649`: 0, `-2147483648`: 0, `1000`: 1000, `999`: 0} {
		got := 0
		if e := envelopeOf(object([]byte(`{"success":false,"error":{"code":` + raw + `,"retryable":true}}`))); e != nil && e.code > 0 {
			got = e.code
		}
		if got != want {
			t.Errorf("code %s is read as %d, want %d", raw, got, want)
		}
	}
	for raw, want := range map[string]int{`99`: 0, `100`: 100, `503`: 503, `"599"`: 599, `600`: 0, `-404`: 0, `null`: 0} {
		e := envelopeOf(object([]byte(`{"success":false,"error":{"code":2002,"status":` + raw + `}}`)))
		if e == nil || e.status != want {
			t.Errorf("status %s is read as %+v, want %d", raw, e, want)
		}
	}
	for raw, want := range map[string]string{`"m"`: "m", `""`: "", `null`: "", `7`: "", `["m"]`: ""} {
		f := object([]byte(`{"message":` + raw + `}`))
		if got, ok := f.text("message"); got != want || ok != (raw[0] == '"') {
			t.Errorf("text %s is read as %q, %t", raw, got, ok)
		}
	}
	for raw, want := range map[string]time.Duration{
		`2`: 2 * time.Second, `"2"`: 2 * time.Second, `2.5`: 2500 * time.Millisecond, `"2.5"`: 2500 * time.Millisecond, `"  3 "`: 3 * time.Second,
		`1e1`: 10 * time.Second, `1e999`: 24 * time.Hour, `"1e999"`: 24 * time.Hour, `99999999999999999999`: 24 * time.Hour,
		`0`: 0, `-1`: 0, `"-1"`: 0, `-1e999`: 0, `null`: 0, `[]`: 0, `{}`: 0, `""`: 0, `"soon"`: 0, `"2s"`: 2 * time.Second, `" 2.5 S "`: 2500 * time.Millisecond, `"500ms"`: 500 * time.Millisecond, `"3 seconds"`: 3 * time.Second,
		`"2m"`: 2 * time.Minute, `"1 hour"`: time.Hour, `"99h"`: 24 * time.Hour, `"-2s"`: 0, `"s"`: 0, `"2 fortnights"`: 0, `"2s ago"`: 0, `"1.2.3s"`: 0, `"2 3s"`: 0, `true`: 0, `"inf"`: 0, `"nan"`: 0, `"0x10"`: 0,
	} {
		e := envelopeOf(object([]byte(`{"success":false,"error":{"code":1007,"retryable":true,"retry_after":` + raw + `}}`)))
		if e == nil || e.retryAfter != want {
			t.Errorf("retry_after %s is read as %+v, want %v", raw, e, want)
		}
	}
	for _, raw := range []string{`false`, `"false"`, `0`, `"0"`} {
		if e := envelopeOf(object([]byte(`{"success":` + raw + `,"error":{"code":6001,"retryable":false}}`))); e == nil {
			t.Errorf("success %s is not read as false", raw)
		}
	}
}

// The documented table is the one of the documentation.
func TestEachDocumentedCodeHasItsUsualValue(t *testing.T) {
	t.Parallel()
	yes := []int{CodeRateLimited, CodeInternal, CodeDeliveryUnavailable, CodeDeliveryError, CodeDeliveryFailed, CodeLinesSaturated}
	for _, code := range []int{1001, 1002, 1004, 1007, 2001, 2002, 2003, 2004, 2005, 2007, 2008, 2010, 2011, 2012, 2013, 3001, 3002, 3003, 3004, 4001, 4002, 4098, 4099} {
		e := envelopeOf(object(fmt.Appendf(nil, `{"success":false,"error":{"code":%d}}`, code)))
		if e == nil || e.retryable != slices.Contains(yes, code) {
			t.Errorf("code %d without retryable is read as %+v, want retryable=%t", code, e, slices.Contains(yes, code))
		}
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
		{"more than a number holds", "99999999999999999999999", "1", "", 24 * time.Hour},
		{"fraction in the header", " 2.5 ", "1", "", 2500 * time.Millisecond},
		{"body as text", "", `"  3 "`, "", 3 * time.Second},
		{"header with a unit", "7s", "1", "", 7 * time.Second},
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

// A 2xx answer without the documented shape counts neither as a success nor as a
// failure.
func TestMalformedSuccess(t *testing.T) {
	t.Parallel()
	huge := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"status":"read","x":"`)
		chunk := strings.Repeat("x", 1<<20)
		for range 2 {
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
		{"cut body", answering(200, http.Header{"Content-Length": {"100"}}, `{"chat_id":"c1"}`), "truncated"},
		{"cut body of the documented success", answering(200, http.Header{"Content-Length": {"100"}}, `{"chat_id":"c1","status":"read"}`), "truncated"},
		{"too long", huge, "longer than 64 KiB"},
		{"no content", answering(204, nil, ""), "not a JSON object"},
		{"nothing documented", answering(202, nil, "{}"), `"status": "read"`},
		{"success said, nothing else", answering(200, nil, `{"success":true,"error":null}`), `"status": "read"`},
		{"status of another type", answering(200, nil, `{"chat_id":7,"status":["read"],"success":"yes"}`), `"status": "read"`},
		{"another status", answering(200, nil, `{"chat_id":"c1","status":"failed"}`), `"status": "failed", not "read"`},
		{"another case", answering(200, nil, `{"chat_id":"c1","status":"Read"}`), `not "read"`},
		{"another name", answering(200, nil, `{"chat_id":"c1","Status":"read"}`), `"status": "read"`},
		{"the success of another call", answering(200, nil, `{"chat_id":"c1","status":"sent"}`), `not "read"`},
		{"in a list", answering(200, nil, `[{"chat_id":"c1","status":"read"}]`), "not a JSON object"},
		{"an error as text", answering(200, nil, `{"error":"upstream unavailable"}`), "reports an error"},
		{"an error as list", answering(200, nil, `{"error":["x"]}`), "reports an error"},
		{"read, and an error", answering(200, nil, `{"chat_id":"c1","status":"read","error":"x"}`), "reports an error"},
		{"read, and no success", answering(200, nil, `{"chat_id":"c1","status":"read","success":"false"}`), "reports an error"},
		{"another API's", answering(200, nil, `{"detail":"Not Found"}`), `"status": "read"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, tt.handler)
			_, err := newClient(t, s.URL, nil).MarkRead(t.Context(), "c1")
			e := wantError(t, err)
			if !e.Retryable || !e.Unknown || !e.Foreign || e.Status/100 != 2 || !strings.Contains(e.Message, tt.want) {
				t.Errorf("%+v, want it foreign, retryable, unknown, and a message with %q", *e, tt.want)
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
		{"success said", 200, date, `{"chat_id":"c1","status":"read","success":true,"error":null}`, ""},
		{"strange fields", 200, date, `{"chat_id":7,"status":"read","success":"yes","new":[]}`, ""},
		{"accepted", 202, date, `{"chat_id":"c1","status":"read"}`, ""},
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
	if want := `a\x1b[31m  b` + "\ufffd" + `\u202ec ` + strings.Repeat("é", 479) + "…"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

package chert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Bounds of an answer's body, in bytes. A longer body is not parsed: its connection
// is closed, and it counts as foreign.
const (
	maxAnswer = 64 << 10 // of a call and of every error
	maxList   = 16 << 20 // of a list, such as a page of 200 rows of the events log
)

// ErrTooLong is the cause of the error of a good answer that is too long to be read.
var ErrTooLong = errors.New("the response is too long")

// read returns the reply or the error in an answer.
//
// Only the documented shapes are Chert's answers: the call's own success, and the
// error envelope, with any HTTP status. Everything else comes from something on the
// way to Chert, such as a proxy, a captive portal or the wrong host. It says nothing
// about the chat or account of the call; see Error.Foreign.
func (c *Client) read(resp *http.Response, k *call, into any) (Reply, *Error) {
	found := Error{Status: resp.StatusCode}
	if c.examine(resp, k, into, &found) {
		return Reply{Status: found.Status, TraceID: found.TraceID, Date: found.Date}, nil
	}
	e := found // only an error is on the heap
	return Reply{}, &e
}

// examine reports whether an answer is the success of a call. Else e gets what is wrong.
func (c *Client) examine(resp *http.Response, k *call, into any, e *Error) bool {
	good := resp.StatusCode >= 200 && resp.StatusCode <= 299
	limit := maxAnswer
	if good && k.list {
		limit = maxList
	}
	body, readErr := readBody(resp, limit)
	var fields fields
	if readErr == nil && len(body) <= limit {
		fields = object(body)
	}
	answered(resp, e)
	if e.TraceID == "" {
		trace, _ := fields.text("trace_id")
		e.TraceID = printable(trace)
	}

	if env := envelopeOf(fields); env != nil {
		e.Code, e.Message, e.Retryable = env.code, env.message, env.retryable
		if env.status != 0 && good {
			e.Status = env.status
		}
		e.RetryAfter = max(c.retryAfter(resp.Header.Get("Retry-After"), e.Date), env.retryAfter)
		if e.Message == "" {
			e.Message = "Chert gave no message"
		}
		return false
	}
	e.Foreign, e.Retryable = true, true
	if !good {
		e.RetryAfter = c.retryAfter(resp.Header.Get("Retry-After"), e.Date)
		// A proxy that gave up may have forwarded the call before.
		e.Unknown = resp.StatusCode >= 500 || resp.StatusCode == http.StatusRequestTimeout
		e.Message = notChert(resp) + describe(resp, body)
		return false
	}
	e.Unknown = true
	quoted := body
	if k.private {
		quoted = nil
	}
	switch noContent := resp.StatusCode == http.StatusNoContent && k.success == nil; {
	case k.stream:
		e.Message = notStream(resp, body)
	case readErr != nil:
		e.Message, e.cause = "the response was truncated: "+readErr.Error(), readErr
	case len(body) > limit:
		e.Message, e.cause = fmt.Sprintf("the response is longer than %d KiB", limit>>10), ErrTooLong
	case fields == nil && !noContent:
		e.Message = "the response is not a JSON object" + describe(resp, quoted)
	case fields.reportsFailure():
		e.Message = "the response reports an error, but not in Chert's format" + describe(resp, quoted)
	case k.success != nil:
		if missing := k.success(fields); missing != "" {
			e.Message = "the response " + missing + describe(resp, quoted)
		}
	}
	if e.Message == "" && into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			e.Message, e.cause = "the response does not match the documented format: "+err.Error(), err
		}
	}
	return e.Message == ""
}

// answered sets what the header of an answer tells: Date and TraceID.
func answered(resp *http.Response, e *Error) {
	if text := resp.Header.Get("Date"); text != "" {
		e.Date, _ = http.ParseTime(text)
	}
	e.TraceID = printable(resp.Header.Get("X-Trace-Id"))
}

// readBody reads the body of an answer, and a byte more if it is longer than limit.
func readBody(resp *http.Response, limit int) ([]byte, error) {
	if n := resp.ContentLength; n > 0 && n < maxAnswer {
		// One byte more makes sure that the end is read: a stream of HTTP/2 that is
		// closed before its end is reset.
		body := make([]byte, n+1)
		got, err := io.ReadFull(resp.Body, body)
		if int64(got) == n && errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil
		}
		return body[:got], err
	}
	return io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
}

// success returns how an answer differs from the documented success of a call, in
// words that follow "the response"; "" if it does not.
type success func(fields) string

var isRead = statusIs("read")

// statusIs returns the success of calls that are answered {"status": want}.
func statusIs(want string) success {
	return func(f fields) string {
		switch got, ok := f.text("status"); {
		case !ok:
			return fmt.Sprintf(`does not have "status": %q`, want)
		case got != want:
			return fmt.Sprintf(`has "status": %q, not %q`, printable(got), want)
		}
		return ""
	}
}

// hasObject returns the success of calls that are answered with an object in a field.
func hasObject(name string) success {
	return func(f fields) string {
		if object(f.get(name)) == nil {
			return fmt.Sprintf("has no object in %q", name)
		}
		return ""
	}
}

// hasList returns the success of calls that are answered with a list in a field.
func hasList(name string) success {
	return func(f fields) string {
		var list []json.RawMessage
		if json.Unmarshal(f.get(name), &list) != nil || list == nil {
			return fmt.Sprintf("has no list of %s", strings.ReplaceAll(name, "_", " "))
		}
		return ""
	}
}

// retryAfter reads a Retry-After header in both forms, seconds and a date. The date
// counts from the server's own clock if that is known.
func (c *Client) retryAfter(header string, date time.Time) time.Duration {
	if wait, ok := plainWait(header); ok {
		return wait
	}
	at, err := http.ParseTime(strings.TrimSpace(header))
	if err != nil {
		return 0
	}
	if date.IsZero() {
		date = c.cfg.Now()
	}
	return seconds(at.Sub(date).Seconds())
}

// notChert describes the status of a foreign answer for people.
func notChert(resp *http.Response) string {
	what := http.StatusText(resp.StatusCode)
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		what = "redirected to " + locationHost(resp) + ", which is not followed"
	}
	if what == "" {
		what = "unknown status"
	}
	return what + "; this answer is not from Chert"
}

// describe describes an answer for people: its content type, and the title of a page
// or the first words of a text.
func describe(resp *http.Response, body []byte) string {
	media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if media == "" {
		media = "no content type"
	}
	return " (" + printable(media) + excerpt(body) + ")"
}

var title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`)

// excerpt returns the title of a page or the first words of a text, after a colon.
func excerpt(body []byte) string {
	const most = 100
	text := string(body[:min(len(body), 4<<10)])
	if m := title.FindStringSubmatch(text); m != nil {
		text = m[1]
	} else if strings.HasPrefix(strings.TrimSpace(text), "<") {
		return ""
	}
	text = strings.Join(strings.Fields(printable(text)), " ")
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	if text == "" {
		return ""
	}
	return ": " + text
}

func locationHost(resp *http.Response) string {
	location, err := url.Parse(resp.Header.Get("Location"))
	switch {
	case err != nil:
		return "an unreadable address"
	case location.Host == "":
		return "another path of the same host"
	}
	return printable(location.Host)
}

package chert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// answer is what every body may hold besides the result.
type answer struct {
	Success any        `json:"success"` // false is what counts
	TraceID string     `json:"trace_id"`
	Error   *wireError `json:"error"`
}

type wireError struct {
	Status     int     `json:"status"`
	Code       int     `json:"code"`
	Message    string  `json:"message"`
	Retryable  *bool   `json:"retryable"`
	RetryAfter float64 `json:"retry_after"` // seconds
}

// read makes a reply or an error of what was answered.
//
// Success is a 2xx whose body is a JSON object that tells of no error, or a
// 204. Anything else with a 2xx, such as the login page of a proxy or a body cut
// short, is no word of Chert's: what became of the call is unknown.
func (c *Client) read(resp *http.Response, into any) (Reply, *Error) {
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	var a answer
	object := readErr == nil && len(body) <= maxAnswer && isObject(body) && lenient(json.Unmarshal(body, &a))
	date, _ := http.ParseTime(resp.Header.Get("Date"))
	trace := resp.Header.Get("X-Trace-Id")
	if trace == "" {
		trace = a.TraceID
	}
	e := &Error{Status: resp.StatusCode, TraceID: printable(trace), Date: date}

	if resp.StatusCode < 200 || resp.StatusCode > 299 || object && failed(a) {
		c.explain(e, resp, a)
		return Reply{}, e
	}
	noContent := resp.StatusCode == http.StatusNoContent && readErr == nil && into == nil
	switch {
	case readErr != nil:
		e.Message, e.cause = "the answer was cut short: "+readErr.Error(), readErr
	case len(body) > maxAnswer:
		e.Message = fmt.Sprintf("the answer is longer than %d MiB", maxAnswer>>20)
	case !object && !noContent:
		e.Message = fmt.Sprintf("the answer is not a JSON object but %s: is there a proxy in between?", kind(resp))
	case into != nil:
		if err := json.Unmarshal(body, into); err != nil {
			e.Message, e.cause = "the answer has not the documented shape: "+err.Error(), err
		}
	}
	if e.Message != "" {
		e.Retryable, e.Unknown = true, true
		return Reply{}, e
	}
	return Reply{Status: resp.StatusCode, TraceID: e.TraceID, Date: date}, nil
}

// failed reports whether a body says that the call failed, whatever its status.
func failed(a answer) bool {
	return a.Success == false || a.Error != nil && (a.Error.Code != 0 || a.Error.Message != "")
}

// explain fills in what an answer says about its failure.
func (c *Client) explain(e *Error, resp *http.Response, a answer) {
	e.Retryable = retryableStatus(resp.StatusCode)
	e.RetryAfter = c.retryAfter(resp.Header.Get("Retry-After"), e.Date)
	w := a.Error
	switch {
	case w != nil:
		e.Code, e.Message = w.Code, printable(w.Message)
		if w.Retryable != nil {
			e.Retryable = *w.Retryable
		}
		if w.Status != 0 && resp.StatusCode < 300 {
			e.Status = w.Status
		}
		e.RetryAfter = max(e.RetryAfter, seconds(w.RetryAfter))
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusRequestTimeout:
		// A proxy gave up on Chert, which may have gone on without it.
		e.Unknown = true
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		e.Message = "redirected to " + locationHost(resp) + ", not followed: is base_url right?"
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("%s, without an explanation (%s)", http.StatusText(resp.StatusCode), kind(resp))
	}
}

// retryAfter reads the header's two forms, seconds and a date, which is
// reckoned from the server's own clock where that is known.
func (c *Client) retryAfter(header string, date time.Time) time.Duration {
	if n, err := strconv.ParseUint(strings.TrimSpace(header), 10, 63); err == nil {
		return seconds(float64(n))
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	if date.IsZero() {
		date = c.cfg.Now()
	}
	return seconds(at.Sub(date).Seconds())
}

// seconds is a wait of n seconds; a day is the longest that makes sense, as
// nothing is tried for longer.
func seconds(n float64) time.Duration {
	if math.IsNaN(n) || n <= 0 {
		return 0
	}
	return time.Duration(min(n, 86400) * float64(time.Second))
}

func isObject(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{"))
}

// lenient takes a body in which some field has another type than expected:
// encoding/json has read all the others.
func lenient(err error) bool {
	_, wrongType := errors.AsType[*json.UnmarshalTypeError](err)
	return err == nil || wrongType
}

// kind says what a body is, in the words of its header.
func kind(resp *http.Response) string {
	media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if media == "" {
		return "without a content type"
	}
	return printable(media)
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

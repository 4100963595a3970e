package chert

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Error is how a call failed: Chert's answer, or that there was none.
type Error struct {
	Call    string // what was being done, for people
	Status  int    // HTTP status; 0: no answer
	Code    int    // Chert's code; 0: the answer had no error envelope, or there was none
	Message string // for people; may change at any time

	// Retryable is what Chert's envelope says. It is also true of an answer that
	// is not Chert's, and of no answer at all.
	Retryable  bool
	RetryAfter time.Duration // the larger of body and header, at most a day; 0: not said

	TraceID string
	Date    time.Time // Chert's clock when it answered; zero if unknown

	// Foreign says that an answer came which does not have the documented shape:
	// it is not Chert's, and says nothing about the chat, message or account that
	// the call was for. See Client.read.
	Foreign bool

	// Unknown says that the call may have been carried out all the same: it may
	// have reached Chert, and no answer of Chert's came back. That is no answer at
	// all, a foreign 408 or 5xx, or a 2xx without the documented success. What is
	// not idempotent must not be repeated then.
	Unknown bool

	cause error
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Call != "" {
		fmt.Fprintf(&b, "%s: ", e.Call)
	}
	switch {
	case e.Status != 0 && e.Code != 0:
		fmt.Fprintf(&b, "%d, code %d: ", e.Status, e.Code)
	case e.Status != 0:
		fmt.Fprintf(&b, "%d: ", e.Status)
	}
	b.WriteString(e.Message)
	if e.TraceID != "" {
		fmt.Fprintf(&b, " (trace %s)", e.TraceID)
	}
	return b.String()
}

// Unwrap gives the cause where it was not Chert: context.Canceled, a net.Error.
func (e *Error) Unwrap() error { return e.cause }

// transportError is the error of a call that got no answer.
func transportError(err error, sent bool, timeout time.Duration) *Error {
	message := "no answer: " + err.Error()
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		message = fmt.Sprintf("no answer in time (timeout %v)", timeout)
	case !sent:
		message = "can't connect: " + err.Error()
	}
	return &Error{Message: message, Retryable: true, Unknown: sent, cause: err}
}

// printable makes one line of a server's message, cuts it to 500 characters, and
// escapes what a terminal would obey rather than show.
func printable(s string) string {
	const limit = 500
	var b strings.Builder
	for _, r := range s[:min(len(s), utf8.UTFMax*(limit+1))] { // what is beyond is not shown
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	if runes := []rune(b.String()); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return b.String()
}

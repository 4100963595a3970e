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

// Error is how a call failed: with an error of Chert's, a foreign answer, or no answer.
type Error struct {
	Call    string // what was being done, for people
	Status  int    // HTTP status; 0: no answer
	Code    int    // Chert's code; 0: the answer had no error envelope, or there was none
	Message string // for people; may change at any time

	// Retryable is the field of Chert's envelope. It is also true for a foreign answer
	// and for no answer.
	Retryable  bool
	RetryAfter time.Duration // the larger of body and header, at most a day; 0: none

	TraceID string
	Date    time.Time // Chert's clock when it answered; zero if unknown

	// Foreign is set if the answer does not have the documented shape. Something on the
	// way to Chert sent it, so nothing follows from it about the chat, message or
	// account of the call.
	Foreign bool

	// Unknown is set if Chert may have carried the call out: the request may have
	// reached Chert, and no answer of Chert's came back. It is set without an answer,
	// for a foreign 408 or 5xx, and for a 2xx without the documented success. A call
	// that is not idempotent must not be repeated then.
	Unknown bool

	// Local is set if chertd itself answered, and made no call: it knows what Chert would
	// answer.
	Local bool

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

// Unwrap returns the cause if it was not Chert, such as context.Canceled or a net.Error.
func (e *Error) Unwrap() error { return e.cause }

// transportError returns the error of a call without an answer.
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

// printable makes a server's message one line of at most 500 characters, and escapes
// control characters.
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

package chertsim

import (
	"slices"
	"strconv"
)

// apiError is the error in the documented envelope.
type apiError struct {
	Status     int    `json:"status"`
	Code       int    `json:"code"`
	Message    string `json:"message"`
	Retryable  bool   `json:"retryable"`
	RetryAfter int    `json:"retry_after,omitempty"` // whole seconds
}

type errorEnvelope struct {
	Success bool      `json:"success"`
	Error   *apiError `json:"error"`
	TraceID string    `json:"trace_id"`
}

// codes has the documented errors with their usual HTTP status.
var codes = map[int]apiError{
	1001: {Status: 400, Message: "missing field"},
	1002: {Status: 400, Message: "invalid value"},
	1004: {Status: 400, Message: "invalid JSON"},
	1007: {Status: 429, Message: "rate limited", Retryable: true, RetryAfter: 1},
	2001: {Status: 404, Message: "tenant not found"},
	2002: {Status: 404, Message: "chat not found"},
	2003: {Status: 404, Message: "message not found"},
	2004: {Status: 401, Message: "bad signature or token"},
	2005: {Status: 403, Message: "tenant suspended, or not permitted"},
	2007: {Status: 403, Message: "email not verified"},
	2008: {Status: 402, Message: "account limit reached"},
	2010: {Status: 403, Message: "integration missing"},
	2011: {Status: 404, Message: "resource not found"},
	2012: {Status: 401, Message: "no credentials"},
	2013: {Status: 401, Message: "timestamp skew"},
	3001: {Status: 500, Message: "internal error", Retryable: true},
	3002: {Status: 503, Message: "delivery unavailable", Retryable: true},
	3003: {Status: 500, Message: "delivery service not configured"},
	3004: {Status: 502, Message: "delivery service error", Retryable: true},
	4001: {Status: 502, Message: "delivery failed", Retryable: true},
	4002: {Status: 503, Message: "all lines saturated for this recipient", Retryable: true, RetryAfter: 1},
	4098: {Status: 400, Message: "unknown effect"},
	4099: {Status: 501, Message: "not supported on this phone line"},
}

// problem returns the documented error of a code. message replaces the usual one unless
// it is "".
func problem(code int, message string) *apiError {
	e := codes[code]
	e.Code = code
	if message != "" {
		e.Message = message
	}
	return &e
}

// onRoute changes an error to what its route documents: mark-read answers 1002 with 422,
// and other routes answer 4099 with 422.
func (e *apiError) onRoute(route string) *apiError {
	switch {
	case e.Code == 1002 && route == "mark-read":
		e.Status = 422
	case e.Code == 4099 && route != "mark-read":
		e.Status = 422
	}
	return e
}

// knownCodes returns the documented codes in order, for messages.
func knownCodes() string {
	var list []int
	for code := range codes {
		list = append(list, code)
	}
	slices.Sort(list)
	var text []byte
	for i, code := range list {
		if i > 0 {
			text = append(text, ' ')
		}
		text = strconv.AppendInt(text, int64(code), 10)
	}
	return string(text)
}

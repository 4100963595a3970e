package chertsim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"chertd/engine/wait"
)

// Modes of a FailRule.
const (
	FailEnvelope  = "envelope"  // the documented error envelope (default)
	FailHTML      = "html"      // a proxy's 502 without the envelope
	FailRaw       = "raw"       // Status (default 200) with Body as it is, such as the answer of another API
	FailHang      = "hang"      // no answer until the caller gives up, or for Delay
	FailReset     = "reset"     // the connection is reset
	FailTruncated = "truncated" // the call takes effect, and its answer is truncated
	FailSlow      = "slow"      // the call takes effect, and is answered after Delay
)

// FailRule makes calls fail: those of a Route, a Chat and a Line. Empty is any.
type FailRule struct {
	Route string `json:"route"` // see apiRoutes: mark-read, messages, send, typing, react, events, stream …
	Chat  string `json:"chat"`
	Line  string `json:"line"` // of the chat, as a phone number

	Mode       string `json:"mode"`
	Code       int    `json:"code"`        // of the envelope
	Status     int    `json:"status"`      // default the code's own; 502 for html, 200 for raw
	Body       string `json:"body"`        // of raw
	Retryable  *bool  `json:"retryable"`   // default the code's own
	RetryAfter int    `json:"retry_after"` // whole seconds; default the code's own

	Times       int           `json:"times"`       // how often; 0: until ClearFaults
	Probability float64       `json:"probability"` // share of the calls; 0: all
	Delay       time.Duration `json:"-"`           // "delay": "2s" over the control route
	// With Applied the call takes effect and only its answer fails, which a caller
	// can't distinguish from a call without effect. The stream opens, and then hangs or
	// is reset.
	Applied bool `json:"applied"`
	// After is how many events the stream sends before it hangs, is reset or is truncated,
	// which is in the middle of the next event. Above 0 it implies Applied.
	After int `json:"after"`
}

// fault is a rule, and how often it still applies.
type fault struct {
	FailRule
	left int
}

// Fail adds a rule. The first one that matches a call applies.
func (s *Sim) Fail(rule FailRule) error {
	if rule.Mode == "" {
		rule.Mode = FailEnvelope
	}
	modes := []string{FailEnvelope, FailHTML, FailRaw, FailHang, FailReset, FailTruncated, FailSlow}
	if !slices.Contains(modes, rule.Mode) {
		return fmt.Errorf("fail rule: unknown mode %q; the modes are %s", rule.Mode, strings.Join(modes, ", "))
	}
	var names []string
	for _, rt := range apiRoutes {
		names = append(names, rt.name)
	}
	if rule.Route != "" && !slices.Contains(names, rule.Route) {
		return fmt.Errorf("fail rule: unknown route %q; the routes are %s", rule.Route, strings.Join(names, ", "))
	}
	if _, ok := codes[rule.Code]; !ok && rule.Mode == FailEnvelope && (rule.Status == 0 || rule.Code == 0) {
		return fmt.Errorf("fail rule: code %d is not documented, so it needs a status; documented are %s", rule.Code, knownCodes())
	}
	if rule.Probability < 0 || rule.Probability > 1 {
		return fmt.Errorf("fail rule: probability is %v, and must be between 0 and 1", rule.Probability)
	}
	if rule.Times < 0 || rule.Delay < 0 || rule.RetryAfter < 0 || rule.After < 0 {
		return fmt.Errorf("fail rule: times, delay, retry_after and after must not be negative")
	}
	if rule.After > 0 && rule.Route != "stream" {
		return fmt.Errorf("fail rule: after counts the events of a stream, so the route must be stream, not %q", rule.Route)
	}
	if rule.Status != 0 && (rule.Status < 200 || rule.Status > 599) {
		return fmt.Errorf("fail rule: status %d is not an HTTP status of an answer", rule.Status)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault{FailRule: rule, left: rule.Times})
	return nil
}

// ClearFaults removes all rules.
func (s *Sim) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// matchFault returns the rule that matches a call, or nil. s.mu is held.
func (s *Sim) matchFault(c *call) *FailRule {
	ch := s.chats[c.id]
	if c.route == "react" {
		ch = s.messages[c.id]
	}
	for i, f := range s.faults {
		if f.Route != "" && f.Route != c.route ||
			f.Chat != "" && (ch == nil || ch.ID != f.Chat) ||
			f.Line != "" && (ch == nil || ch.Line != f.Line) {
			continue
		}
		if f.Probability > 0 && !hit(f.Probability, s.dice) {
			continue
		}
		if f.Times > 0 {
			f.left--
			if f.left == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return &f.FailRule
	}
	return nil
}

// failCall answers a call by a rule.
func (s *Sim) failCall(c *call, rt route, f FailRule) {
	if f.Mode == FailSlow {
		if !s.pause(c, f.Delay) {
			s.noteCall(c, 0, 0)
			panic(http.ErrAbortHandler)
		}
		s.proceed(c, rt)
		return
	}
	if rt.do == nil && f.breaksStream() {
		s.stream(c, &f)
		return
	}
	var value any
	var refused *apiError
	if (f.Applied || f.Mode == FailTruncated) && rt.do != nil {
		value, refused = rt.do(s, c)
	}
	switch f.Mode {
	case FailHTML:
		status := f.Status
		if status == 0 {
			status = http.StatusBadGateway
		}
		s.noteCall(c, status, 0)
		c.w.Header().Set("Content-Type", "text/html")
		c.w.WriteHeader(status)
		fmt.Fprintf(c.w, "<html><head><title>%d %s</title></head><body><center><h1>%[1]d %[2]s</h1></center></body></html>\n",
			status, http.StatusText(status))
	case FailRaw:
		status := f.Status
		if status == 0 {
			status = http.StatusOK
		}
		s.noteCall(c, status, f.Code)
		c.w.Header().Set("Content-Type", "application/json")
		if f.RetryAfter != 0 {
			c.w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		c.w.WriteHeader(status)
		io.WriteString(c.w, f.Body)
	case FailHang:
		s.noteCall(c, 0, 0)
		s.pause(c, cmp.Or(f.Delay, time.Hour))
		panic(http.ErrAbortHandler)
	case FailReset:
		s.noteCall(c, 0, 0)
		reset(c.w)
	case FailTruncated:
		s.noteCall(c, 0, 0)
		if refused != nil {
			value = errorEnvelope{Error: refused.onRoute(c.route), TraceID: c.trace}
		}
		truncate(c.w, value)
	default:
		s.answer(c, nil, f.problem())
	}
}

// breaksStream reports whether a rule breaks a stream that has opened.
func (f FailRule) breaksStream() bool {
	switch f.Mode {
	case FailTruncated:
		return true
	case FailHang, FailReset:
		return f.Applied || f.After > 0
	}
	return false
}

func (f FailRule) problem() *apiError {
	e := problem(f.Code, "")
	if e.Message == "" {
		e.Message = "failed on demand"
	}
	if f.Status != 0 {
		e.Status = f.Status
	}
	if f.Retryable != nil {
		e.Retryable = *f.Retryable
	}
	if f.RetryAfter != 0 {
		e.RetryAfter = f.RetryAfter
	}
	return e
}

// pause waits, and reports whether the caller still waits.
func (s *Sim) pause(c *call, d time.Duration) bool {
	return wait.For(c.r.Context(), d, s.life.Done()) && s.life.Err() == nil
}

// reset closes the connection with a RST if it is TCP, and aborts it otherwise.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// truncate sends half of an answer.
func truncate(w http.ResponseWriter, value any) {
	body, err := json.Marshal(value)
	if err != nil || len(body) < 2 {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	w.Write(body[:len(body)/2])
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
)

// failingCalls is how many calls in a row must fail, for reasons that concern
// no single chat, before it is called an outage.
const failingCalls = 3

// longPause is how long a 429's pause must be to be worth a line in the log
// above level debug: at a server's limit there may be a short one each second.
const longPause = 10 * time.Second

// callHealth knows how calls to Chert fare. It logs when they stop going through,
// why, and when they do again, once each.
type callHealth struct {
	log     *slog.Logger
	gov     *dispatch.Governor
	baseURL string // chert.base_url

	mu        sync.Mutex
	lines     dispatch.Culprits // phone lines whose calls fail
	failed    int               // calls in a row
	since     time.Time
	last      string
	logged    bool           // that calls fail
	stop      *dispatch.Stop // as it was logged last; nil: calls go out
	pause     time.Time      // end of the pause that was logged last
	confirmed time.Time      // when Chert last confirmed a call
}

// newCallHealth returns a callHealth for the calls that a governor paces; baseURL
// is shown to people.
func newCallHealth(log *slog.Logger, gov *dispatch.Governor, baseURL string) *callHealth {
	return &callHealth{log: log, gov: gov, baseURL: baseURL}
}

// ended notes how an attempt ended. What Chert refuses for a chat, or asks to
// wait, is an answer: calls go through.
func (h *callHealth) ended(a *dispatch.Attempt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	down := h.logged || h.stop != nil
	h.paused(a.Ended)
	h.stopped()
	e := a.Err
	switch {
	case e == nil:
		h.confirmed = a.Ended
		h.goesThrough(a)
	case e.Foreign && h.gov.Stray(a.Call.Chat), !e.Foreign && e.Retryable && e.RetryAfter == 0 && h.lineAlone(a):
		// Chert answers others: no outage, nor the end of one.
	case e.Retryable && (e.Foreign || e.RetryAfter == 0):
		if h.failed == 0 {
			h.since = a.Ended
		}
		h.failed++
		h.last = e.Error()
	default:
		h.goesThrough(a)
	}
	switch {
	case h.stop != nil:
	case h.failed >= failingCalls && !h.logged:
		h.logged = true
		h.log.Warn("calls to Chert fail; they are tried again, with longer and longer waits", keyError, h.last)
	case h.failed == 0:
		h.logged = false
		if down {
			h.log.Info("calls to Chert go through again")
		}
	}
}

// goesThrough notes a call that was answered.
func (h *callHealth) goesThrough(a *dispatch.Attempt) {
	h.failed = 0
	h.lines.Answered(a.Ended, a.Call.Line)
}

// lineAlone notes a call that failed, and reports whether that concerns its line
// alone.
func (h *callHealth) lineAlone(a *dispatch.Attempt) bool {
	alone, _ := h.lines.Failed(a.Ended, a.Call.Line)
	return alone
}

// notes says in words for people what fails while other calls go through.
func (h *callHealth) notes(now time.Time) (notes []string) {
	switch n, one := h.gov.Strays(now); {
	case n == 1:
		notes = append(notes, fmt.Sprintf("calls for chat %s receive an answer that is not Chert's and are tried again, those for others are answered by Chert: check the filters of the proxy or gateway on the way", one))
	case n > 1:
		notes = append(notes, fmt.Sprintf("calls for some chats (%d, such as %s) receive an answer that is not Chert's and are tried again, those for others are answered by Chert: check the filters of the proxy or gateway on the way", n, one))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch n, one := h.lines.Alone(now); {
	case n == 1:
		notes = append(notes, fmt.Sprintf("calls of the line %q fail and are tried again, those of others go through", one))
	case n > 1:
		notes = append(notes, fmt.Sprintf("calls of some lines (%d, such as %q) fail and are tried again, those of others go through", n, one))
	}
	return notes
}

// stopped logs that all calls have stopped, and again if the cause has changed:
// its fix is another.
func (h *callHealth) stopped() {
	stop := h.gov.Stopped()
	if stop != nil && (h.stop == nil || h.stop.Foreign != stop.Foreign || h.stop.Code != stop.Code) {
		cause, fix := h.explain(stop)
		h.log.Error("calls have stopped: "+cause+"; what waits is kept, and one probe at a time finds out when it is over",
			"http", stop.HTTP, "code", stop.Code, keyError, stop.Message, keyTrace, stop.TraceID, "hint", fix)
	}
	h.stop = stop
}

// paused logs that Chert asked to wait.
func (h *callHealth) paused(now time.Time) {
	p := h.gov.Pause()
	if !p.Until.After(h.pause) || !p.Until.After(now) {
		return
	}
	h.pause = p.Until
	level := slog.LevelDebug
	if p.Until.Sub(p.Asked) >= longPause {
		level = slog.LevelWarn
	}
	h.log.Log(context.Background(), level, "calls wait, as Chert asked (429)", "until", p.Until.UTC().Format(time.RFC3339), keyError, p.Why)
}

// restored logs that a pause from before a restart is still in force.
func (h *callHealth) restored(p dispatch.Pause, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.Until.After(now) {
		h.pause = p.Until
		h.log.Warn("calls wait, as Chert asked before the restart (429)", "until", p.Until.UTC().Format(time.RFC3339), keyError, p.Why)
	}
}

// outage returns since when calls fail, and how; the zero time if they don't.
func (h *callHealth) outage() (since time.Time, last string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed < failingCalls {
		return time.Time{}, ""
	}
	return h.since, h.last
}

// lastConfirmed is when Chert last confirmed a call; zero: not since the start.
func (h *callHealth) lastConfirmed() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.confirmed
}

// explain says why all calls have stopped, and what to do about it.
func (h *callHealth) explain(s *dispatch.Stop) (cause, fix string) {
	if s.Foreign {
		cause = "what answers at " + h.baseURL + " is not Chert"
		if !s.Answered.IsZero() {
			cause += "; Chert itself answered last at " + s.Answered.UTC().Format(time.RFC3339)
		}
		switch {
		case s.HTTP == 407:
			return cause, "give the proxy its credentials, in HTTPS_PROXY"
		case s.HTTP >= 300 && s.HTTP < 400:
			return cause, "set chert.base_url to the address that answers: redirects are not followed, and then restart chertd; or check the proxy on the way"
		}
		if !s.Answered.IsZero() {
			return cause, "check the proxy or gateway on the way to Chert, and its filters"
		}
		return cause, "check chert.base_url, and the proxy or gateway on the way to Chert; a changed base_url needs a restart"
	}
	if c, ok := stopCauses[s.Code]; ok {
		return c.cause, c.fix
	}
	return fmt.Sprintf("Chert refuses every call (code %d)", s.Code), "ask Chert's support"
}

// stopCauses are the errors after which every other call would fail too, and what
// an operator does about each.
var stopCauses = map[int]struct{ cause, fix string }{
	chert.CodeTenantNotFound:   {"Chert does not know the tenant", "check chert.tenant; a changed one needs a restart"},
	chert.CodeBadSignature:     {"Chert refuses the signing secret", "check chert.signing_secret: it must be that of chert.tenant; SIGHUP takes a changed one"},
	chert.CodeNoCredentials:    {"Chert finds no credentials in the calls", "check chert.auth, and that no proxy on the way removes the headers x-chert-signature, x-chert-tenant or authorization"},
	chert.CodeClockSkew:        {"Chert refuses the time of the signatures", "set this machine's clock (NTP)"},
	chert.CodeSuspended:        {"Chert has suspended the tenant, or does not permit its calls", "ask Chert's support, with the trace_id of the call"},
	chert.CodeEmailNotVerified: {"the account's email address is not verified", "verify it in Chert's console"},
	chert.CodeAccountLimit:     {"the account's limit is reached", "raise it in Chert's console, or wait until it is renewed"},
}

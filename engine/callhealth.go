package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
)

// failingCalls is how many calls in a row must fail, for reasons that are not about one
// chat, to count as an outage.
const failingCalls = 3

// outageFor is longer than a call that failed waits until it is repeated (chat.Backoff). If
// none fails for that long, all were dropped, and it is unknown whether calls succeed.
const outageFor = 10 * time.Minute

// longPause is the shortest pause that is logged above level debug. At the limit of the
// server there may be a short one each second.
const longPause = 10 * time.Second

// callHealth tracks whether calls to Chert succeed. It logs once when they begin to
// fail, with the reason, and once when they have recovered.
type callHealth struct {
	log     *slog.Logger
	gov     *dispatch.Governor
	baseURL string // chert.base_url

	mu        sync.Mutex
	lines     dispatch.Culprits // phone lines whose calls fail
	worked    [2]lineWorked     // the two lines whose calls succeeded last
	failed    int               // calls in a row that failed
	since     time.Time
	lastAt    time.Time // when a call last failed
	last      string
	logged    bool           // the outage was logged
	stop      *dispatch.Stop // the last one that was logged; nil: calls go out
	pause     time.Time      // end of the last pause that was logged
	confirmed time.Time      // when Chert last confirmed a call
}

// newCallHealth returns a callHealth for the calls that a governor paces; baseURL
// is shown to people.
func newCallHealth(log *slog.Logger, gov *dispatch.Governor, baseURL string) *callHealth {
	return &callHealth{log: log, gov: gov, baseURL: baseURL}
}

// ended notes how an attempt ended. An error of Chert's about a chat, or a 429, is an
// answer: calls go through.
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
		if h.worked[0].line != a.Call.Line {
			h.worked[1] = h.worked[0]
		}
		h.worked[0] = lineWorked{a.Call.Line, a.Ended}
		h.goesThrough(a)
	case e.Foreign && h.gov.Stray(a.Call.Chat), !e.Foreign && e.Retryable && e.RetryAfter == 0 && h.lineAlone(a):
		// Chert answers others, so this neither begins nor ends an outage.
	case e.Code == chert.CodeDeliveryFailed && h.otherWorked(a):
		h.lines.Failed(a.Ended, a.Call.Line)
	case e.Retryable && (e.Foreign || e.RetryAfter == 0):
		if h.failed == 0 {
			h.since = a.Ended
		}
		h.failed++
		h.last, h.lastAt = e.Error(), a.Ended
	default:
		h.goesThrough(a)
	}
	switch {
	case h.stop != nil:
	case h.failed >= failingCalls && !h.logged:
		h.logged = true
		h.log.WarnContext(aboutActions(a.Call.Actions...), "calls to Chert are failing; retrying with exponential backoff for up to 24 h", keyError, h.last)
	case h.failed == 0:
		h.logged = false
		if down {
			h.log.Info("calls to Chert have recovered")
		}
	}
}

// goesThrough notes a call that was answered.
func (h *callHealth) goesThrough(a *dispatch.Attempt) {
	h.failed = 0
	h.lines.Answered(a.Ended, a.Call.Line)
}

// lineAlone notes a call that failed, and reports whether only its line fails.
func (h *callHealth) lineAlone(a *dispatch.Attempt) bool {
	alone, _ := h.lines.Failed(a.Ended, a.Call.Line)
	return alone
}

// lineWorked is when a call of a phone line last succeeded.
type lineWorked struct {
	line string
	at   time.Time
}

// workedFor is how long after its last success a line still counts as one that works.
const workedFor = time.Hour

// otherWorked reports whether a call of another line succeeded lately. Then a delivery that
// fails (4001) is about its own line.
func (h *callHealth) otherWorked(a *dispatch.Attempt) bool {
	return slices.ContainsFunc(h.worked[:], func(w lineWorked) bool {
		return w.line != a.Call.Line && !w.at.IsZero() && a.Ended.Sub(w.at) < workedFor
	})
}

// notes returns, in words for people, what fails while other calls go through. stopped are
// lines whose calls have stopped, which have a note of their own.
func (h *callHealth) notes(now time.Time, stopped ...string) (notes []string) {
	switch n, one := h.gov.Strays(now); {
	case n == 1:
		notes = append(notes, fmt.Sprintf("calls for chat %s receive an answer that is not from Chert and are retried, while Chert answers calls for others: check the filters of the proxy or gateway on the way", one))
	case n > 1:
		notes = append(notes, fmt.Sprintf("calls for some chats (%d, such as %s) receive an answer that is not from Chert and are retried, while Chert answers calls for others: check the filters of the proxy or gateway on the way", n, one))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch n, one := h.lines.Alone(now, stopped...); {
	case n == 1:
		notes = append(notes, fmt.Sprintf("calls of the line %q fail and are retried; calls of other lines go through", one))
	case n > 1:
		notes = append(notes, fmt.Sprintf("calls of some lines (%d, such as %q) fail and are retried; calls of other lines go through", n, one))
	}
	return notes
}

// stopped logs that all calls have stopped, and logs it again when the cause changes,
// as that has another fix.
func (h *callHealth) stopped() {
	stop := h.gov.Stopped()
	if stop != nil && (h.stop == nil || h.stop.Foreign != stop.Foreign || h.stop.Code != stop.Code) {
		cause, fix := h.explain(stop)
		h.log.Error("calls have stopped: "+cause+"; waiting calls are kept, and one probe at a time checks whether they can resume",
			"http", stop.HTTP, "code", stop.Code, keyError, stop.Message, keyTrace, stop.TraceID, "hint", fix)
	}
	h.stop = stop
}

// paused logs a pause because of a rate limit.
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
	h.log.Log(context.Background(), level, "calls paused by a rate limit (429)", "until", p.Until.UTC().Format(time.RFC3339), keyError, p.Why)
}

// restored logs a pause from before a restart that is still in force.
func (h *callHealth) restored(p dispatch.Pause, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.Until.After(now) {
		h.pause = p.Until
		h.log.Warn("calls still paused by a rate limit (429) from before the restart", "until", p.Until.UTC().Format(time.RFC3339), keyError, p.Why)
	}
}

// outage returns since when calls have failed, and the last error; the zero time if
// they succeed, or if none waits to be repeated.
func (h *callHealth) outage(now time.Time) (since time.Time, last string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed < failingCalls || now.Sub(h.lastAt) >= outageFor {
		return time.Time{}, ""
	}
	return h.since, h.last
}

// lastConfirmed returns when Chert last confirmed a call; zero: not since the start.
func (h *callHealth) lastConfirmed() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.confirmed
}

// explain returns why all calls have stopped, and the fix.
func (h *callHealth) explain(s *dispatch.Stop) (cause, fix string) {
	if s.Foreign {
		return explainForeign(h.baseURL, s.HTTP, s.Answered)
	}
	if c, ok := stopCauses[s.Code]; ok {
		return c.cause, c.fix
	}
	return fmt.Sprintf("Chert refuses every call (code %d)", s.Code), "contact Chert's support"
}

// Explain returns the cause and the fix of an error after which every other call would
// fail as well; "" for other errors. baseURL is chert.base_url.
func Explain(e *chert.Error, baseURL string) (cause, fix string) {
	if e.Foreign {
		return explainForeign(baseURL, e.Status, time.Time{})
	}
	c := stopCauses[e.Code]
	return c.cause, c.fix
}

// explainForeign explains an answer that is not Chert's. answered is when Chert itself
// answered last; zero: not since the start.
func explainForeign(baseURL string, status int, answered time.Time) (cause, fix string) {
	cause = "what answers at " + baseURL + " is not Chert"
	if !answered.IsZero() {
		cause += "; Chert itself answered last at " + answered.UTC().Format(time.RFC3339)
	}
	switch {
	case status == 407:
		return cause, "set the credentials of the proxy in HTTPS_PROXY"
	case status >= 300 && status < 400:
		return cause, "set chert.base_url to the address that answers: redirects are not followed, and then restart chertd; or check the proxy on the way"
	}
	if !answered.IsZero() {
		return cause, "check the proxy or gateway on the way to Chert, and its filters"
	}
	return cause, "check chert.base_url, and the proxy or gateway on the way to Chert; a changed base_url needs a restart"
}

// stopCauses has the cause and the fix of each error after which every other call would
// fail as well.
var stopCauses = map[int]struct{ cause, fix string }{
	chert.CodeTenantNotFound:   {"Chert does not know the tenant", "check chert.tenant; a changed one needs a restart"},
	chert.CodeBadSignature:     {"Chert refuses the signing secret", "check chert.signing_secret: it must be that of chert.tenant; SIGHUP takes a changed one"},
	chert.CodeNoCredentials:    {"Chert finds no credentials in the calls", "check chert.auth, and that no proxy on the way removes the headers x-chert-signature, x-chert-tenant or authorization"},
	chert.CodeClockSkew:        {"Chert refuses the time of the signatures", "set this machine's clock (NTP)"},
	chert.CodeSuspended:        {"Chert has suspended the tenant, or does not permit its calls", "contact Chert's support with the trace_id of the call"},
	chert.CodeEmailNotVerified: {"the account's email address is not verified", "verify it in Chert's console"},
	chert.CodeAccountLimit:     {"the account's limit is reached", "raise it in Chert's console, or wait until it is renewed"},
}

package source

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Refusal is why the webhook rejected a request.
type Refusal string

const (
	// Answered 401.
	refusedMissing   Refusal = "no signature"
	RefusedMalformed Refusal = "malformed signature header"
	RefusedStale     Refusal = "timestamp outside the tolerance"
	RefusedWrong     Refusal = "wrong signature"

	RefusedPath   Refusal = "another path"          // 404
	refusedMethod Refusal = "not a POST"            // 405
	refusedBody   Refusal = "body too large"        // 413
	refusedHeader Refusal = "header too large"      // 431
	refusedExpect Refusal = "unknown Expect header" // 417
	// Requests that net/http can't read, answered 400, 501 or 505.
	refusedRequest Refusal = "malformed HTTP request"
	refusedHTTP    Refusal = "not an HTTP request"
)

// Refusals are all of them.
var Refusals = []Refusal{
	refusedMissing, RefusedMalformed, RefusedStale, RefusedWrong,
	RefusedPath, refusedMethod, refusedBody, refusedHeader, refusedExpect, refusedRequest, refusedHTTP,
}

// refusalEvery is how often refusals of one kind are logged. Otherwise a wrong secret
// would log a line per event, and any stranger could fill the log.
const refusalEvery = time.Minute

// refused counts the refusals of one kind that are not logged yet.
type refused struct {
	count  int
	signed bool      // one of them had a signature header, so it was a delivery
	detail string    // of the last one: its path, or what is wrong with it
	logged time.Time // when refusals were last logged; zero: never
}

// refuse counts a refusal. The first one of its kind is logged immediately, further
// ones together once a minute.
func (w *Webhook) refuse(why Refusal, signed bool, detail string) {
	now := w.cfg.Now()
	w.mu.Lock()
	w.stats.Refused[why]++
	r := w.refused[why]
	if r == nil {
		r = &refused{}
		w.refused[why] = r
	}
	r.count++
	r.signed = r.signed || signed
	r.detail = detail
	w.mu.Unlock()
	w.report(now, refusalEvery)
}

// RefusedStatus counts a request that net/http has answered itself, by the status and
// how the request began. It ignores the statuses of the Webhook's own answers.
func (w *Webhook) RefusedStatus(status int, head []byte) {
	switch status {
	case http.StatusRequestHeaderFieldsTooLarge:
		w.refuse(refusedHeader, true, "")
	case http.StatusExpectationFailed:
		w.refuse(refusedExpect, true, "")
	case http.StatusBadRequest, http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		if flaw := flawOf(head); flaw != "" {
			w.refuse(refusedRequest, signedHead(head), flaw)
			return
		}
		w.refuse(refusedHTTP, false, "")
	}
}

// Report logs the refusals whose minute has passed. Call it every few seconds, and with
// last set when the webhook has stopped, so that none stays unlogged.
func (w *Webhook) Report(last bool) {
	every := refusalEvery
	if last {
		every = 0
	}
	w.report(w.cfg.Now(), every)
}

func (w *Webhook) report(now time.Time, every time.Duration) {
	w.mu.Lock()
	due := map[Refusal]refused{}
	for why, r := range w.refused {
		// A clock that was set back must not silence the log for hours.
		if r.count > 0 && (r.logged.IsZero() || now.Sub(r.logged) >= every || now.Before(r.logged)) {
			due[why] = *r
			*r = refused{logged: now}
		}
	}
	w.mu.Unlock()
	for _, why := range slices.Sorted(maps.Keys(due)) {
		r := due[why]
		level, msg := slog.LevelError, "webhook deliveries rejected; Chert does not send them again"
		if !r.signed {
			level, msg = slog.LevelWarn, "requests to the webhook rejected; none had a signature"
		}
		w.cfg.Log.Log(context.Background(), level, msg, "reason", why, "count", r.count, "hint", w.hint(why, r.detail))
	}
}

// hint returns what is likely wrong and the fix, for the sender and for the log.
func (w *Webhook) hint(why Refusal, detail string) string {
	switch why {
	case RefusedWrong:
		return "add the secret of the subscription to sources.webhook.secrets (for a webhook of Chert's console without a secret: the signing secret), and check that no proxy changes the body"
	case RefusedStale:
		return "set this machine's clock (NTP); a delivery can't be sent again later with its old signature"
	case RefusedMalformed:
		return "X-Webhook-Signature is t=<unix seconds>,v1=<hex> or v1,<unix seconds>,<hex>"
	case refusedMissing:
		return "sign the body with the subscription's secret in X-Webhook-Signature, and check that proxies forward the header"
	case RefusedPath:
		return fmt.Sprintf("point the subscription at %s, or set sources.webhook.path: %q", w.cfg.Path, detail)
	case refusedMethod:
		return "deliveries are made by POST; a redirect in front of chertd (to https, or to another path) turns POST into GET: give Chert the final URL"
	case refusedBody:
		return fmt.Sprintf("raise sources.webhook.max_body, now %d bytes", w.settings.Load().maxBody)
	case refusedHeader:
		return "raise sources.webhook.max_header, or configure the proxy to add fewer headers"
	case refusedExpect:
		return "configure the proxy to remove the Expect header: only 100-continue is supported"
	case refusedRequest:
		return "HTTP forbids such a request: " + detail
	default:
		return "something sends TLS or another protocol to this port, which is plain HTTP: check the target of the proxy"
	}
}

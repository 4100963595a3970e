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

// Refusal says why a request was not taken as a delivery. Refusals are counted
// by it.
type Refusal string

const (
	// Answered 401.
	RefusedMissing   Refusal = "no signature"
	RefusedMalformed Refusal = "malformed signature header"
	RefusedStale     Refusal = "timestamp outside the tolerance"
	RefusedWrong     Refusal = "wrong signature"

	RefusedPath   Refusal = "another path"          // 404
	RefusedMethod Refusal = "not a POST"            // 405
	RefusedBody   Refusal = "body too large"        // 413
	RefusedHeader Refusal = "header too large"      // 431
	RefusedExpect Refusal = "unknown Expect header" // 417
	// What net/http can't read, answered 400, 501 or 505.
	RefusedRequest Refusal = "malformed HTTP request"
	RefusedHTTP    Refusal = "not an HTTP request"
)

// refusalEvery is how often refusals of one kind are logged at most. A wrong
// secret would write a line for every event otherwise, and any stranger could
// fill the log.
const refusalEvery = time.Minute

// refused are the refusals of one kind that are not logged yet.
type refused struct {
	count  int
	signed bool      // one of them had a signature header, so that it was a delivery
	detail string    // of the last one: the path it was for, or what is wrong with it
	logged time.Time // when some were logged last; zero: never
}

// refuse counts a refusal, and logs the first one of its kind immediately and
// from then on what came together in a minute.
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

// RefusedStatus counts what net/http has answered before the Webhook saw it, by
// the status and how the request began. Other statuses are the Webhook's own.
func (w *Webhook) RefusedStatus(status int, head []byte) {
	switch status {
	case http.StatusRequestHeaderFieldsTooLarge:
		w.refuse(RefusedHeader, true, "")
	case http.StatusExpectationFailed:
		w.refuse(RefusedExpect, true, "")
	case http.StatusBadRequest, http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		if flaw := flawOf(head); flaw != "" {
			w.refuse(RefusedRequest, signedHead(head), flaw)
			return
		}
		w.refuse(RefusedHTTP, false, "")
	}
}

// Report logs the refusals that wait for their minute to pass. It is called now
// and then, and with last set once nothing more comes, so that the end of a run
// is logged, too.
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
		level, msg := slog.LevelError, "webhook deliveries refused: their events are lost on this path"
		if !r.signed {
			level, msg = slog.LevelWarn, "requests to the webhook refused: none had a signature"
		}
		w.cfg.Log.Log(context.Background(), level, msg, "reason", why, "count", r.count, "hint", w.hint(why, r.detail))
	}
}

// hint says what is likely wrong and how to fix it, to the sender and in the log.
func (w *Webhook) hint(why Refusal, detail string) string {
	switch why {
	case RefusedWrong:
		return "put the subscription's secret into sources.webhook.secrets (for a webhook of Chert's console without a secret: the signing secret), and keep proxies from changing the body"
	case RefusedStale:
		return "set this machine's clock (NTP); a delivery can't be sent again later with its old signature"
	case RefusedMalformed:
		return "X-Webhook-Signature is t=<unix seconds>,v1=<hex> or v1,<unix seconds>,<hex>"
	case RefusedMissing:
		return "sign the body with the subscription's secret in X-Webhook-Signature, and let proxies pass the header on"
	case RefusedPath:
		return fmt.Sprintf("point the subscription at %s, or set sources.webhook.path: %q", w.cfg.Path, detail)
	case RefusedMethod:
		return "deliveries are made by POST; a redirect in front of chertd (to https, or to another path) turns POST into GET: give Chert the final URL"
	case RefusedBody:
		return fmt.Sprintf("raise sources.webhook.max_body, now %d bytes", w.settings.Load().maxBody)
	case RefusedHeader:
		return "raise sources.webhook.max_header, or have the proxy add fewer headers"
	case RefusedExpect:
		return "have the proxy remove the Expect header: only 100-continue is understood"
	case RefusedRequest:
		return "HTTP forbids such a request, and nothing of it is read: " + detail
	default:
		return "something speaks TLS or another protocol to this port, which is plain HTTP: check the proxy's target"
	}
}

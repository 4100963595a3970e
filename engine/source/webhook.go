// Package source brings events in: by webhook, stream, the events log and
// files. Each source gives what it has to one function, Ingest.
package source

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
)

// WebhookConfig is what a Webhook is made of. Zero fields take the defaults.
type WebhookConfig struct {
	Path      string        // of deliveries; default /webhooks/chert
	Secrets   []string      // of the subscription; several while rotating
	Tolerance time.Duration // between the signature's timestamp and Now, either way; default 5 m
	MaxBody   int64         // bytes; default 1 MiB
	Tenant    string        // other tenants' events are quarantined; empty: any is taken

	// Now is the clock that checks signatures: Chert's time if it is known.
	// Default time.Now.
	Now func() time.Time

	// Ingest makes arrivals durable and gives a receipt for each. Its error
	// (full, draining, the store fails) makes Chert try again.
	Ingest func(context.Context, []store.Arrival) ([]store.Receipt, error)
	// Quarantine keeps what was signed and can't be understood.
	Quarantine func(context.Context, store.Quarantined) error

	Log *slog.Logger // default slog.Default
}

// Webhook takes deliveries. A delivery is answered 2xx only once it is on
// disk, and then always: as an event, or in quarantine.
//
// Nothing is stored before its signature was verified.
type Webhook struct {
	cfg WebhookConfig

	secrets  atomic.Pointer[[]string]
	mu       sync.Mutex
	stats    WebhookStats
	refusals refusals
	failures int       // since one was logged
	failed   time.Time // when that was
}

// WebhookStats counts answers since the start.
type WebhookStats struct {
	Accepted    int64 // new events
	Duplicates  int64 // events that were known already
	Quarantined int64
	Refused     map[Refusal]int64 // signatures, answered 401
	TooLarge    int64             // answered 413
	Unavailable int64             // answered 503: Ingest or Quarantine failed
	Broken      int64             // bodies that did not arrive whole, answered 503
	Elsewhere   int64             // other paths and methods, answered 404 and 405
}

// NewWebhook checks the configuration and makes a Webhook of it.
func NewWebhook(cfg WebhookConfig) (*Webhook, error) {
	cfg.Path = cmp.Or(cfg.Path, "/webhooks/chert")
	cfg.Tolerance = cmp.Or(cfg.Tolerance, 5*time.Minute)
	cfg.MaxBody = cmp.Or(cfg.MaxBody, 1<<20)
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	switch {
	case cfg.Tolerance < 0:
		return nil, fmt.Errorf("webhook tolerance %v is negative", cfg.Tolerance)
	case cfg.MaxBody < 0:
		return nil, fmt.Errorf("webhook max_body %d is negative", cfg.MaxBody)
	case cfg.Ingest == nil || cfg.Quarantine == nil:
		return nil, errors.New("webhook has nowhere to store what comes")
	}
	w := &Webhook{cfg: cfg, stats: WebhookStats{Refused: map[Refusal]int64{}}}
	if err := w.SetSecrets(cfg.Secrets); err != nil {
		return nil, err
	}
	return w, nil
}

// SetSecrets has deliveries verified by other secrets from now on, as while the
// subscription's is rotated.
func (w *Webhook) SetSecrets(secrets []string) error {
	if len(secrets) == 0 {
		return errors.New("webhook has no secrets: without one nothing can be verified")
	}
	for i, secret := range secrets {
		if secret == "" {
			return fmt.Errorf("webhook secret %d is empty: anyone could sign with it", i+1)
		}
	}
	secrets = slices.Clone(secrets)
	w.secrets.Store(&secrets)
	return nil
}

// ServeHTTP answers one delivery.
func (w *Webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if strings.TrimRight(r.URL.Path, "/") != strings.TrimRight(w.cfg.Path, "/") {
		// Not a delivery: a subscription's URL has the path.
		w.count(func(s *WebhookStats) { s.Elsewhere++ })
		answerError(rw, http.StatusNotFound, "there is nothing at this path", "deliveries go to "+w.cfg.Path)
		return
	}
	if r.Method != http.MethodPost {
		w.count(func(s *WebhookStats) { s.Elsewhere++ })
		rw.Header().Set("Allow", http.MethodPost)
		answerError(rw, http.StatusMethodNotAllowed, "deliveries are made by POST", "")
		return
	}
	body, ok := w.body(rw, r)
	if !ok {
		return
	}
	now := w.cfg.Now()
	if refused := verify(r.Header, body, *w.secrets.Load(), w.cfg.Tolerance, now); refused != "" {
		w.refuse(refused, now)
		answerError(rw, http.StatusUnauthorized, "the signature was not accepted: "+string(refused), refused.hint())
		return
	}
	w.take(rw, r, body, now)
}

// Stats returns the counts so far.
func (w *Webhook) Stats() WebhookStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stats
	s.Refused = make(map[Refusal]int64, len(w.stats.Refused))
	for why, n := range w.stats.Refused {
		s.Refused[why] = n
	}
	return s
}

// body reads the body, or answers why not.
func (w *Webhook) body(rw http.ResponseWriter, r *http.Request) ([]byte, bool) {
	tooLarge := func() ([]byte, bool) {
		w.count(func(s *WebhookStats) { s.TooLarge++ })
		answerError(rw, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", w.cfg.MaxBody), "raise sources.webhook.max_body")
		return nil, false
	}
	if r.ContentLength > w.cfg.MaxBody {
		rw.Header().Set("Connection", "close") // rather than read it all
		return tooLarge()
	}
	var body bytes.Buffer
	// No more than a usual delivery on the word of a stranger.
	body.Grow(int(min(max(r.ContentLength, 0), 16<<10)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(rw, r.Body, w.cfg.MaxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge()
	}
	if err != nil {
		// Cut off or too slow. The sender is to try again, so this is no 4xx.
		w.count(func(s *WebhookStats) { s.Broken++ })
		rw.Header().Set("Connection", "close")
		unavailable(rw, "the body did not arrive whole")
		return nil, false
	}
	return body.Bytes(), true
}

// take stores a verified delivery, and answers what became of it.
func (w *Webhook) take(rw http.ResponseWriter, r *http.Request, body []byte, now time.Time) {
	e, err := event.Decode(body, event.Hints{ID: r.Header.Get(headerEventID), Type: r.Header.Get(headerEvent)})
	switch {
	case err != nil:
		w.quarantine(rw, r, body, now, err.Error(), "")
		return
	case w.cfg.Tenant != "" && e.Tenant != "" && e.Tenant != w.cfg.Tenant:
		w.quarantine(rw, r, body, now, fmt.Sprintf("partner_id: of tenant %q, this is %q", clip(e.Tenant), w.cfg.Tenant), e.ID)
		return
	}
	e.Source = event.SourceWebhook
	receipts, err := w.cfg.Ingest(r.Context(), []store.Arrival{{Event: e, Received: now}})
	if err == nil && len(receipts) != 1 {
		err = fmt.Errorf("%d receipts for one event", len(receipts))
	}
	if err != nil {
		w.fail(rw, err, now)
		return
	}
	if receipts[0].Duplicate {
		w.count(func(s *WebhookStats) { s.Duplicates++ })
		answer(rw, "duplicate", e.ID)
		return
	}
	w.count(func(s *WebhookStats) { s.Accepted++ })
	answer(rw, "accepted", e.ID)
}

func (w *Webhook) quarantine(rw http.ResponseWriter, r *http.Request, body []byte, now time.Time, reason, id string) {
	err := w.cfg.Quarantine(r.Context(), store.Quarantined{
		Received: now,
		Source:   event.SourceWebhook,
		Reason:   reason,
		Header:   keptHeaders(r.Header),
		Body:     body,
	})
	if err != nil {
		w.fail(rw, err, now)
		return
	}
	w.count(func(s *WebhookStats) { s.Quarantined++ })
	w.cfg.Log.Warn("delivery quarantined", "source", event.SourceWebhook, "reason", reason)
	answer(rw, "quarantined", id)
}

// fail answers that the delivery could not be stored. The error is for the log
// of this side, as it may name files; a store that stays full is told of once in
// failureEvery.
func (w *Webhook) fail(rw http.ResponseWriter, err error, now time.Time) {
	w.mu.Lock()
	w.stats.Unavailable++
	w.failures++
	count, tell := w.failures, w.failed.IsZero() || now.Sub(w.failed) >= failureEvery
	if tell {
		w.failures, w.failed = 0, now
	}
	w.mu.Unlock()
	if tell {
		w.cfg.Log.Error("webhook deliveries not stored: Chert is asked to try again", "count", count, "error", err)
	}
	unavailable(rw, "the delivery could not be stored now")
}

// failureEvery is how often deliveries that could not be stored are logged.
const failureEvery = 10 * time.Second

func (w *Webhook) count(change func(*WebhookStats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.stats)
}

// keptHeaders is what is kept of a quarantined delivery's headers: what Chert
// says about it. Signatures, cookies and tokens are not among them.
func keptHeaders(h http.Header) map[string]string {
	kept := map[string]string{}
	for _, name := range []string{"Content-Type", "User-Agent", headerEvent, headerEventID, "X-Webhook-Timestamp", "X-Webhook-Subscription-Id"} {
		if v := h.Get(name); v != "" {
			kept[name] = clip(v)
		}
	}
	return kept
}

func clip(s string) string {
	const limit = 512
	if len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}

func answer(rw http.ResponseWriter, status, id string) {
	writeJSON(rw, http.StatusOK, struct {
		Status  string `json:"status"`
		EventID string `json:"event_id,omitempty"`
	}{status, id})
}

// retryAfter is what a sender is asked to wait before it tries again, in seconds.
const retryAfter = 2

func unavailable(rw http.ResponseWriter, message string) {
	rw.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	answerError(rw, http.StatusServiceUnavailable, message, "try again")
}

func answerError(rw http.ResponseWriter, status int, message, hint string) {
	type problem struct {
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
	}
	writeJSON(rw, status, struct {
		Error problem `json:"error"`
	}{problem{message, hint}})
}

func writeJSON(rw http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // strings alone are marshalled here
		panic(err)
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	rw.WriteHeader(status)
	// Who sent the delivery may be gone; what was stored stays.
	_, _ = rw.Write(append(body, '\n'))
}

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
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/luabind/diag"
)

// WebhookConfig is what a Webhook is made of. Zero fields take the defaults.
type WebhookConfig struct {
	Path      string        // of deliveries; default /webhooks/chert
	Secrets   []string      // of the subscription; several while rotating
	Tolerance time.Duration // between the signature's timestamp and a clock, either way; default 5 m
	MaxBody   int64         // bytes; default 1 MiB
	InFlight  int           // deliveries being stored; further ones get 503; default 256
	Tenant    string        // other tenants' events are quarantined; empty: any is taken

	// SigningSecret is the account's, by which X-Chert-Signature may be signed,
	// too; empty: none.
	SigningSecret string

	// Now is the local clock; default time.Now. ChertNow is the same corrected by
	// what Chert's answers say; default Now. A delivery is fresh by either.
	Now      func() time.Time
	ChertNow func() time.Time

	// StoreTime bounds how long a sender waits for its delivery to be stored;
	// default 5 s. A disk that hangs must not hold senders for ever.
	StoreTime time.Duration

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
	cfg  WebhookConfig
	path string // of deliveries, as cleanPath has it

	settings atomic.Pointer[settings]
	storing  chan struct{} // one token a delivery that is being stored
	mu       sync.Mutex
	stats    WebhookStats
	refused  map[Refusal]*refused
	failures int       // since one was logged
	failed   time.Time // when that was
}

// WebhookSettings are what of a Webhook can change while it takes deliveries.
// Zero fields take the defaults of WebhookConfig.
type WebhookSettings struct {
	Secrets       []string
	SigningSecret string
	Tolerance     time.Duration
	MaxBody       int64
}

// settings are those that deliveries are taken by.
type settings struct {
	verifier
	maxBody int64
	large   chan struct{} // one token a body beyond smallBody that is being read
}

// WebhookStats counts answers since the start.
type WebhookStats struct {
	Accepted    int64 // new events
	Duplicates  int64 // events that were known already
	Quarantined int64
	Refused     map[Refusal]int64 // answered 4xx
	Unavailable int64             // answered 503: Ingest or Quarantine failed
	Broken      int64             // bodies that did not arrive whole, answered 503
	Busy        int64             // too many at the same time, answered 503
}

// NewWebhook checks the configuration and makes a Webhook of it.
func NewWebhook(cfg WebhookConfig) (*Webhook, error) {
	cfg.Path = cmp.Or(cfg.Path, "/webhooks/chert")
	cfg.InFlight = cmp.Or(cfg.InFlight, 256)
	cfg.StoreTime = cmp.Or(cfg.StoreTime, 5*time.Second)
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.ChertNow == nil {
		cfg.ChertNow = cfg.Now
	}
	if cfg.Ingest == nil || cfg.Quarantine == nil {
		return nil, errors.New("webhook has nowhere to store what comes")
	}
	path, err := DecodePath(cfg.Path)
	if err != nil {
		return nil, err
	}
	w := &Webhook{
		cfg:     cfg,
		path:    path,
		storing: make(chan struct{}, cfg.InFlight),
		stats:   WebhookStats{Refused: map[Refusal]int64{}},
		refused: map[Refusal]*refused{},
	}
	if err := w.Change(WebhookSettings{cfg.Secrets, cfg.SigningSecret, cfg.Tolerance, cfg.MaxBody}); err != nil {
		return nil, err
	}
	return w, nil
}

// Change has deliveries taken by other settings from now on, as while the
// subscription's secret is rotated. Those that can't be are refused as a whole.
func (w *Webhook) Change(s WebhookSettings) error {
	s.Tolerance, s.MaxBody = cmp.Or(s.Tolerance, 5*time.Minute), cmp.Or(s.MaxBody, 1<<20)
	switch {
	case s.Tolerance < 0:
		return fmt.Errorf("webhook tolerance %v is negative", s.Tolerance)
	case s.MaxBody < 0:
		return fmt.Errorf("webhook max_body %d is negative", s.MaxBody)
	case len(s.Secrets) == 0:
		return errors.New("webhook has no secrets: without one nothing can be verified")
	}
	for i, secret := range s.Secrets {
		if secret == "" {
			return fmt.Errorf("webhook secret %d is empty: anyone could sign with it", i+1)
		}
	}
	w.settings.Store(&settings{
		verifier: verifier{secrets: slices.Clone(s.Secrets), signing: s.SigningSecret, tolerance: s.Tolerance},
		maxBody:  s.MaxBody,
		large:    make(chan struct{}, max(2, largeBytes/max(s.MaxBody, smallBody))),
	})
	return nil
}

// ServeHTTP answers one delivery.
func (w *Webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	signed := len(r.Header.Values(headerSignature))+len(r.Header.Values(headerLegacySignature)) > 0
	if cleanPath(r.URL.Path) != w.path {
		w.refuse(RefusedPath, signed, clip(r.URL.EscapedPath()))
		answerError(rw, http.StatusNotFound, "there is nothing at this path", "deliveries go to "+w.cfg.Path)
		return
	}
	if r.Method != http.MethodPost {
		w.refuse(RefusedMethod, signed, "")
		rw.Header().Set("Allow", http.MethodPost)
		answerError(rw, http.StatusMethodNotAllowed, "deliveries are made by POST", "")
		return
	}
	body, ok := w.body(rw, r, signed)
	if !ok {
		return
	}
	HasArrived(r)
	now := w.cfg.Now()
	if refused := w.settings.Load().verify(r.Header, body, now, w.cfg.ChertNow()); refused != "" {
		w.refuse(refused, signed, "")
		answerError(rw, http.StatusUnauthorized, "the signature was not accepted: "+string(refused), w.hint(refused, ""))
		return
	}
	select {
	case w.storing <- struct{}{}:
		defer func() { <-w.storing }()
	default:
		// Waiting would only pile up: the sender tries again when there is room.
		w.count(func(s *WebhookStats) { s.Busy++ })
		unavailable(rw, "too many deliveries at once")
		return
	}
	w.take(rw, r, body, now)
}

// DecodePath is the path of requests that are deliveries, by what the
// configuration says: %20 means in it what it means in a URL.
func DecodePath(p string) (string, error) {
	decoded, err := url.PathUnescape(p)
	if err != nil {
		return "", fmt.Errorf("webhook path %q: %w", p, err)
	}
	return cleanPath(decoded), nil
}

// cleanPath is a path without what proxies put in: doubled slashes and one at
// the end.
func cleanPath(p string) string { return path.Clean("/" + p) }

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

const (
	// smallBody is what is read of every body without further ado: a delivery is
	// some 1 KiB.
	smallBody = 64 << 10
	// largeBytes is about what all larger bodies that are being read may take
	// together: any stranger can send one.
	largeBytes = 64 << 20
)

// body reads the body, or answers why not.
func (w *Webhook) body(rw http.ResponseWriter, r *http.Request, signed bool) ([]byte, bool) {
	set := w.settings.Load()
	tooLarge := func() ([]byte, bool) {
		w.refuse(RefusedBody, signed, "")
		answerError(rw, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", set.maxBody), w.hint(RefusedBody, ""))
		return nil, false
	}
	if r.ContentLength > set.maxBody {
		rw.Header().Set("Connection", "close") // rather than read it all
		return tooLarge()
	}
	var body bytes.Buffer
	// No more than a usual delivery on the word of a stranger.
	body.Grow(int(min(max(r.ContentLength, 0), 16<<10)) + bytes.MinRead)
	limited := http.MaxBytesReader(rw, r.Body, set.maxBody)
	_, err := io.CopyN(&body, limited, smallBody)
	if err == nil {
		select {
		case set.large <- struct{}{}:
			defer func() { <-set.large }()
		default:
			w.count(func(s *WebhookStats) { s.Busy++ })
			rw.Header().Set("Connection", "close")
			unavailable(rw, "too many large deliveries at once")
			return nil, false
		}
		_, err = body.ReadFrom(limited)
	} else if errors.Is(err, io.EOF) {
		err = nil // it is small
	}
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
	case OtherTenant(&e, w.cfg.Tenant) != "":
		w.quarantine(rw, r, body, now, OtherTenant(&e, w.cfg.Tenant), e.ID)
		return
	}
	e.Source = event.SourceWebhook
	ctx, cancel := w.storeTime(r)
	defer cancel()
	receipts, err := w.cfg.Ingest(ctx, []store.Arrival{{Event: e, Received: now}})
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
	ctx, cancel := w.storeTime(r)
	defer cancel()
	err := w.cfg.Quarantine(ctx, store.Quarantined{
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

// ErrDraining is what Ingest and Quarantine return once the daemon stops.
var ErrDraining = errors.New("draining: no more events are taken in")

// storeTime is the request's context, ended once the store has taken too long.
func (w *Webhook) storeTime(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(r.Context(), w.cfg.StoreTime, errSlowStore)
}

var errSlowStore = errors.New("the store takes too long: the disk is slow, or hangs")

// fail answers that the delivery could not be stored. The error is for the log
// of this side, as it may name files; a store that stays full is told of once in
// failureEvery.
func (w *Webhook) fail(rw http.ResponseWriter, err error, now time.Time) {
	w.mu.Lock()
	w.stats.Unavailable++
	w.failures++
	count, tell := w.failures, w.failed.IsZero() || now.Sub(w.failed) >= failureEvery || now.Before(w.failed)
	if tell {
		w.failures, w.failed = 0, now
	}
	w.mu.Unlock()
	switch {
	case !tell:
	case errors.Is(err, ErrDraining):
		w.cfg.Log.Info("webhook deliveries answered 503 while chertd stops, so that Chert sends them again", "count", count)
	default:
		w.cfg.Log.Error("webhook deliveries not stored: answered 503, so that Chert sends them again", "count", count, "error", err)
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

// Unavailable answers 503 to whatever comes: a sender tries again.
func Unavailable(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Connection", "close")
	unavailable(rw, "chertd can't take deliveries in now")
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
	_, _ = rw.Write(append(diag.VisibleJSON(body), '\n'))
}

// Package source takes events in, by webhook and from files. Each source passes its
// events to one function, Ingest, and deliveries that it can't decode to another,
// Quarantine.
package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/luabind/diag"
	"chertd/rules/turn"
)

// WebhookConfig has the settings of a Webhook. Zero fields take the defaults.
type WebhookConfig struct {
	Path      string        // of deliveries; default /webhooks/chert
	Secrets   []string      // of the subscription; several while rotating
	Tolerance time.Duration // between the signature's timestamp and a clock, either way; default 5 m
	MaxBody   int64         // bytes; default 1 MiB
	InFlight  int           // deliveries being stored; further ones are answered 503; default 256
	Tenant    string        // events of other tenants are quarantined; empty: none are

	// SigningSecret is the secret of the account, which may have signed
	// X-Chert-Signature, too; empty: none.
	SigningSecret string

	// Now is the local clock; default time.Now. ChertNow is that clock corrected by the
	// Date of Chert's answers; default Now. A delivery must be fresh by one of them.
	Now      func() time.Time
	ChertNow func() time.Time

	// StoreTime bounds how long a sender waits for its delivery to be stored, as a disk
	// may hang; default 5 s.
	StoreTime time.Duration

	// Ingest makes arrivals durable and returns a receipt for each. After an error
	// (full, draining, the store fails) the sender retries.
	Ingest func(context.Context, []turn.Arrival) ([]store.Receipt, error)
	// Quarantine stores a signed delivery that can't be decoded.
	Quarantine func(context.Context, store.Quarantined) error
	// Missed, if set, is called after a signed delivery was answered 503: Chert repeats it a few
	// times within seconds, and then it is in the events log only. It must not block.
	Missed func()

	Log *slog.Logger // default slog.Default
}

// Webhook is an http.Handler that takes deliveries of Chert's. It answers 2xx if, and
// only if, the delivery is on disk: as an event, or in quarantine. It stores nothing
// whose signature it has not verified. Its methods may be called from many goroutines.
type Webhook struct {
	cfg  WebhookConfig
	path string // of deliveries, as cleanPath returns it

	intake   Intake
	settings atomic.Pointer[settings]
	storing  chan struct{} // holds one element per delivery that is being stored
	patience patience
	mu       sync.Mutex
	stats    WebhookStats
	refused  map[Refusal]*refused
	failures int       // since one was last logged
	failed   time.Time // when one was last logged
}

// WebhookSettings are the settings of a Webhook that can change while it runs. Zero
// fields take the defaults of WebhookConfig.
type WebhookSettings struct {
	Secrets       []string
	SigningSecret string
	Tolerance     time.Duration
	MaxBody       int64
}

// settings are the settings in force.
type settings struct {
	verifier
	maxBody int64
	large   chan struct{} // holds one element per body beyond smallBody that is being read
}

// WebhookStats counts the answers since the start.
type WebhookStats struct {
	Accepted    int64 // new events
	Duplicates  int64 // events that were taken in before
	Quarantined int64
	Refused     map[Refusal]int64 // answered 4xx
	Unavailable int64             // answered 503: Ingest or Quarantine failed
	Broken      int64             // incomplete bodies, answered 503
	Busy        int64             // too many at a time, answered 503
	Lag         Lag               // of the new events
}

// NewWebhook checks a configuration and returns a Webhook.
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
		return nil, errors.New("webhook has no Ingest or no Quarantine")
	}
	path, err := DecodePath(cfg.Path)
	if err != nil {
		return nil, err
	}
	w := &Webhook{
		cfg:      cfg,
		path:     path,
		intake:   Intake{Tenant: cfg.Tenant, Ingest: cfg.Ingest, Quarantine: cfg.Quarantine, Now: cfg.Now, Log: cfg.Log, Lags: NewLags(cfg.ChertNow)},
		storing:  make(chan struct{}, cfg.InFlight),
		patience: patience{limit: cfg.StoreTime},
		stats:    WebhookStats{Refused: map[Refusal]int64{}},
		refused:  map[Refusal]*refused{},
	}
	if err := w.Change(WebhookSettings{cfg.Secrets, cfg.SigningSecret, cfg.Tolerance, cfg.MaxBody}); err != nil {
		return nil, err
	}
	return w, nil
}

// Change changes the settings, such as while the secret is rotated. If one of them is
// invalid, it changes none.
func (w *Webhook) Change(s WebhookSettings) error {
	s.Tolerance, s.MaxBody = cmp.Or(s.Tolerance, 5*time.Minute), cmp.Or(s.MaxBody, 1<<20)
	switch {
	case s.Tolerance < 0:
		return fmt.Errorf("webhook tolerance %s is negative", diag.Duration(s.Tolerance))
	case s.MaxBody < 0:
		return fmt.Errorf("webhook max_body %d is negative", s.MaxBody)
	case len(s.Secrets) == 0:
		return errors.New("webhook has no secrets: deliveries can't be verified without one")
	}
	for i, secret := range s.Secrets {
		if secret == "" {
			return fmt.Errorf("webhook secret %d is empty: anyone could sign with it", i+1)
		}
	}
	w.settings.Store(&settings{
		verifier: newVerifier(s.Secrets, s.SigningSecret, s.Tolerance),
		maxBody:  s.MaxBody,
		large:    make(chan struct{}, max(2, largeBytes/max(s.MaxBody, smallBody))),
	})
	return nil
}

// ServeHTTP answers one delivery.
func (w *Webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	signed := len(r.Header.Values(headerSignature))+len(r.Header.Values(headerLegacySignature)) > 0
	if p := r.URL.Path; p != w.path && cleanPath(p) != w.path {
		w.refuse(RefusedPath, signed, clip(r.URL.EscapedPath()))
		answerError(rw, http.StatusNotFound, "there is nothing at this path", "deliveries go to "+w.cfg.Path)
		return
	}
	if r.Method != http.MethodPost {
		w.refuse(refusedMethod, signed, "")
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
		// Waiting would only build a backlog; the sender retries.
		w.count(func(s *WebhookStats) { s.Busy++ })
		if w.cfg.Missed != nil {
			defer w.cfg.Missed()
		}
		unavailable(rw, "too many deliveries at a time")
		return
	}
	w.take(rw, r, body, now)
}

// DecodePath returns the path of deliveries for a path of the configuration, in which
// %20 means the same as in a URL.
func DecodePath(p string) (string, error) {
	decoded, err := url.PathUnescape(p)
	if err != nil {
		return "", fmt.Errorf("webhook path %q: %w", p, err)
	}
	return cleanPath(decoded), nil
}

// cleanPath returns a path without doubled slashes and without one at the end, which
// proxies add.
func cleanPath(p string) string { return path.Clean("/" + p) }

// Stats returns the counts so far.
func (w *Webhook) Stats() WebhookStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stats
	s.Lag = w.intake.Lags.Stats()
	s.Refused = make(map[Refusal]int64, len(w.stats.Refused))
	for why, n := range w.stats.Refused {
		s.Refused[why] = n
	}
	return s
}

// take stores a verified delivery and answers it.
func (w *Webhook) take(rw http.ResponseWriter, r *http.Request, body []byte, now time.Time) {
	d := Delivery{
		Body: body, Source: event.SourceWebhook, Received: now,
		Hints: event.Hints{ID: r.Header.Get(headerEventID), Type: r.Header.Get(headerEvent)},
	}
	e, reason := w.intake.decode(&d)
	if reason != "" {
		d.Header = keptHeaders(r.Header)
		if _, err := w.intake.quarantine(w.patience.context(), &d, reason); err != nil {
			w.fail(rw, err, now)
			return
		}
		w.count(func(s *WebhookStats) { s.Quarantined++ })
		answer(rw, "quarantined", e.ID)
		return
	}
	receipts, err := w.cfg.Ingest(w.patience.context(), []turn.Arrival{{Event: e, Received: now}})
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
	w.intake.Lags.note(e.At)
	w.count(func(s *WebhookStats) { s.Accepted++ })
	answer(rw, "accepted", e.ID)
}

// ErrDraining is the error of Ingest and Quarantine once the daemon stops.
var ErrDraining = errors.New("draining: chertd takes in no more events")

// ErrFull is the error of Ingest while too many events wait to be handled. Who returns it
// logs that.
var ErrFull = errors.New("too many events wait to be handled")

func (w *Webhook) count(change func(*WebhookStats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.stats)
}

// Package chertsim simulates Chert from its public documentation: the API with its
// authentication and errors, chats with unread state, the events log, the stream,
// webhook deliveries, and realistic traffic.
//
// It implements the wire independently: it shares the plain types of engine/event with
// the client and nothing else, so that a mistake in the client shows instead of being
// mirrored. Where the documentation is silent, the simulator does something plausible,
// and its comment names the choice.
//
// Everything depends on Config.Seed and Config.Now, so a run is reproducible, also on
// virtual time inside a testing/synctest bubble.
package chertsim

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Values for development. They are fixed, so that one configuration works with every
// simulator. They are not secret.
const (
	DefaultTenant        = "dev-0000"
	DefaultSigningSecret = "0123456789abcdef0123456789abcdef"
	DefaultWebhookSecret = "whsec_for_development_only"
	DefaultLine          = "+14155550100"
)

// BasePath is the prefix of the API. The control routes are under /sim/.
const BasePath = "/api/v1"

// Config has the settings of a simulated account. The zero value works.
type Config struct {
	Tenant        string // default DefaultTenant
	SigningSecret string // default DefaultSigningSecret
	Seed          uint64

	// Now is the clock of all timestamps; default time.Now. Skew is added to it for the
	// server's clock, which Date and the check of signatures use.
	Now  func() time.Time
	Skew time.Duration

	// Rate and Burst are the hidden limit: calls per second, and the largest burst.
	// Rate 0: no limit.
	Rate  float64
	Burst int

	// Transport carries webhook deliveries; default a transport of its own.
	Transport       http.RoundTripper
	Workers         int           // deliveries in flight at most; default 16
	Backoff         time.Duration // after a first failed attempt, then doubled; default 1s
	DeliveryTimeout time.Duration // of one attempt; default 10s
	Signature       SignatureForm // of deliveries; default all forms in turn
	AllowLoopback   bool          // subscriptions may have http:// and a loopback host

	StreamForm StreamForm // default rows and envelopes in turn

	// Keep bounds the events log and the receipts; the oldest are dropped. Default
	// 200,000 of each.
	Keep int
}

func (c Config) withDefaults() Config {
	if c.Tenant == "" {
		c.Tenant = DefaultTenant
	}
	if c.SigningSecret == "" {
		c.SigningSecret = DefaultSigningSecret
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Workers <= 0 {
		c.Workers = 16
	}
	if c.Backoff <= 0 {
		c.Backoff = time.Second
	}
	if c.DeliveryTimeout <= 0 {
		c.DeliveryTimeout = 10 * time.Second
	}
	if c.Keep <= 0 {
		c.Keep = 200_000
	}
	return c
}

// Sim is one simulated account. Its methods may be called from many goroutines. It
// delivers on goroutines of its own, which Close ends.
type Sim struct {
	cfg Config
	mux *http.ServeMux

	// life ends with Close. Attempts, streams and hanging answers use it, as none of
	// them has a caller whose context outlives it.
	life context.Context
	stop context.CancelFunc

	mu       sync.Mutex
	skew     time.Duration
	chats    map[string]*chat
	order    []string // chat ids, oldest first
	messages map[string]*chat
	lines    map[string]*line
	lineList []string
	sent     map[string]Message // by idempotency key
	receipts []Receipt
	subs     []*subscription
	log      eventLog
	limit    bucket
	faults   []*fault
	calls    map[string]int // by route
	mischief Mischief
	queue    deliveries

	// Each purpose has its own source of randomness, so that the order of requests does
	// not change which messages are made.
	ids, traces, dice *rand.Rand

	watch watchers
}

// New returns an account with one phone line and no chats.
func New(cfg Config) *Sim {
	cfg = cfg.withDefaults()
	life, stop := context.WithCancel(context.Background())
	s := &Sim{
		cfg:      cfg,
		life:     life,
		stop:     stop,
		skew:     cfg.Skew,
		chats:    map[string]*chat{},
		messages: map[string]*chat{},
		lines:    map[string]*line{},
		sent:     map[string]Message{},
		calls:    map[string]int{},
		ids:      rand.New(rand.NewPCG(cfg.Seed, 1)),
		traces:   rand.New(rand.NewPCG(cfg.Seed, 2)),
		dice:     rand.New(rand.NewPCG(cfg.Seed, 3)),
	}
	s.log.init(cfg.Keep)
	s.limit.set(cfg.Rate, cfg.Burst, s.now())
	s.queue.init(cfg)
	s.lineLocked(DefaultLine)
	s.mux = s.routes()
	return s
}

// ServeHTTP answers the API under BasePath and the control routes under /sim/.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close ends streams and hanging answers, drops what is queued for delivery,
// and waits for the attempts in flight to end.
func (s *Sim) Close() {
	s.stop()
	s.mu.Lock()
	s.queue.close()
	s.mu.Unlock()
	s.queue.wait()
}

// SetSkew sets the difference of the server's clock to Config.Now.
func (s *Sim) SetSkew(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = d
}

// Calls returns how many requests of a route (its name as in FailRule) have come,
// including refused ones; "" is all routes.
func (s *Sim) Calls(route string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if route != "" {
		return s.calls[route]
	}
	n := 0
	for _, c := range s.calls {
		n += c
	}
	return n
}

// now returns the time of the server's clock. s.mu is held, or the Sim is not yet shared.
func (s *Sim) now() time.Time { return s.cfg.Now().Add(s.skew).UTC() }

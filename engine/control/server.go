package control

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"chertd/engine/control/console"
)

const (
	// maxInFlight bounds the requests being answered, without probes.
	maxInFlight = 32
	// maxTime bounds one request: a reload may run specs.
	maxTime = 2 * time.Minute
	// stallEvery is how often the store is checked while a command runs.
	stallEvery = 250 * time.Millisecond
	// failingChecks is in how many of these checks in a row the store must fail before
	// the command is answered: most commands report the failure themselves.
	failingChecks = 8
)

// Config has the parts of a Handler.
type Config struct {
	Daemon Daemon
	Health func() Health
	// Stalled, if set, returns why the store does not answer now, or nil. Commands are
	// answered immediately then.
	Stalled func() error
	// Failing, if set, returns why writes to the store fail though it answers, or nil.
	Failing func() error
	// Metrics answers GET /metrics; nil: there are none.
	Metrics http.Handler
	// Commands, if set, counts the commands under way.
	Commands *Commands
}

// Handler returns the handler of all control endpoints. It checks no permissions: it is
// for the socket, which only the daemon's user can open. On TCP, wrap it with Guard.
func Handler(c Config) http.Handler {
	mux := http.NewServeMux()
	healthRoutes(mux, c.Health)
	if c.Metrics != nil {
		mux.Handle("GET /metrics", c.Metrics)
	}
	if c.Stalled == nil {
		c.Stalled = func() error { return nil }
	}
	if c.Failing == nil {
		c.Failing = func() error { return nil }
	}
	if c.Commands == nil {
		c.Commands = &Commands{}
	}
	(&api{c.Daemon, make(chan struct{}, maxInFlight), make(chan struct{}, maxTails), c.Stalled, c.Failing, c.Commands}).routes(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { console.Answer(w, http.StatusOK) })
	return worded(mux)
}

// HealthHandler returns the handler of a daemon that can't start yet: it serves the
// probes, and answers all other requests 503 with the reason.
func HealthHandler(health func() Health, why string) http.Handler {
	mux := http.NewServeMux()
	healthRoutes(mux, health)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, &UserError{Status: http.StatusServiceUnavailable, Message: why})
	})
	return mux
}

// NewServer returns a server for a Handler. It closes slow and idle connections.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      maxTime + 10*time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// worded answers requests without a route like all other errors. A mux of net/http
// would answer them in plain text.
func worded(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		v := verdict{}
		h.ServeHTTP(v, r)
		if allow := http.Header(v).Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			refuse(w, &UserError{Status: http.StatusMethodNotAllowed, Message: fmt.Sprintf("%s takes %s, not %s", r.URL.Path, allow, r.Method)})
			return
		}
		refuse(w, &UserError{Status: http.StatusNotFound, Message: "there is nothing at " + r.URL.Path, Hint: "docs/http-api.md lists the endpoints"})
	})
}

// verdict takes the header of a mux's answer to a request without a route.
type verdict http.Header

func (v verdict) Header() http.Header         { return http.Header(v) }
func (v verdict) Write(b []byte) (int, error) { return len(b), nil }
func (v verdict) WriteHeader(int)             {}

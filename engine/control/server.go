package control

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

const (
	// maxInFlight bounds the requests being answered; probes are not counted.
	maxInFlight = 32
	// maxTime bounds one request: a reload may run specs.
	maxTime = 2 * time.Minute
	// stallEvery is how often it is looked whether the store still answers, while
	// a request changes something.
	stallEvery = 250 * time.Millisecond
	// failingLooks is at how many of these looks in a row the store must fail before
	// nobody waits for a command: most say themselves how they ended.
	failingLooks = 8
)

// Config is what the endpoints are made of.
type Config struct {
	Daemon Daemon
	Health func() Health
	// Stalled says why the store does not answer at the moment; nil, or an error
	// of nil: it does. Nobody waits for a command then.
	Stalled func() error
	// Failing says why the store keeps nothing though it answers; nil, or an error of
	// nil: it does.
	Failing func() error
	// Commands, if set, are stopped by the daemon before it ends.
	Commands *Commands
}

// Handler serves everything, to whoever reaches it: it is for the socket, which
// only the daemon's user can open. On TCP it stands behind Guard.
func Handler(c Config) http.Handler {
	mux := http.NewServeMux()
	healthRoutes(mux, c.Health)
	if c.Stalled == nil {
		c.Stalled = func() error { return nil }
	}
	if c.Failing == nil {
		c.Failing = func() error { return nil }
	}
	if c.Commands == nil {
		c.Commands = &Commands{}
	}
	(&api{c.Daemon, make(chan struct{}, maxInFlight), c.Stalled, c.Failing, c.Commands}).routes(mux)
	return worded(mux)
}

// HealthHandler serves what probes ask for, of a daemon that has not begun; all
// else is answered 503 with the reason.
func HealthHandler(health func() Health, why string) http.Handler {
	mux := http.NewServeMux()
	healthRoutes(mux, health)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, &UserError{Status: http.StatusServiceUnavailable, Message: why})
	})
	return mux
}

// NewServer makes the server in which a Handler is served. It cuts off who is
// slow or idle.
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

// worded answers what no route takes like every other error: a mux of net/http
// answers it in plain text.
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
		refuse(w, &UserError{Status: http.StatusNotFound, Message: "there is nothing at " + r.URL.Path, Hint: "docs/operations.md lists what there is"})
	})
}

// verdict takes the header that a mux answers with where it has no route.
type verdict http.Header

func (v verdict) Header() http.Header         { return http.Header(v) }
func (v verdict) Write(b []byte) (int, error) { return len(b), nil }
func (v verdict) WriteHeader(int)             {}

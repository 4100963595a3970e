package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/dispatch"
	"chertd/engine/source"
	"chertd/engine/store/sqlite"
	"chertd/luabind"
	"chertd/rules"
)

// Daemon is all that `chertd run` runs: store, rules, engine, sources and
// control endpoints. Fields are set before Run and not changed after.
type Daemon struct {
	StorePath string
	API       chert.Config // Now is set by the daemon

	Rate        float64
	Burst       int
	Concurrency int
	Shards      int

	Webhook Webhook
	Lines   io.Reader // JSON lines to take in as well; nil: none

	RulesDir string
	Rules    rules.Options
	Watch    bool

	ControlListen string // "": none

	Log     *slog.Logger
	Now     func() time.Time // default time.Now
	Observe func(Happening)
	// Started, if set, is called once with the addresses in use.
	Started func(Addresses)
	// Reload, if set, reloads the rules, with the options it delivers.
	Reload <-chan rules.Options
}

// Webhook says where deliveries are taken in.
type Webhook struct {
	Listen    string // "": off
	Path      string
	Secrets   []string
	Tolerance time.Duration
	MaxBody   int64
}

// Addresses are where the daemon listens; "" where it does not.
type Addresses struct {
	Webhook string // a URL
	Control string // host:port
}

// RulesAreLive is the log message by which people know that an edit took.
const RulesAreLive = "rules are live"

// reportEvery is how often sources are asked for what they have to report, so
// that the end of a run of refusals does not go untold.
const reportEvery = 15 * time.Second

// drainTime is how long requests that are under way may take to end when the
// daemon stops.
const drainTime = 10 * time.Second

// Run runs the daemon until ctx ends and then drains it. What it could not
// finish is in the store and goes on at the next start.
func (d Daemon) Run(ctx context.Context) error {
	if d.Now == nil {
		d.Now = time.Now
	}
	st, err := sqlite.Open(ctx, d.StorePath, sqlite.Options{Log: d.Log})
	if err != nil {
		return err
	}
	defer func() {
		if err := st.Close(); err != nil {
			d.Log.Error("the store did not close cleanly; nothing acknowledged is lost", keyError, err)
		}
	}()
	if d.Shards <= 0 {
		d.Shards = defaultShards
	}
	d.Rules.Shards = d.Shards
	clock := NewClock(d.Now)
	d.API.Now = clock.Now
	client, err := chert.New(d.API)
	if err != nil {
		return err
	}
	eng := New(Config{
		Store:  st,
		Caller: dispatch.NewClient(client, clock.Learn, d.Log),
		Now:    d.Now, Jitter: rand.Float64, Log: d.Log,
		Shards: d.Shards, Rate: d.Rate, Burst: d.Burst,
		Concurrency: d.Concurrency, Timeout: d.API.Timeout,
		Observe: d.Observe,
	})
	reloader := &reloader{engine: eng, dir: d.RulesDir, options: d.Rules, log: d.Log}
	reloader.reload("start")

	servers, addresses, err := d.listen(eng, clock, reloader)
	if err != nil {
		return err
	}
	return d.serve(ctx, eng, clock, reloader, servers, addresses)
}

// serve runs everything until ctx ends or something can't go on.
func (d Daemon) serve(ctx context.Context, eng *Engine, clock *Clock, reloader *reloader, servers []*server, addresses Addresses) error {
	sources, stopSources := context.WithCancelCause(ctx)
	defer stopSources(nil)
	engine, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEngine()

	var taking, handling sync.WaitGroup
	for _, s := range servers {
		taking.Go(func() {
			if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
				stopSources(fmt.Errorf("serve %s: %w", s.name, err))
			}
		})
		if s.report != nil {
			taking.Go(func() {
				for sleep(sources, reportEvery, nil) {
					s.report()
				}
			})
		}
	}
	if d.Lines != nil {
		taking.Go(func() {
			if err := source.Lines(sources, d.Lines, d.takeIn(eng, clock)); err != nil && sources.Err() == nil {
				d.Log.Error("the file of events could not be read to its end", keyError, err)
			}
		})
	}
	if d.Watch {
		taking.Go(func() {
			rules.Watch(sources, d.RulesDir, rules.WatchOptions{Since: reloader.content(), Log: d.Log}, reloader.reload)
		})
	}
	if d.Reload != nil {
		taking.Go(func() {
			for {
				select {
				case o := <-d.Reload:
					reloader.change(o)
				case <-sources.Done():
					return
				}
			}
		})
	}
	handling.Go(func() { eng.Run(engine) })
	if d.Started != nil {
		d.Started(addresses)
	}

	<-sources.Done()
	d.Log.Info("draining: calls in flight end, the rest waits in the store")
	eng.Drain()
	d.shutDown(servers)
	taking.Wait()
	stopEngine()
	handling.Wait()
	if ctx.Err() != nil {
		return nil // it was to stop
	}
	return context.Cause(sources)
}

// server is one listener and what is served on it.
type server struct {
	name     string
	listener net.Listener
	http     *http.Server
	report   func() // of what piles up between two reports; nil: nothing does
}

// listen opens all listeners, or none.
func (d Daemon) listen(eng *Engine, clock *Clock, reloader *reloader) (servers []*server, a Addresses, err error) {
	defer func() {
		if err != nil {
			for _, s := range servers {
				s.listener.Close()
			}
		}
	}()
	if d.Webhook.Listen != "" {
		l, err := net.Listen("tcp", d.Webhook.Listen)
		if err != nil {
			return servers, a, listenError("sources.webhook.listen", err)
		}
		a.Webhook = "http://" + l.Addr().String() + d.Webhook.Path
		hook, err := source.NewWebhook(source.WebhookConfig{
			Secrets: d.Webhook.Secrets, Tolerance: d.Webhook.Tolerance, MaxBody: d.Webhook.MaxBody,
			Tenant: d.API.Tenant, Path: d.Webhook.Path, Now: clock.Now, Log: d.Log,
			Ingest: eng.Ingest, Quarantine: eng.Quarantine,
		})
		if err != nil {
			l.Close()
			return servers, a, fmt.Errorf("sources.webhook: %w", err)
		}
		servers = append(servers, &server{
			name: "webhook", listener: source.LimitListener(l, 0),
			http:   source.NewServer(source.ServerConfig{Handler: hook, Log: d.Log}),
			report: func() { hook.ReportRefusals(clock.Now()) },
		})
	}
	if d.ControlListen != "" {
		l, err := net.Listen("tcp", d.ControlListen)
		if err != nil {
			return servers, a, listenError("control.listen", err)
		}
		a.Control = l.Addr().String()
		h := control.Handler(func() control.Health { return health(eng, reloader) })
		servers = append(servers, &server{name: "control", listener: l, http: &http.Server{
			Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
			ErrorLog: slog.NewLogLogger(d.Log.Handler(), slog.LevelDebug),
		}})
	}
	return servers, a, nil
}

func listenError(key string, err error) error {
	return fmt.Errorf("%s: %w", key, err)
}

// shutDown lets requests under way end and then closes the servers.
func (d Daemon) shutDown(servers []*server) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range servers {
		all.Go(func() {
			if err := s.http.Shutdown(ctx); err != nil {
				s.http.Close()
			}
		})
	}
	all.Wait()
}

// takeIn is how sources without an answer to give hand their events over.
func (d Daemon) takeIn(eng *Engine, clock *Clock) source.Intake {
	return source.Intake{Tenant: d.API.Tenant, Now: clock.Now, Ingest: eng.Ingest, Quarantine: eng.Quarantine, Log: d.Log}
}

// health says how the daemon stands, in words that name the mend.
func health(eng *Engine, r *reloader) control.Health {
	st := eng.Status()
	var h control.Health
	if st.Draining {
		h.NotReady = append(h.NotReady, "draining")
	}
	if st.Failing != "" {
		h.NotReady = append(h.NotReady, "the store fails: "+st.Failing)
	}
	if !st.Rules {
		h.NotReady = append(h.NotReady, "no rules are loaded: events are taken in and wait")
	}
	if st.Paused {
		h.NoCalls = append(h.NoCalls, "calls are paused")
	}
	if s := st.Stopped; s != nil {
		h.NoCalls = append(h.NoCalls, fmt.Sprintf("Chert refuses the account (%d %s) since %s", s.Code, s.Message, s.Since.UTC().Format(time.RFC3339)))
	}
	if broken := r.broken(); len(broken) > 0 {
		h.Notes = append(h.Notes, "an edit of the rules is not live:\n"+broken.Error())
	}
	return h
}

// reloader makes the rule set anew from its folder. Only one goroutine at a
// time reloads.
type reloader struct {
	engine  *Engine
	dir     string
	options rules.Options
	log     *slog.Logger

	mu   sync.Mutex
	errs luabind.Diagnostics
	read string
}

// reload loads the folder and swaps the set in, or leaves the old one live and
// says why.
func (r *reloader) reload(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	previous := r.engine.Rules()
	set, diagnostics := rules.Load(r.dir, r.options, previous)
	r.errs = nil
	if set != nil {
		r.read = set.Content()
	}
	if diagnostics.Errors() {
		r.errs = diagnostics
		left := "the rules that were live stay live"
		if previous == nil {
			left = "no rules are live: events are taken in and wait"
		}
		r.log.Error("the rules did not load; "+left, "dir", r.dir, "problems", len(diagnostics), keyError, diagnostics.Error())
		return
	}
	for _, d := range diagnostics {
		r.log.Warn(d.String())
	}
	r.engine.Swap(set)
	r.log.Info(RulesAreLive, "dir", r.dir, "because", reason, "packs", len(set.Packs()))
}

// change reloads with other options.
func (r *reloader) change(o rules.Options) {
	r.mu.Lock()
	o.Shards = r.options.Shards
	r.options = o
	r.mu.Unlock()
	r.reload("asked")
}

// content is the hash of what was read last: what differs from it is news.
func (r *reloader) content() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read
}

func (r *reloader) broken() luabind.Diagnostics {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.errs
}

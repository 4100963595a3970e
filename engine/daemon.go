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
	"chertd/engine/live"
	"chertd/engine/source"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
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
	// Gate decides whether an edit goes live; nil: each that loads does.
	Gate live.Gate

	Control Control

	Version  string // of the program, for status
	Log      *slog.Logger
	Now      func() time.Time // default time.Now
	Observe  func(Happening)
	open     func() (*sqlite.Store, error) // of tests; nil: sqlite.Open
	refusing func(Addresses)               // of tests: told where nothing is taken in

	// Started, if set, is called once with the addresses in use.
	Started func(Addresses)
	// Reload, if set, delivers what is to be different from now on.
	Reload <-chan Changes
}

// Changes are the settings that a running daemon takes.
type Changes struct {
	Rules          rules.Options
	Gate           live.Gate
	WebhookSecrets []string
	SigningSecret  string
	Rate           float64
	Burst          int

	// Of the webhook; zero fields take the defaults.
	Tolerance time.Duration
	MaxBody   int64
	MaxHeader int64

	Token string // of control.listen
	Hosts []string
}

// Webhook says where deliveries are taken in.
type Webhook struct {
	Listen    string // "": off
	Path      string
	Secrets   []string
	Tolerance time.Duration
	MaxBody   int64
	MaxHeader int64
}

// Addresses are where the daemon listens; "" where it does not.
type Addresses struct {
	Webhook string // a URL
	Socket  string // path of the control socket
	Control string // host:port
}

// reportEvery is how often sources are asked for what they have to report, so
// that the end of a run of refusals does not go untold.
const reportEvery = 15 * time.Second

// GCPercent is the garbage collector's target for a daemon process. Its live
// heap is some 20 MB, so that tripling it stays well within 150 MB, and the
// whole way from webhook to call takes a tenth less processor time
// (BenchmarkWholeWay) than with Go's default of 100.
const GCPercent = 200

const (
	// drainTime is how long commands that are under way may take to end when the
	// daemon stops; the next start takes up what they have left. Calls in flight
	// end meanwhile, each within its timeout.
	drainTime = 3 * time.Second
	// closeTime is how long other requests may then take to be answered.
	closeTime = 2 * time.Second
)

// Run runs the daemon until ctx ends and then drains it. What it could not
// finish is in the store and goes on at the next start.
func (d Daemon) Run(ctx context.Context) error {
	if d.Now == nil {
		d.Now = time.Now
	}
	st, err := d.openStore(ctx)
	if st == nil {
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
	offset, err := st.ClockOffset(ctx)
	if err != nil {
		return err
	}
	clock.Restore(offset)
	client, err := chert.New(d.API)
	if err != nil {
		return err
	}
	eng := New(Config{
		Store:  st,
		Caller: dispatch.NewClient(client, keepOffset(clock, st, d.Log), d.Log),
		Now:    d.Now, Jitter: rand.Float64, Log: d.Log,
		Shards: d.Shards, Rate: d.Rate, Burst: d.Burst,
		Concurrency: d.Concurrency, Timeout: d.API.Timeout,
		Credential: d.API.Tenant + " " + d.API.BaseURL, BaseURL: d.API.BaseURL,
		Observe: d.Observe,
	})
	m := newManager(eng, st, client, clock, &d)
	eng.c.Observe = func(h Happening) {
		m.happened(h)
		if d.Observe != nil {
			d.Observe(h)
		}
	}
	if m.paused, err = st.Flag(ctx, flagPaused); err != nil {
		return err
	} else if m.paused {
		d.Log.Warn("calls are paused, as they were when chertd stopped", "hint", "chertd resume lets them go on")
	}
	if err := eng.restorePause(ctx); err != nil {
		return err
	}
	// What packs must not do any more is dropped before anything goes out.
	eng.Pause(true)
	servers, addresses, err := d.listen(eng, clock, m)
	if err != nil {
		return err
	}
	return d.serve(ctx, eng, m, servers, addresses)
}

// serve runs everything until ctx ends or something can't go on.
func (d Daemon) serve(ctx context.Context, eng *Engine, m *manager, servers []*server, addresses Addresses) error {
	sources, stopSources := context.WithCancelCause(ctx)
	defer stopSources(nil)
	engine, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEngine()

	var taking, handling, serving sync.WaitGroup
	handling.Go(func() { eng.Run(engine) })
	if err := startUnlessDamaged(ctx, m.store, m.gens.Start); err != nil {
		stopSources(err)
	} else {
		eng.Pause(m.paused)
	}
	taking.Go(func() { m.run(sources) })
	taking.Go(func() { m.watchBlocking(sources) })
	for _, s := range servers {
		serving.Go(func() {
			if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
				stopSources(fmt.Errorf("serve %s: %w", s.name, err))
			}
		})
		if s.report != nil {
			taking.Go(func() {
				for sleep(sources, reportEvery, nil) {
					s.report(false)
				}
			})
		}
	}
	if d.Lines != nil {
		taking.Go(func() {
			if err := source.Lines(sources, d.Lines, d.takeIn(eng)); err != nil && sources.Err() == nil {
				d.Log.Error("the file of events could not be read to its end", keyError, err)
			}
		})
	}
	if d.Watch {
		taking.Go(func() { m.gens.Watch(sources) })
	}
	if d.Reload != nil {
		taking.Go(func() {
			for {
				select {
				case c := <-d.Reload:
					m.change(sources, c, servers)
				case <-sources.Done():
					return
				}
			}
		})
	}
	if d.Started != nil {
		d.Started(addresses)
	}

	<-sources.Done()
	// Deliveries are answered 503 and probes and status are answered until the
	// calls in flight have ended, so that nobody takes this for a crash.
	eng.Drain()
	d.Log.Info("draining: calls in flight end, the rest waits in the store", "in_flight", eng.calls.InFlight())
	m.commands.Stop(drainTime)
	taking.Wait()
	m.gens.Stop() // while there are shards to do what it has begun
	stopEngine()
	handling.Wait()
	d.shutDown(servers)
	serving.Wait()
	if ctx.Err() != nil {
		return nil // it was to stop
	}
	return context.Cause(sources)
}

// damagedEvery is how often it is looked, during the start, whether the store was
// found to be damaged.
const damagedEvery = 100 * time.Millisecond

// startUnlessDamaged starts what waits for the store, and gives it up once the
// store is known to be damaged: then no answer will come.
func startUnlessDamaged(ctx context.Context, st store.Store, start func(context.Context) error) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer giveUp(nil)
	watching.Go(func() {
		for sleep(ctx, damagedEvery, nil) {
			if corrupt, ok := errors.AsType[*sqlite.CorruptError](st.Healthy()); ok {
				giveUp(corrupt)
			}
		}
	})
	err := start(ctx)
	if corrupt, ok := errors.AsType[*sqlite.CorruptError](context.Cause(ctx)); ok {
		return corrupt
	}
	return err
}

// server is one listener and what is served on it.
type server struct {
	name     string
	listener net.Listener
	http     httpServer
	report   func(last bool)     // of what piles up between two reports; nil: nothing does
	note     func() string       // what status is to say of it; nil: nothing
	change   func(Changes) error // takes what concerns it; nil: nothing does
}

// httpServer is an *http.Server, or does as one.
type httpServer interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

// listen opens all listeners, or none.
func (d Daemon) listen(eng *Engine, clock *Clock, m *manager) (servers []*server, a Addresses, err error) {
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
			Secrets: d.Webhook.Secrets, SigningSecret: d.API.SigningSecret,
			Tolerance: d.Webhook.Tolerance, MaxBody: d.Webhook.MaxBody,
			Tenant: d.API.Tenant, Path: d.Webhook.Path, Now: d.Now, ChertNow: clock.Now, Log: d.Log,
			Ingest: eng.Ingest, Quarantine: eng.Quarantine,
		})
		if err != nil {
			l.Close()
			return servers, a, fmt.Errorf("sources.webhook: %w", err)
		}
		srv, conns := source.NewServer(source.ServerConfig{
			Handler: hook, MaxHeader: d.Webhook.MaxHeader, Refused: hook.RefusedStatus, Log: d.Log,
		})
		servers = append(servers, &server{
			name: "webhook", listener: conns.Listener(l), http: srv,
			report: hook.Report,
			change: func(c Changes) error {
				srv.SetMaxHeader(c.MaxHeader)
				return hook.Change(source.WebhookSettings{Secrets: c.WebhookSecrets, SigningSecret: c.SigningSecret, Tolerance: c.Tolerance, MaxBody: c.MaxBody})
			},
		})
		m.hook, m.conns = hook, conns
	}
	servers, err = d.listenControl(servers, &a, control.Handler(control.Config{Daemon: m, Health: m.health, Stalled: m.stalled, Failing: m.failing, Commands: &m.commands}))
	for _, s := range servers {
		if s.note != nil {
			m.notes = append(m.notes, s.note)
		}
	}
	return servers, a, err
}

// Faults are the errors of all that a start opens: the store and each address. It
// opens them and closes them again; a daemon that could not start is asked for what
// else is wrong.
func (d Daemon) Faults(ctx context.Context) (errs []error) {
	open := func(key, address string) {
		if address == "" {
			return
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			errs = append(errs, listenError(key, err))
			return
		}
		l.Close()
	}
	if st, err := sqlite.Open(ctx, d.StorePath, sqlite.Options{Log: slog.New(slog.DiscardHandler)}); err == nil {
		st.Close()
	} else if !errors.As(err, new(*sqlite.NoRoomError)) { // which is waited for
		errs = append(errs, err)
	}
	open("sources.webhook.listen", d.Webhook.Listen)
	open("control.listen", d.Control.Listen)
	if d.Control.Socket != "" {
		if l, err := control.Listen(d.Control.Socket); err == nil {
			l.Close()
		} else {
			errs = append(errs, listenError("control.socket", err))
		}
	}
	return errs
}

// SettingError says that the daemon can't start with a setting.
type SettingError struct {
	Key string // of the configuration, such as control.listen
	Err error
}

func (e *SettingError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap returns what the system said.
func (e *SettingError) Unwrap() error { return e.Err }

func listenError(key string, err error) error { return &SettingError{key, err} }

// shutDown lets requests under way end, for a short time, and closes the servers.
func (d Daemon) shutDown(servers []*server) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range servers {
		all.Go(func() {
			if err := s.http.Shutdown(ctx); err != nil {
				s.http.Close()
			}
			if s.report != nil {
				s.report(true)
			}
		})
	}
	all.Wait()
}

// takeIn is how sources without an answer to give hand their events over.
func (d Daemon) takeIn(eng *Engine) source.Intake {
	return source.Intake{Tenant: d.API.Tenant, Now: d.Now, Ingest: eng.Ingest, Quarantine: eng.Quarantine, Log: d.Log}
}

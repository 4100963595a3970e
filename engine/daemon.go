package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/dispatch"
	"chertd/engine/live"
	"chertd/engine/notify"
	"chertd/engine/source"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/engine/tracing"
	"chertd/engine/wait"
	"chertd/rules"
)

// Daemon has the settings of what `chertd run` runs: store, rules, engine, sources and
// control endpoints. Set its fields before Run, and don't change them after.
type Daemon struct {
	StorePath string
	API       chert.Config // Run sets Now and MaxConns

	Rate        float64
	Burst       int
	Adaptive    bool
	Concurrency int
	Shards      int
	Retention   Retention

	Webhook Webhook
	CatchUp CatchUp
	Stream  bool      // take events from Chert's stream
	Lines   io.Reader // JSON lines with further events; nil: none
	// LinesName is what the status calls Lines.
	LinesName string

	Notify []notify.Target // of chert.notify

	// Traces has the settings of traces: URL, Header, Value, Sample and Timeout. Without a URL
	// there are none.
	Traces tracing.Config

	RulesDir string
	Rules    rules.Options
	Watch    bool
	// Gate decides whether an edit goes live; nil: every edit that loads does.
	Gate live.Gate

	Control Control

	Version  string // of the program, for status
	Log      *slog.Logger
	Now      func() time.Time // default time.Now
	Observe  func(Observation)
	open     func() (store.Store, error) // for tests; nil: sqlite.Open
	refusing func(Addresses)             // for tests: called with the addresses that refuse requests
	jitter   func() float64              // for tests; nil: rand.Float64

	// Started, if set, is called once, with the addresses in use.
	Started func(Addresses)
	// Beat, if set, is called every BeatEvery from when events are accepted, and once when the
	// daemon begins to stop, all on one goroutine. It must not block.
	Beat      func(Beat)
	BeatEvery time.Duration // default DefaultBeat
	// Stop, if set, is called when a command drains the daemon. It must end the context of
	// Run.
	Stop func()
	// Reload, if set, delivers changed settings.
	Reload <-chan Changes
	// Settings, if set, reads the settings again and delivers them by Reload. It returns
	// once they are in force. Several goroutines call it.
	Settings func(context.Context) (control.Settings, error)
	// SettingsInUse, if set, compares the settings in use with what Settings would read. It
	// changes nothing. Several goroutines call it.
	SettingsInUse func(context.Context) (control.SettingsInUse, error)
}

// Changes are the settings that can change while a daemon runs.
type Changes struct {
	Rules          rules.Options
	Gate           live.Gate
	WebhookSecrets []string
	SigningSecret  string
	Rate           float64
	Burst          int
	Adaptive       bool
	Retention      Retention
	Notify         []notify.Target

	// Of the webhook; zero fields take the defaults.
	Tolerance time.Duration
	MaxBody   int64
	MaxHeader int64

	Token string // of control.listen
	Hosts []string

	// Applied, if set, is called once the settings are in force and the packs were judged
	// by them, or with the error for which one of the settings was rejected.
	Applied func(error)
}

// Webhook has the settings of the webhook.
type Webhook struct {
	Listen    string // "": off
	Path      string
	Secrets   []string
	Tolerance time.Duration
	MaxBody   int64
	MaxHeader int64
}

// Addresses has where the daemon listens; "" where it does not.
type Addresses struct {
	Webhook string // a URL
	Socket  string // path of the control socket
	Control string // host:port
}

// reportEvery is how often servers log what they have not logged yet, so that the last
// refusals of many are logged, too.
const reportEvery = 15 * time.Second

// GCPercent is the target of the garbage collector for a daemon process. The live heap
// is about 15 MB under load, so five times that stays far below 150 MB; where it is larger
// the memory limit of `chertd run` applies. The way from webhook to call takes 3 to 8% less
// processor time (BenchmarkWholeWay) than with 200.
const GCPercent = 400

const (
	// drainTime is how long commands under way may take when the daemon stops. The next
	// start completes what is unfinished. Meanwhile calls in flight end, each within
	// its timeout.
	drainTime = 3 * time.Second
	// closeTime is how long other requests may take after that.
	closeTime = 2 * time.Second
)

// Run runs the daemon until ctx ends, and then drains it. Unfinished work is in the
// store, and continues at the next start.
func (d Daemon) Run(ctx context.Context) error {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Stop == nil {
		ctx, d.Stop = context.WithCancel(ctx)
		defer d.Stop()
	}
	st, err := d.openStore(ctx)
	if st == nil {
		return err
	}
	closeStore := sync.OnceFunc(func() {
		if err := st.Close(); err != nil {
			d.Log.Error("store did not close cleanly; acknowledged events are safe", keyError, err, "hint", "check the disk and then the store before the next start: chertd store check")
		}
	})
	defer closeStore()
	m, paused, err := d.prepare(ctx, st)
	if err != nil {
		return err
	}
	servers, addresses, err := d.listen(m)
	if err != nil {
		return err
	}
	return d.serve(ctx, m, paused, servers, addresses, closeStore)
}

// prepare makes what runs on an open store. Calls are paused until serve has the rules live;
// paused tells whether they stay paused then.
func (d *Daemon) prepare(ctx context.Context, st store.Store) (m *manager, paused bool, err error) {
	if d.Shards <= 0 {
		d.Shards = defaultShards
	}
	d.Rules.Shards = d.Shards
	clock := newClock(d.Now)
	d.API.Now, d.API.MaxConns = clock.Now, d.Concurrency+1 // one reads the events log
	offset, err := st.ClockOffset(ctx)
	if err != nil {
		return nil, false, err
	}
	clock.Restore(offset)
	jitter := d.jitter
	if jitter == nil {
		jitter = rand.Float64
	}
	client, err := chert.New(d.API)
	if err != nil {
		return nil, false, err
	}
	caller := dispatch.NewClient(client, keepOffset(clock, st, d.Log), d.Log)
	m, err = newManager(d, Config{
		Store:  st,
		Caller: caller,
		Now:    d.Now, Jitter: jitter, Log: d.Log,
		Shards: d.Shards, Rate: d.Rate, Burst: d.Burst, Adaptive: d.Adaptive,
		Concurrency: d.Concurrency, Timeout: d.API.Timeout, Retention: d.Retention,
		Credential: d.API.Tenant + " " + d.API.BaseURL, BaseURL: d.API.BaseURL,
		Observe: d.Observe, chertNow: clock.Now,
	}, st, client, clock)
	if err != nil {
		return nil, false, err
	}
	if d.CatchUp.Every > 0 {
		m.catchUp.Store(d.newCatchUp(m.eng, caller, m.clock))
		m.eng.freezes.gap = m.missed
		m.eng.BeginGap(d.CatchUp.Wait)
	}
	if d.Stream {
		m.stream = d.newStream(m.eng, caller, clock, m.missed)
	}
	if d.Lines != nil {
		in := d.takeIn(m.eng)
		in.Lags = source.NewLags(clock.Now)
		m.lines, m.linesName = source.NewLines(d.Lines, in), d.LinesName
	}
	paused, err = st.Paused(ctx)
	if err != nil {
		return nil, false, err
	}
	if paused {
		d.Log.Warn("calls are still paused from before the restart", "hint", "chertd resume")
	}
	if err := m.eng.restorePause(ctx); err != nil {
		return nil, false, err
	}
	if err := m.eng.restoreLines(ctx); err != nil {
		return nil, false, err
	}
	if err := m.eng.restoreHolds(ctx); err != nil {
		return nil, false, err
	}
	if err := m.eng.restoreLearned(ctx); err != nil {
		return nil, false, err
	}
	m.restoreNotices(ctx)
	// Actions of packs that are off or gone are dropped before any call goes out.
	m.eng.Pause(true)
	m.eng.notices.calls.Pause(true)
	return m, paused, nil
}

// serve runs everything until ctx ends or a server fails, and then closes the store. With
// paused, calls stay paused once the rules are live.
func (d Daemon) serve(ctx context.Context, m *manager, paused bool, servers []*server, addresses Addresses, closeStore func()) error {
	eng := m.eng
	sources, stopSources := context.WithCancelCause(ctx)
	defer stopSources(nil)
	engine, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEngine()

	stopTraces := d.startTraces(m)
	var taking, handling, serving sync.WaitGroup
	handling.Go(func() { eng.Run(engine) })
	if err := startUnlessDamaged(ctx, m.store, m.gens.Start); err != nil {
		stopSources(err)
	} else {
		eng.Pause(paused)
		eng.notices.calls.Pause(false)
	}
	if log := m.catchUp.Load(); log != nil {
		taking.Go(func() { log.Run(sources) })
	} else {
		// What an earlier run kept for later.
		taking.Go(func() { _ = eng.flushEarly(sources, nil) })
	}
	if m.stream != nil {
		taking.Go(func() { m.stream.Run(sources) })
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
				for wait.For(sources, reportEvery) {
					s.report(false)
				}
			})
		}
	}
	if m.lines != nil {
		taking.Go(func() {
			if err := m.lines.Run(sources); err != nil && sources.Err() == nil {
				d.Log.Error("could not read the file of events to its end", keyError, err, "hint", "correct the file, and start chertd with it again: events that it has are not handled twice")
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
	var asking sync.WaitGroup
	taking.Go(func() { d.beats(sources, m, &asking) })

	<-sources.Done()
	// Until the calls in flight have ended, deliveries are answered 503, and probes and
	// status are answered, so that this does not look like a crash.
	m.drains.begin(eng.c.Now())
	eng.Drain()
	m.tails.note(eng.c.Now(), "chertd is draining: calls in flight end, other work stays in the store")
	d.Log.Info("draining: finishing calls in flight; other work stays in the store", "in_flight", eng.inFlight())
	m.commands.Stop(drainTime)
	m.retries.end()
	taking.Wait()
	m.gens.Stop() // before the shards, which carry out what it has begun
	stopEngine()
	handling.Wait()
	// A command that waits for the stop is answered when another process can open the store.
	left := m.left()
	sendTraces := stopTraces()
	closeStore()
	asking.Wait()
	m.drains.end(left)
	m.drains.awaitFetch()
	m.tails.end()
	serving.Go(sendTraces)
	d.shutDown(servers)
	serving.Wait()
	if ctx.Err() != nil {
		return nil // a requested stop
	}
	return context.Cause(sources)
}

// damagedEvery is how often the start checks whether the store is damaged.
const damagedEvery = 100 * time.Millisecond

// startUnlessDamaged runs start, which waits for the store, and cancels it once the store
// is known to be damaged, as it will not answer then.
func startUnlessDamaged(ctx context.Context, st store.Store, start func(context.Context) error) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer giveUp(nil)
	watching.Go(func() {
		for wait.For(ctx, damagedEvery) {
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

// takeIn returns the intake of sources that give no answer.
func (d Daemon) takeIn(eng *Engine) source.Intake {
	return source.Intake{Tenant: d.API.Tenant, Now: d.Now, Ingest: eng.Ingest, Quarantine: eng.Quarantine, Log: d.Log}
}

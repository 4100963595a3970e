// Package engine is the daemon: it takes events in, runs the rule set on them, and
// carries out the outcomes.
//
// Every event is durable in the journal before it is acknowledged, and stays pending
// until the transaction that stores its outcome. If the process ends in between, the
// event runs again. Each chat belongs to one shard, and only the goroutine of that shard
// changes it.
package engine

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/dispatch"
	"chertd/engine/source"
	"chertd/engine/store"
	"chertd/engine/wait"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// defaultShards limits how many chats a slow handler delays to a quarter, and keeps two
// cores busy while batches wait for the disk.
const defaultShards = 4

// Config has the parts and settings of an Engine.
type Config struct {
	Store  store.Store // not closed by the engine
	Caller dispatch.Caller
	Notify dispatch.Caller  // of notifications; nil: they have no target
	Now    func() time.Time // cut to whole milliseconds by the engine
	Jitter func() float64   // in [0, 1), for retries
	Log    *slog.Logger

	Shards      int           // goroutines that run rules; default 4
	Rate        float64       // calls per second at most; 0: no ceiling
	Burst       int           // size of a burst of calls; default 1
	Adaptive    bool          // keep below the rate that is learned from Chert's 429s
	Concurrency int           // calls on the wire; default dispatch.DefaultConcurrency
	Timeout     time.Duration // of one attempt
	Retention   Retention     // zero: nothing is removed

	// Credential identifies the account and the address of calls. A pause because of a
	// 429 is kept for it across restarts. BaseURL is shown to people.
	Credential string
	BaseURL    string

	// Observe, if set, is called with each observation, on the goroutine that made it. It
	// must be quick, and must not call the engine.
	Observe func(Observation)

	// missedChanged, if set, is called when what packs have missed has changed. It
	// must not block.
	missedChanged func()
	// journaled, if set, is called with entries that are durable, before they are handled. It
	// must be quick.
	journaled func([]turn.Entry)
	// chertNow, if set, is Chert's clock, as far as it is known.
	chertNow func() time.Time
}

// Engine runs rules on events. Create it with New, and call Run once.
type Engine struct {
	c          Config
	rules      atomic.Pointer[rules.Set]
	shards     []*shard
	calls      *dispatch.Dispatcher
	gov        *dispatch.Governor
	callHealth *callHealth
	lineStops  lineStops
	lines      *unsupportedLines
	reads      readMeters
	held       *selectionHolds

	notices *notices

	callsDue  *dispatch.Queue
	timersDue *dispatch.Agenda

	swapped     chan struct{} // signalled when the rule set has changed
	draining    atomic.Bool
	drained     chan struct{} // closed by Drain
	drainOnce   sync.Once
	packLocks   sync.Map // pack → *sync.Mutex, see lockPacks
	failing     atomic.Pointer[string]
	suspensions rules.Suspensions
	lists       lists
	misses      *misses
	retention   atomic.Pointer[Retention]
	admission   *admission
	gaps        gaps
	freezes     freezes
	announced   atomic.Int64 // the newest event that shards were offered
}

// New returns an Engine. Before Run it only journals the events that are ingested.
func New(c Config) *Engine {
	if c.Shards <= 0 {
		c.Shards = defaultShards
	}
	if c.Concurrency <= 0 {
		c.Concurrency = dispatch.DefaultConcurrency
	}
	if c.Jitter == nil {
		c.Jitter = func() float64 { return 0.5 }
	}
	now := c.Now
	c.Now = func() time.Time { return now().Truncate(time.Millisecond) }
	e := &Engine{
		c:         c,
		gov:       newGovernor(&c),
		timersDue: dispatch.NewAgenda(c.Store.TimersDue, 0),
		swapped:   make(chan struct{}, 1),
		drained:   make(chan struct{}),
		gaps:      gaps{began: make(chan struct{}, 1)},
	}
	e.callsDue = dispatch.NewQueue(dueOf{c.Store, false}, e.group, 0)
	e.callHealth = newCallHealth(c.Log, e.gov, c.BaseURL)
	e.lines = &unsupportedLines{e: e}
	e.lists.e = e
	e.misses = newMisses(e)
	e.held = newSelectionHolds(e)
	e.setRetention(c.Retention)
	e.admission = newAdmission(c.Shards, c.Log)
	for i := range c.Shards {
		e.shards = append(e.shards, newShard(e, store.Shard{Index: i, Of: c.Shards}))
	}
	e.calls = dispatch.New(dispatch.Config{
		Chats: e, Caller: e.lines, Queue: e.callsDue, Governor: e.gov,
		Concurrency: c.Concurrency, Timeout: c.Timeout,
		Now: c.Now, Jitter: c.Jitter, Log: c.Log, Keep: e.keepPause, KeepLine: e.lineChanged,
		// A call that can't be recorded would be repeated without end.
		Able:  c.Store.Healthy,
		Awake: e.awake,
		Observe: func(a dispatch.Attempt) {
			e.callHealth.ended(&a)
			e.observe(Observation{Attempt: &a})
		},
	})
	e.notices = newNotices(e)
	e.countBacklog() // before further events are announced, which are counted then
	e.announced.Store(c.Store.LastSeq())
	c.Store.Journaled(e.journaled)
	return e
}

// Run handles events and makes calls until ctx ends. Then it drains, unless it does
// already, and returns when the calls in flight have ended and their answers are stored.
// Other work stays pending in the store.
func (e *Engine) Run(ctx context.Context) {
	working, stopWork := context.WithCancel(ctx)
	defer stopWork()
	stop, stopShards := context.WithCancel(context.WithoutCancel(ctx))
	defer stopShards()
	e.lists.load(ctx)
	e.misses.load(ctx) // missed events run before newer ones
	var shards, others sync.WaitGroup
	for _, s := range e.shards {
		shards.Go(func() { s.run(stop) })
	}
	others.Go(func() { e.calls.Run(working) })
	others.Go(func() { e.notices.calls.Run(working) })
	others.Go(func() { e.runGaps(working) })
	others.Go(func() { e.watchFreezes(working) })
	others.Go(func() { e.runTimers(working) })
	others.Go(func() { e.runSchedules(working) })
	others.Go(func() { e.misses.run(working) })
	others.Go(func() { e.runHolds(working) })
	others.Go(func() { e.prune(working) })
	others.Go(func() { e.keepLearned(working) })
	others.Go(func() { e.watchHeap(working, pressureEvery, heapCeiling) })
	select {
	case <-ctx.Done():
	case <-e.drained:
	}
	e.Drain()
	stopWork()
	others.Wait() // calls in flight need their shards
	<-ctx.Done()  // so do commands
	stopShards()
	shards.Wait()
}

// Drain stops taking in events, handling them and starting calls. Commands are carried
// out until the context of Run ends.
func (e *Engine) Drain() {
	e.draining.Store(true)
	e.drainOnce.Do(func() { close(e.drained) })
	for _, s := range e.shards {
		s.wakeUp() // results wait no longer
	}
}

// Swap changes the rule set, from the next event on. Before the first Swap, events are
// taken in and wait.
func (e *Engine) Swap(set *rules.Set) {
	e.misses.swap(set)
	e.suspensions.Keep(set)
	select {
	case e.swapped <- struct{}{}:
	default:
	}
	for _, s := range e.shards {
		s.wakeUp()
	}
}

// Rules returns the current rule set, or nil.
func (e *Engine) Rules() *rules.Set { return e.rules.Load() }

// Ingest journals events. When it returns without an error, they are on disk and each
// will be handled once, also after a crash. While thousands of events wait to be handled
// it returns later, and at very many it refuses with source.ErrFull: see admission.
func (e *Engine) Ingest(ctx context.Context, arrivals []turn.Arrival) ([]store.Receipt, error) {
	if e.draining.Load() {
		return nil, source.ErrDraining
	}
	if err := e.admission.refused(); err != nil {
		return nil, err
	}
	began := time.Now()
	receipts, err := e.c.Store.Append(ctx, arrivals)
	if err == nil {
		e.pace(ctx, longestAck-time.Since(began), arrivals, receipts)
	}
	return receipts, err
}

// Quarantine stores a delivery that could not be decoded.
func (e *Engine) Quarantine(ctx context.Context, q store.Quarantined) error {
	if e.draining.Load() {
		return source.ErrDraining
	}
	return e.c.Store.Quarantine(ctx, q)
}

// Pause stops all calls to Chert, or lets them resume. Notifications do not stop.
func (e *Engine) Pause(on bool) { e.calls.Pause(on) }

// inFlight returns how many calls are in flight, notifications included.
func (e *Engine) inFlight() int { return e.calls.InFlight() + e.notices.calls.InFlight() }

// Status is the state of an Engine.
type Status struct {
	Draining  bool
	InFlight  int    // calls until their answers are durable
	Rules     bool   // there is a rule set to run events by
	Failing   string // the last error of the store; "": it works
	Paused    bool
	Stopped   *dispatch.Stop      // why all calls have stopped; nil: they have not
	Lines     []dispatch.LineStop // phone lines whose calls have stopped
	Pause     dispatch.Pause      // because of a 429, while it lasts; zero: none
	Outage    time.Time           // since when calls have failed, for any chat; zero: they succeed
	LastCall  string              // the last error, in an outage
	Confirmed time.Time           // when Chert last confirmed a call; zero: not since the start
	Backlog   []int               // events in memory, by shard
	Waiting   int64               // events that are not handled yet, about
	Slowed    bool                // acknowledgements are delayed, as too many events wait
	Full      bool                // events are refused, as far too many wait
	Missed    []MissedBy          // what packs have missed, by name
	Ceiling   float64             // calls per second at most, by configuration; 0: no limit
	Rate      float64             // calls per second at most, now; 0: no limit
	Learned   bool                // Rate is learned from Chert's 429s, and below the ceiling
	// CatchUp is since when calls wait for missed events, and CatchUpEnds when they do no
	// longer; zero: they don't.
	CatchUp, CatchUpEnds time.Time
}

// Status returns the state of the engine.
func (e *Engine) Status() Status {
	st := Status{
		Draining: e.draining.Load(),
		InFlight: e.inFlight(),
		Rules:    e.rules.Load() != nil,
		Paused:   e.calls.Paused(),
		Stopped:  e.gov.Stopped(),
		Lines:    e.calls.LineStops(),
		Missed:   e.misses.counts(),
		Waiting:  e.admission.total.Load(),
		Slowed:   e.admission.slow.Load() > 0,
		Full:     e.admission.full.Load(),
	}
	if f := e.failing.Load(); f != nil {
		st.Failing = *f
	}
	if err := e.c.Store.Healthy(); err != nil {
		st.Failing = err.Error()
	}
	st.Ceiling = e.gov.Ceiling()
	st.Rate, st.Learned = e.gov.Rate()
	st.CatchUp, st.CatchUpEnds = e.Gap()
	st.Outage, st.LastCall = e.callHealth.outage(e.c.Now())
	st.Confirmed = e.callHealth.lastConfirmed()
	if p := e.gov.Pause(); p.Until.After(e.c.Now()) {
		st.Pause = p
	}
	for _, s := range e.shards {
		st.Backlog = append(st.Backlog, s.backlog())
	}
	return st
}

// journaled passes new entries to their shards. The store's writer calls it in order.
func (e *Engine) journaled(entries []turn.Entry) {
	if e.c.journaled != nil {
		e.c.journaled(entries)
	}
	watch := e.gaps.watch.Load()
	for i := range entries {
		s := e.shardOf(entries[i].ShardKey())
		if watch != nil {
			watch.note(&entries[i], s.part.Index)
		}
		s.offer(&entries[i])
	}
	if n := len(entries); n > 0 {
		e.announced.Store(entries[n-1].Seq)
	}
}

func (e *Engine) shardOf(key string) *shard {
	return e.shards[store.Slot(key)%len(e.shards)]
}

// runTimers wakes the chats whose timers are due, until ctx ends.
func (e *Engine) runTimers(ctx context.Context) {
	for e.waitGap(ctx) {
		next, ok, err := e.timersDue.Next(ctx)
		due := next.At // zero: there is none
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			e.c.Log.Error("could not read from the store which timers are due; retrying", keyError, err, "hint", diag.StoreHint)
			due = e.c.Now().Add(time.Second)
		}
		if ok && !due.After(e.c.Now()) {
			if !e.awake() {
				continue
			}
			if e.timersDue.Take(next.Chat) {
				if err := e.shardOf(next.Chat).post(ctx, request{chat: next.Chat, input: chat.Wake{}}); err != nil {
					return
				}
			}
			continue
		}
		if !wait.Until(ctx, e.c.Now, due, e.timersDue.Changed()) {
			return
		}
	}
}

// lockPacks locks packs whose handlers had repeated conflicts over kv, so that one shard
// at a time runs them. The packs are in ascending order, so that two shards can't
// deadlock.
func (e *Engine) lockPacks(packs []string) (unlock func()) {
	var locked []*sync.Mutex
	for _, pack := range packs {
		mu, _ := e.packLocks.LoadOrStore(pack, &sync.Mutex{})
		mu.(*sync.Mutex).Lock()
		locked = append(locked, mu.(*sync.Mutex))
	}
	return func() {
		for _, mu := range locked {
			mu.Unlock()
		}
	}
}

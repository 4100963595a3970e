// Package engine is the daemon: it takes events in, runs the rule set on them,
// and carries the outcomes out.
//
// The journal is the truth. Every event is durable before it is acknowledged,
// and stays pending until the transaction that keeps its outcome; whatever
// happens in between, it runs again. Each chat belongs to one shard, and only
// the shard's goroutine moves it.
package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/dispatch"
	"chertd/engine/source"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
)

// ErrDraining is returned by Ingest once the engine has been told to stop.
var ErrDraining = source.ErrDraining

// defaultShards keeps a slow handler from holding up more than a quarter of the
// chats, and two cores busy while batches wait for the disk.
const defaultShards = 4

// Config is what an engine is made of.
type Config struct {
	Store  store.Store // not closed by the engine
	Caller dispatch.Caller
	Now    func() time.Time // cut to whole milliseconds by the engine
	Jitter func() float64   // in [0, 1): of retries
	Log    *slog.Logger

	Shards      int           // goroutines that run rules; default 4
	Rate        float64       // calls per second at most; 0: no ceiling
	Burst       int           // calls at once; default 1
	Concurrency int           // calls in flight; default 8
	Timeout     time.Duration // of one attempt

	// Credential names the account that calls are made for, and where: a pause
	// that Chert asks for is kept for it across restarts. BaseURL is for people.
	Credential string
	BaseURL    string

	// Observe, if set, is told what happens, as it happens, from the
	// goroutine it happens on: it must be quick and must not call back.
	Observe func(Happening)
}

// Happening is something the engine did: exactly one field is set.
type Happening struct {
	Handled *Handled
	Rerun   *Handled // an event that a pack had missed; its decision is the whole one
	Attempt *dispatch.Attempt
	Settled *chat.Action // an action that waits no more
	Limited *Limited
}

// Limited is a pack that would have made more read calls than its limit allows.
type Limited struct{ Pack, Why string }

// Handled is an event whose outcome is durable.
type Handled struct {
	Entry    *store.Entry
	Decision *store.Decision
	Actions  []chat.Action
}

// Engine runs rules over events. Create it with New, run it once with Run.
type Engine struct {
	c          Config
	rules      atomic.Pointer[rules.Set]
	shards     []*shard
	calls      *dispatch.Dispatcher
	gov        *dispatch.Governor
	callHealth callHealth
	reads      readMeters

	callsDue  *dispatch.Queue
	timersDue *dispatch.Agenda

	swapped   chan struct{} // signalled when the rules are others
	draining  atomic.Bool
	drained   chan struct{} // closed when it drains
	drainOnce sync.Once
	packLocks sync.Map // pack → *sync.Mutex, see lockPacks
	failing   atomic.Pointer[string]
	conduct   rules.Conduct
	misses    *misses
}

// New makes an engine; nothing happens before Run, but that events which are
// ingested are journaled.
func New(c Config) *Engine {
	if c.Shards <= 0 {
		c.Shards = defaultShards
	}
	if c.Concurrency <= 0 {
		c.Concurrency = 8
	}
	if c.Jitter == nil {
		c.Jitter = func() float64 { return 0.5 }
	}
	now := c.Now
	c.Now = func() time.Time { return now().Truncate(time.Millisecond) }
	e := &Engine{
		c:         c,
		gov:       dispatch.NewGovernor(c.Rate, c.Burst),
		callsDue:  dispatch.NewQueue(c.Store, 0),
		timersDue: dispatch.NewAgenda(c.Store.TimersDue, 0),
		swapped:   make(chan struct{}, 1),
		drained:   make(chan struct{}),
	}
	e.callHealth.log, e.callHealth.gov, e.callHealth.base = c.Log, e.gov, c.BaseURL
	e.misses = newMisses(e)
	for i := range c.Shards {
		e.shards = append(e.shards, newShard(e, store.Shard{Index: i, Of: c.Shards}))
	}
	e.calls = dispatch.New(dispatch.Config{
		Chats: e, Caller: c.Caller, Queue: e.callsDue, Governor: e.gov,
		Concurrency: c.Concurrency, Timeout: c.Timeout,
		Group: func(id string) int { return e.shardOf(id).part.Index },
		Now:   c.Now, Jitter: c.Jitter, Log: c.Log, Keep: e.keepPause,
		// A call that can't be recorded would be made again and again.
		Able: c.Store.Healthy,
		Observe: func(a dispatch.Attempt) {
			e.callHealth.ended(&a)
			e.observe(Happening{Attempt: &a})
		},
	})
	c.Store.Journaled(e.journaled)
	return e
}

// Run handles events and makes calls until ctx ends. Then it drains, if it does
// not yet, and returns when the calls in flight have ended and their answers are
// kept. What is left stays pending in the store.
func (e *Engine) Run(ctx context.Context) {
	working, stopWork := context.WithCancel(ctx)
	defer stopWork()
	stop, stopShards := context.WithCancel(context.WithoutCancel(ctx))
	defer stopShards()
	e.misses.load(ctx) // they run before anything newer
	var shards, others sync.WaitGroup
	for _, s := range e.shards {
		shards.Go(func() { s.run(stop) })
	}
	others.Go(func() { e.calls.Run(working) })
	others.Go(func() { e.runTimers(working) })
	others.Go(func() { e.runSchedules(working) })
	others.Go(func() { e.misses.run(working) })
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

// Drain takes no more events in, handles none and begins no call. Commands are
// carried out until Run's context ends.
func (e *Engine) Drain() {
	e.draining.Store(true)
	e.drainOnce.Do(func() { close(e.drained) })
}

// Swap makes a rule set the one that events are run by from the next event on.
// Until the first Swap events are taken in and wait.
func (e *Engine) Swap(set *rules.Set) {
	e.misses.swap(set)
	e.conduct.Keep(set)
	select {
	case e.swapped <- struct{}{}:
	default:
	}
	for _, s := range e.shards {
		s.wakeUp()
	}
}

// Rules is the rule set that events are run by, or nil.
func (e *Engine) Rules() *rules.Set { return e.rules.Load() }

// Ingest journals events. When it returns without an error they are on disk
// and will be handled, once each, whatever happens.
func (e *Engine) Ingest(ctx context.Context, arrivals []store.Arrival) ([]store.Receipt, error) {
	if e.draining.Load() {
		return nil, ErrDraining
	}
	return e.c.Store.Append(ctx, arrivals)
}

// Quarantine keeps a delivery that could not be understood.
func (e *Engine) Quarantine(ctx context.Context, q store.Quarantined) error {
	if e.draining.Load() {
		return ErrDraining
	}
	return e.c.Store.Quarantine(ctx, q)
}

// Pause stops all calls, or lets them go on.
func (e *Engine) Pause(on bool) { e.calls.Pause(on) }

// Status is how the engine stands.
type Status struct {
	Draining  bool
	InFlight  int    // calls on the wire
	Rules     bool   // there is a rule set to run events by
	Failing   string // what the store said when it last failed; "": it works
	Paused    bool
	Stopped   *dispatch.Stop // why all calls have stopped; nil: they have not
	Pause     dispatch.Pause // that Chert asked for and is not over; zero: none
	Outage    time.Time      // since when calls fail, whatever chat they are for; zero: they don't
	LastCall  string         // how the last one failed, in an outage
	Confirmed time.Time      // when Chert last confirmed a call; zero: not since the start
	Backlog   []int          // events in memory, a shard each
	Missed    []MissedBy     // what packs have missed, by name
}

// Status tells how the engine stands.
func (e *Engine) Status() Status {
	st := Status{
		Draining: e.draining.Load(),
		InFlight: e.calls.InFlight(),
		Rules:    e.rules.Load() != nil,
		Paused:   e.calls.Paused(),
		Stopped:  e.gov.Stopped(),
		Missed:   e.misses.counts(),
	}
	if f := e.failing.Load(); f != nil {
		st.Failing = *f
	}
	if err := e.c.Store.Healthy(); err != nil {
		st.Failing = err.Error()
	}
	st.Outage, st.LastCall = e.callHealth.outage()
	st.Confirmed = e.callHealth.lastConfirmed()
	if p := e.gov.Pause(); p.Until.After(e.c.Now()) {
		st.Pause = p
	}
	for _, s := range e.shards {
		st.Backlog = append(st.Backlog, s.backlog())
	}
	return st
}

// Ready implements dispatch.Chats.
func (e *Engine) Ready(ctx context.Context, id string) (chat.Call, bool, error) {
	reply := make(chan readyReply, 1)
	if err := e.shardOf(id).post(ctx, request{chat: id, ready: reply}); err != nil {
		return chat.Call{}, false, err
	}
	// A shard always answers: it outlives the dispatcher, and gives a failing
	// store up once the engine drains.
	r := <-reply
	return r.call, r.ok, r.err
}

// Answer implements dispatch.Chats.
func (e *Engine) Answer(a chat.Answer) {
	// The shards outlive the dispatcher, so that this always gets through.
	_ = e.shardOf(a.Call.Chat).post(context.Background(), request{chat: a.Call.Chat, input: a})
}

// Apply moves a chat by an input from outside the journal (an operator's
// command), and returns when that is durable.
func (e *Engine) Apply(ctx context.Context, id string, in chat.Input) error {
	return e.apply(ctx, request{chat: id, input: in})
}

// apply is Apply of a request.
func (e *Engine) apply(ctx context.Context, r request) error {
	id, done := r.chat, make(chan error, 1)
	r.done = done
	if err := e.shardOf(id).post(ctx, r); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("change chat %q: %w", id, ctx.Err())
	}
}

// Operated is what an operator's hold or release of a chat did.
type Operated struct {
	Was      chat.Hold // that was in force before; zero: none
	Hold     chat.Hold // that is in force now; zero: none
	Dropped  int       // waiting reads, without those on the wire
	InFlight bool      // a read call is on the wire, and can't be recalled
}

// operated compares a chat before and after an operator's hold or release.
func operated(was chat.Hold, now *chat.Chat, actions []chat.Action, at time.Time) (o Operated) {
	if was.Active(at) {
		o.Was = was
	}
	if now.Hold.Active(at) {
		o.Hold = now.Hold
	}
	o.InFlight = now.Flight != nil && now.Flight.Kind == chat.Read
	for i := range actions {
		a := &actions[i]
		out := o.InFlight && slices.ContainsFunc(now.Flight.Recalled, func(b chat.Action) bool { return a.ID == b.ID })
		if a.Kind == chat.Read && a.Status == chat.Dropped && !out {
			o.Dropped++
		}
	}
	return o
}

// Operate holds or releases a chat, and returns when that is durable.
func (e *Engine) Operate(ctx context.Context, id string, in chat.Operate) (Operated, error) {
	told, done := make(chan Operated, 1), make(chan error, 1)
	if err := e.shardOf(id).post(ctx, request{chat: id, input: in, done: done, told: told}); err != nil {
		return Operated{}, err
	}
	select {
	case err := <-done:
		if err != nil {
			return Operated{}, err
		}
		return <-told, nil
	case <-ctx.Done():
		return Operated{}, fmt.Errorf("hold or release chat %q: %w", id, ctx.Err())
	}
}

// settle returns when all events that were run before it are durable. Whatever
// becomes durable later was run by the rules of the last Swap before it.
func (e *Engine) settle(ctx context.Context) error {
	done := make(chan error, len(e.shards))
	for _, s := range e.shards {
		if err := s.post(ctx, request{done: done}); err != nil {
			return err
		}
	}
	for range e.shards {
		select {
		case err := <-done:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// journaled is told of new entries, in order, by the store's writer.
func (e *Engine) journaled(entries []store.Entry) {
	for i := range entries {
		e.shardOf(entries[i].ShardKey()).offer(&entries[i])
	}
}

func (e *Engine) shardOf(key string) *shard {
	return e.shards[store.Slot(key)%len(e.shards)]
}

// runTimers wakes chats whose timers are due.
func (e *Engine) runTimers(ctx context.Context) {
	for {
		wait := time.Duration(-1)
		next, ok, err := e.timersDue.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			e.c.Log.Error("the store can't say which timers are due; asking again", "err", err)
			wait = time.Second
		case ok:
			wait = next.At.Sub(e.c.Now())
		}
		if ok && wait <= 0 {
			if e.timersDue.Take(next.Chat) {
				if err := e.shardOf(next.Chat).post(ctx, request{chat: next.Chat, input: chat.Wake{}}); err != nil {
					return
				}
			}
			continue
		}
		if !sleep(ctx, wait, e.timersDue.Changed()) {
			return
		}
	}
}

// lookAgain is the longest wait for a time of the clock: timers know neither of
// a clock that is set on nor of the hours a machine was suspended.
const lookAgain = 15 * time.Second

// sleep waits for a time (negative: for ever; lookAgain at most) or a change;
// false once ctx has ended.
func sleep(ctx context.Context, wait time.Duration, changed <-chan struct{}) bool {
	var timeUp <-chan time.Time
	if wait >= 0 {
		t := time.NewTimer(min(wait, lookAgain))
		defer t.Stop()
		timeUp = t.C
	}
	select {
	case <-timeUp:
	case <-changed:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

func (e *Engine) observe(h Happening) {
	if e.c.Observe != nil {
		e.c.Observe(h)
	}
}

// lockPacks lets one shard at a time run handlers that use the kv of packs
// which met conflicts again and again. The packs are in ascending order, so
// that two shards can't wait for one another.
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

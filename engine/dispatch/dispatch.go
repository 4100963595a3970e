// Package dispatch makes the calls that chats are due. A Governor paces them, a
// Queue orders them, and a Dispatcher keeps a bounded number in flight, at most one
// per chat.
//
// It decides nothing about reads. It takes the call from the chat at the last moment,
// so that a veto still counts that came while the call waited, and passes the answer
// to the chat. Package chertd/rules/chat decides what the answer changes.
package dispatch

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/chert"
	"chertd/engine/wait"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// Chats has the chats that calls are made for.
type Chats interface {
	// Ready returns the call that a chat is due now, from memory and without
	// waiting; nil if there is none (any more). The chat is set in the Queue again
	// when it has one. With ask the call is not known, or something must be durable
	// before it goes out: then the chat must be asked.
	Ready(chat string) (call *chat.Call, ask bool)
	// Ask returns the call that a chat is due now; ok is false if there is none. It may
	// take as long as a write to the store. When it returns, the store has all that
	// must outlive a crash during the call.
	Ask(ctx context.Context, chat string) (call chat.Call, ok bool, err error)
	// Recalled reports whether a call must not go out any more: an action of it was dropped
	// since, or it is a read and an event of its chat waits, which may veto it.
	Recalled(call *chat.Call) bool
	// Answer gives the answer to a call back. It returns before the answer is
	// durable: if it is lost, the call is made again. It calls durable, on any
	// goroutine, once that can't happen any more, or the daemon stops.
	Answer(answer chat.Answer, durable func())
}

// Caller makes one attempt of a call. Its error is nil or a *chert.Error.
type Caller interface {
	Call(ctx context.Context, call chat.Call) (Reply, error)
}

// Reply is the answer to a call that succeeded.
type Reply struct {
	HTTP    int // status
	TraceID string
	Newest  chat.Newest // of a question: what Chert said
	Unclear string      // if Newest is NewestUnknown: why
}

// Config has the parts and settings of a Dispatcher.
type Config struct {
	Chats       Chats
	Caller      Caller
	Queue       *Queue
	Governor    *Governor
	Concurrency int           // calls on the wire; at least 1
	Timeout     time.Duration // of one attempt; 0: none
	Now         func() time.Time
	Jitter      func() float64 // in [0, 1)
	Log         *slog.Logger
	// Keep, if set, stores a pause so that it outlives a restart. It is called after
	// each 429 with the pause in force, and may take as long as a write to the store.
	Keep func(Pause)
	// KeepLine, if set, stores whether the breaker of a phone line is open (Dispatcher.LineStop),
	// so that it outlives a restart. It is called after each change, on any goroutine, and may
	// take as long as a write to the store.
	KeepLine func(line string)
	// Able, if set, returns why no call can be made now, or nil. It is called before
	// each call, and every second while it returns an error.
	Able func() error
	// Awake, if set, is called before each call, and right before a read is on the wire. If
	// it returns false, the process did not run for a while, and the call waits.
	Awake func() bool
	// Observe, if set, is called with each attempt that has ended.
	Observe func(Attempt)
}

// Attempt is one attempt of a call and how it ended.
type Attempt struct {
	Call    chat.Call
	Began   time.Time
	Ended   time.Time
	HTTP    int          // status of the answer; 0: there was none
	TraceID string       // Chert's, of the answer
	Err     *chert.Error // nil: success
}

// Dispatcher makes the calls of a Queue. Create it with New, and call Run once.
type Dispatcher struct {
	c        Config
	paused   atomic.Bool
	held     atomic.Bool // missed events are caught up
	nudge    chan struct{}
	starved  atomic.Bool // next may wait for what a call gives back
	wire     *places
	inFlight *inFlight
	boarding boarding
	work     chan *flight // taken by goroutines that have made a call and wait for another
}

// New returns a Dispatcher. It does nothing before Run.
func New(c Config) *Dispatcher {
	c.Concurrency = max(c.Concurrency, 1)
	d := &Dispatcher{c: c, nudge: make(chan struct{}, 1), work: make(chan *flight), wire: newPlaces(c.Concurrency)}
	d.inFlight = newInFlight(c.Concurrency+MaxUndurable, c.Concurrency*asksPerPlace, d.wakeUp)
	if c.Queue != nil {
		c.Queue.lull = func(line string) lull { return later(c.Governor.lastLull(), d.wire.lull(line)) }
	}
	return d
}

// Pause stops calls from going out, or with false lets them resume. Calls in flight
// are not affected.
func (d *Dispatcher) Pause(on bool) {
	d.paused.Store(on)
	d.wakeUp()
}

// HoldBack keeps calls from going out while missed events are caught up, or with false
// lets them resume. Calls in flight are not affected.
func (d *Dispatcher) HoldBack(on bool) {
	d.held.Store(on)
	d.wakeUp()
}

// ProbeNow lets the probe of a stop go out without its wait, because the setting
// that may have caused the stop was changed.
func (d *Dispatcher) ProbeNow() {
	d.c.Governor.ProbeNow()
	d.wakeUp()
}

// Paused reports whether calls are paused.
func (d *Dispatcher) Paused() bool { return d.paused.Load() }

// LineStops returns the phone lines whose calls wait because they fail, by name.
func (d *Dispatcher) LineStops() []LineStop { return d.wire.stops() }

// RestoreLines stops the calls of lines as an earlier process has kept it. Call it before Run.
func (d *Dispatcher) RestoreLines(stops []LineStop) { d.wire.restore(stops) }

// InFlight returns how many calls are in flight: each from when it is picked until its
// answer is durable. A crash repeats no others.
func (d *Dispatcher) InFlight() int { return d.inFlight.count() }

// Run makes calls until ctx ends. Then it starts no more, waits for the calls on the wire
// and until Chats.Answer has returned for each, and returns.
func (d *Dispatcher) Run(ctx context.Context) {
	var flights sync.WaitGroup
	defer flights.Wait()
	defer close(d.work)
	for {
		f, ok := d.next(ctx)
		if !ok {
			break
		}
		select {
		case d.work <- f:
		default:
			flights.Go(func() { d.flyAll(ctx, f) })
		}
	}
	d.boarding.close()
	for f := d.embark(d.c.Now()); f != nil; f = d.embark(d.c.Now()) {
		d.turnBack(f)
	}
}

// flyAll makes a call and then those that it gets, until Run ends. A goroutine that has
// made a call has the stack for another.
func (d *Dispatcher) flyAll(ctx context.Context, f *flight) {
	d.fly(ctx, f)
	for f := range d.work {
		d.fly(ctx, f)
	}
}

// next waits until a call is due, its line has a place on the wire and the governor
// admits it, and takes all three. It returns false once ctx has ended.
func (d *Dispatcher) next(ctx context.Context) (*flight, bool) {
	var end restEnd
	for {
		d.starved.Store(true)
		now := d.c.Now()
		f, r := d.tryNext(ctx, now)
		switch {
		case ctx.Err() != nil:
			if f != nil {
				d.turnBack(f)
			}
			return nil, false
		case f != nil:
			return f, true
		case r.d == 0:
			continue
		case r.idle:
			d.starved.Store(false)
		}
		changed := d.c.Queue.Changed()
		if r.regardless {
			changed = nil
		}
		left := r.d
		if left > 0 {
			// The clock may be set while it waits, so it is read again now and then.
			left = end.rest(now, min(left, wait.LookAgain), time.Now())
		}
		if !wait.For(ctx, left, changed, d.nudge) {
			return nil, false
		}
	}
}

// restEnd is when a wait ends. A look that finds the same does not move it: the clock that is handed
// in has whole milliseconds, so that each look would move it by a part of one.
type restEnd struct {
	due time.Time // by that clock
	end time.Time // by the runtime's
}

// rest returns how long to wait for what is due after d. now is by the clock that is handed in, and
// began by the runtime's.
func (e *restEnd) rest(now time.Time, d time.Duration, began time.Time) time.Duration {
	due, end := now.Add(d), began.Add(d)
	// It is sooner if the clock was set forward, and has passed if it was set back.
	if !due.Equal(e.due) || !e.end.After(began) || end.Before(e.end) {
		e.due, e.end = due, end
	}
	return e.end.Sub(began)
}

// rest is how long to wait before the queue is looked at again. A nudge ends it, and
// so does a change of the queue unless it makes no difference.
type rest struct {
	d          time.Duration // 0: none; negative: without end
	regardless bool          // of changes of the queue
	idle       bool          // no call is due: what calls give back makes no difference
}

// tryNext is next without waiting. Without a flight it returns how long to wait.
func (d *Dispatcher) tryNext(ctx context.Context, now time.Time) (*flight, rest) {
	if f := d.embark(now); f != nil {
		return f, rest{}
	}
	if !d.awake() {
		return nil, rest{d: retryReady}
	}
	if d.paused.Load() || d.held.Load() {
		return nil, rest{d: -1}
	}
	if d.c.Able != nil && d.c.Able() != nil {
		return nil, rest{d: retryReady}
	}
	if d.wire.full() {
		return nil, rest{d: -1, regardless: true}
	}
	barred, probe := false, time.Duration(-1)
	may := func(line string) bool {
		ok := d.wire.may(line, now)
		if wait := d.wire.mayProbe(line, now); wait > 0 {
			probe = sooner(probe, wait)
		}
		barred = barred || !ok
		return ok
	}
	pick, until, ok, err := d.c.Queue.Next(ctx, now, may, d.wire.used, d.inFlight.room)
	switch {
	case ctx.Err() != nil:
		return nil, rest{}
	case err != nil:
		d.c.Log.Error("could not read from the store which calls are due; retrying", "err", err, "hint", diag.StoreHint)
		return nil, rest{d: retryReady}
	case !ok:
		if probe > 0 {
			until = sooner(until, probe)
		}
		return nil, rest{d: until, idle: !barred && !d.boarding.waits()}
	}
	// A chat whose call can't go out immediately would be asked again and again.
	if paced := d.c.Governor.Wait(now); paced > 0 {
		return nil, rest{d: paced, regardless: true}
	}
	if untried, last := d.c.Governor.probeFor(); untried != nil {
		if better, ok := d.c.Queue.find(now, may, d.inFlight.room, untried, last); ok {
			pick = better
		}
	}
	permit, paced := d.c.Governor.Admit(now)
	if paced > 0 {
		return nil, rest{d: paced, regardless: true}
	}
	f := &flight{pick: pick, group: d.c.Queue.group(pick.Chat), permit: permit, paced: true}
	// A call that has waited for its place may have taken the last one.
	if !d.board(f, now) || !d.c.Queue.Take(pick) {
		d.release(f)
		return nil, rest{}
	}
	d.inFlight.enter(f.group)
	return f, rest{}
}

// freed wakes next up if it may wait for a place or a permit that was given back, or for
// the end of a stop.
func (d *Dispatcher) freed() {
	if d.starved.Load() {
		d.wakeUp()
	}
}

func (d *Dispatcher) wakeUp() {
	select {
	case d.nudge <- struct{}{}:
	default:
	}
}

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
	"chertd/rules/chat"
)

// Chats has the chats that calls are made for.
type Chats interface {
	// Ready returns the call that a chat is due now; ok is false if there is none
	// (any more). The chat is set in the Queue again when it has one. When Ready
	// returns, the store has all that must outlive a crash during the call.
	Ready(ctx context.Context, chat string) (call chat.Call, ok bool, err error)
	// Answer gives the answer to a call back. It returns before the answer is
	// durable: if it is lost, the call is made again.
	Answer(answer chat.Answer)
}

// Caller makes one attempt of a call. Its error is nil or a *chert.Error.
type Caller interface {
	Call(ctx context.Context, call chat.Call) (traceID string, err error)
}

// Config has the parts and settings of a Dispatcher.
type Config struct {
	Chats       Chats
	Caller      Caller
	Queue       *Queue
	Governor    *Governor
	Concurrency int // calls in flight; at least 1
	// Group returns the group of a chat: chats of one group are answered by one
	// goroutine. nil: all are one group.
	Group   func(chat string) int
	Timeout time.Duration // of one attempt; 0: none
	Now     func() time.Time
	Jitter  func() float64 // in [0, 1)
	Log     *slog.Logger
	// Keep, if set, stores a pause so that it outlives a restart. It is called after
	// each 429 with the pause in force, and may take as long as a write to the store.
	Keep func(Pause)
	// Able, if set, returns why no call can be made now, or nil. It is called before
	// each call, and every second while it returns an error.
	Able func() error
	// Observe, if set, is called with each attempt that has ended.
	Observe func(Attempt)
}

// Attempt is one attempt of a call and how it ended.
type Attempt struct {
	Call  chat.Call
	Began time.Time
	Ended time.Time
	Err   *chert.Error // nil: success
}

// Dispatcher makes the calls of a Queue. Create it with New, and call Run once.
type Dispatcher struct {
	c      Config
	paused atomic.Bool
	nudge  chan struct{}
	wire   *places
	busy   busyGroups
}

// New returns a Dispatcher. It does nothing before Run.
func New(c Config) *Dispatcher {
	c.Concurrency = max(c.Concurrency, 1)
	if c.Group == nil {
		c.Group = func(string) int { return 0 }
	}
	return &Dispatcher{c: c, nudge: make(chan struct{}, 1), wire: newPlaces(c.Concurrency)}
}

// Pause stops calls from going out, or with false lets them resume. Calls in flight
// are not affected.
func (d *Dispatcher) Pause(on bool) {
	d.paused.Store(on)
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

// InFlight returns how many calls have a place on the wire.
func (d *Dispatcher) InFlight() int { return d.wire.inFlight() }

// Run makes calls until ctx ends. Then it starts no more, waits for the calls in
// flight and until Chats.Answer has returned for each, and returns.
func (d *Dispatcher) Run(ctx context.Context) {
	var flights sync.WaitGroup
	defer flights.Wait()
	for {
		p, ok := d.next(ctx)
		if !ok {
			return
		}
		flights.Go(func() {
			defer d.wakeUp()
			d.call(ctx, p)
		})
	}
}

// next waits until a call is due, its line has a place on the wire and the governor
// admits it, and takes all three. For a chat that will not answer soon it takes the
// call alone. It returns false once ctx has ended.
func (d *Dispatcher) next(ctx context.Context) (*flight, bool) {
	for {
		f, r := d.tryNext(ctx, d.c.Now())
		switch {
		case f != nil:
			return f, true
		case ctx.Err() != nil:
			return nil, false
		case r.d == 0:
			continue
		}
		changed := d.c.Queue.Changed()
		if r.regardless {
			changed = nil
		}
		// The clock may be set while it waits, so it is read again now and then.
		if !wait.For(ctx, min(r.d, wait.LookAgain), changed, d.nudge) {
			return nil, false
		}
	}
}

// rest is how long to wait before the queue is looked at again. A nudge ends it, and
// so does a change of the queue unless it makes no difference.
type rest struct {
	d          time.Duration // 0: none; negative: without end
	regardless bool          // of changes of the queue
}

// tryNext is next without waiting. Without a flight it returns how long to wait.
func (d *Dispatcher) tryNext(ctx context.Context, now time.Time) (*flight, rest) {
	if d.paused.Load() {
		return nil, rest{d: -1}
	}
	if d.c.Able != nil && d.c.Able() != nil {
		return nil, rest{d: retryReady}
	}
	may := func(line string) bool { return d.wire.may(line, now) }
	pick, until, ok, err := d.c.Queue.Next(ctx, now, may, d.wire.used)
	switch {
	case ctx.Err() != nil:
		return nil, rest{}
	case err != nil:
		d.c.Log.Error("could not read from the store which calls are due; retrying", "err", err)
		return nil, rest{d: retryReady}
	case !ok:
		return nil, rest{d: until}
	}
	// A chat whose call can't go out immediately would be asked again and again.
	if paced := d.c.Governor.Wait(now); paced > 0 {
		return nil, rest{d: paced, regardless: true}
	}
	if untried, last := d.c.Governor.probeFor(); untried != nil {
		if better, ok := d.c.Queue.find(now, may, untried, last); ok {
			pick = better
		}
	}
	switch group := d.c.Group(pick.Chat); d.busy.admit(group, d.c.Concurrency) {
	case askLater:
		if d.busy.park(group, pick, d.c.Queue) {
			return nil, rest{}
		}
		return nil, rest{d: -1, regardless: true} // until a chat of a group has answered
	case askWithoutPlace:
		if d.c.Queue.Take(pick) {
			return &flight{pick: pick, late: true}, rest{}
		}
		d.busy.leave(group, d.c.Queue)
		return nil, rest{}
	}
	permit, paced := d.c.Governor.Admit(now)
	if paced > 0 {
		return nil, rest{d: paced, regardless: true}
	}
	// A chat that answered late may have taken the last place.
	if !d.wire.take(pick.Line, now) {
		d.c.Governor.Return(permit)
		return nil, rest{}
	}
	f := &flight{pick: pick, permit: permit, began: now}
	if !d.c.Queue.Take(pick) {
		d.release(f)
		return nil, rest{}
	}
	return f, rest{}
}

func (d *Dispatcher) wakeUp() {
	select {
	case d.nudge <- struct{}{}:
	default:
	}
}

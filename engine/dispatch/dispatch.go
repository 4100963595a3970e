// Package dispatch makes the calls that chats are due: paced by a governor,
// one at a time a chat, a bounded number in flight.
//
// It decides nothing about reads. It asks the chat for its call at the last
// moment, so that a veto that came while the call waited for its turn still
// counts, and hands the answer back. What the answer changes is decided by
// chertd/rules/chat.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/chert"
	"chertd/engine/wait"
	"chertd/rules/chat"
)

// Chats is what calls are made for.
type Chats interface {
	// Ready asks a chat for the call it is due now; ok is false if it has none
	// (any more): it is set on the agenda again when it has one. The call is
	// durable as far as it must be when Ready returns.
	Ready(ctx context.Context, chat string) (call chat.Call, ok bool, err error)
	// Answer gives a call's answer back. It returns when the answer was taken
	// in, which is before it is durable: if that is lost, the call is made again.
	Answer(answer chat.Answer)
}

// Caller puts one attempt of a call on the wire. The error is nil or a
// *chert.Error.
type Caller interface {
	Call(ctx context.Context, call chat.Call) (traceID string, err error)
}

// Config is what a dispatcher is made of.
type Config struct {
	Chats       Chats
	Caller      Caller
	Queue       *Queue
	Governor    *Governor
	Concurrency int // calls in flight; at least 1
	// Group says which of the chats that one goroutine answers for a chat is
	// among; nil: all are of one group.
	Group   func(chat string) int
	Timeout time.Duration // of one attempt; 0: none
	Now     func() time.Time
	Jitter  func() float64 // in [0, 1)
	Log     *slog.Logger
	// Keep, if set, keeps a pause across restarts. It is called after each 429
	// with the pause in force; it may take as long as a write to the store.
	Keep func(Pause)
	// Able, if set, says why no call may be made at the moment; nil: it may. It is
	// asked before each call, and again every second while it says no.
	Able func() error
	// Observe, if set, is told of each attempt as it ends.
	Observe func(Attempt)
}

// Attempt is one call that was put on the wire, and its end.
type Attempt struct {
	Call  chat.Call
	Began time.Time
	Ended time.Time
	Err   *chert.Error // nil: success
}

// Dispatcher makes the calls of a queue. Create it with New, run it once with Run.
type Dispatcher struct {
	c      Config
	paused atomic.Bool
	nudge  chan struct{}
	wire   *places
	busy   busyGroups
}

// New makes a dispatcher; nothing happens before Run.
func New(c Config) *Dispatcher {
	c.Concurrency = max(c.Concurrency, 1)
	if c.Group == nil {
		c.Group = func(string) int { return 0 }
	}
	return &Dispatcher{c: c, nudge: make(chan struct{}, 1), wire: newPlaces(c.Concurrency)}
}

// Pause stops calls from going out until it is called with false. Those in
// flight end as they do.
func (d *Dispatcher) Pause(on bool) {
	d.paused.Store(on)
	d.wakeUp()
}

// ProbeNow lets the probe of a stop go out without its wait: what may have caused
// the stop was changed.
func (d *Dispatcher) ProbeNow() {
	d.c.Governor.ProbeNow()
	d.wakeUp()
}

// Paused reports whether calls are paused.
func (d *Dispatcher) Paused() bool { return d.paused.Load() }

// InFlight is how many calls have a place on the wire.
func (d *Dispatcher) InFlight() int { return d.wire.inFlight() }

// Run makes calls until ctx ends; then it starts no more, waits for those in
// flight and for their answers to be taken in, and returns.
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
		if better, ok := d.c.Queue.Find(now, may, untried, last); ok {
			pick = better
		}
	}
	switch group := d.c.Group(pick.Chat); d.busy.admit(group, d.c.Concurrency) {
	case askLater:
		if d.busy.setAside(group, pick, d.c.Queue) {
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
	leave, paced := d.c.Governor.Admit(now)
	if paced > 0 {
		return nil, rest{d: paced, regardless: true}
	}
	// A chat that answered late may have taken the last place.
	if !d.wire.take(pick.Line, now) {
		d.c.Governor.Return(leave)
		return nil, rest{}
	}
	f := &flight{pick: pick, leave: leave, began: now}
	if !d.c.Queue.Take(pick) {
		d.release(f)
		return nil, rest{}
	}
	return f, rest{}
}

// flight is one call's way from its place on the wire to its answer.
type flight struct {
	pick  Pick
	leave Leave
	began time.Time
	late  bool // the chat does not say in time what it is due: it has no place meanwhile
}

// call makes one chat's call. Once it is on the wire the end of ctx does not
// cut it short: only its timeout does.
func (d *Dispatcher) call(ctx context.Context, f *flight) {
	call, ok, err := d.ask(ctx, f)
	if err != nil || !ok {
		if !f.late {
			d.release(f)
		}
		if err != nil && ctx.Err() == nil {
			d.c.Log.Error("could not read which call a chat is due; retrying", "chat", f.pick.Chat, "err", err)
			time.AfterFunc(retryReady, func() { d.c.Queue.Set(f.pick) })
		}
		return
	}
	if f.late && !d.board(f) {
		d.c.Chats.Answer(chat.Answer{Call: call, Unmade: true})
		return
	}
	if d.paused.Load() || !d.c.Governor.Holds(f.leave, d.c.Now()) {
		// Since the chat was asked, which takes as long as the store fails.
		d.release(f)
		d.c.Chats.Answer(chat.Answer{Call: call, Unmade: true})
		return
	}
	wire := context.WithoutCancel(ctx)
	if d.c.Timeout > 0 {
		var cancel context.CancelFunc
		wire, cancel = context.WithTimeout(wire, d.c.Timeout)
		defer cancel()
	}
	began := d.c.Now()
	traceID, failure := d.attempt(wire, call)
	now := d.c.Now()
	answer := chat.Answer{Call: call, OK: failure == nil, TraceID: traceID}
	if failure != nil {
		d.failed(&answer, failure)
	}
	d.wire.leave(f.pick.Line, f.began, true, lineFailed(&answer))
	d.c.Governor.Answered(now, f.leave, f.pick.Chat, failure)
	d.c.Chats.Answer(answer)
	if d.c.Keep != nil && limited(failure) {
		d.c.Keep(d.c.Governor.Pause())
	}
	if d.c.Observe != nil {
		d.c.Observe(Attempt{Call: call, Began: began, Ended: now, Err: failure})
	}
}

// attempt puts one call on the wire. A caller that fails in a way of its own, or
// panics, leaves it unknown what became of the call.
func (d *Dispatcher) attempt(ctx context.Context, call chat.Call) (traceID string, failure *chert.Error) {
	defer func() {
		if p := recover(); p != nil {
			d.c.Log.Error("a call ended in a panic; what became of it is unknown", "chat", call.Chat, "panic", p, "stack", string(debug.Stack()))
			failure = &chert.Error{Message: fmt.Sprintf("internal error: %v", p), Retryable: true, Unknown: true}
		}
	}()
	traceID, err := d.c.Caller.Call(ctx, call)
	if err == nil {
		return traceID, nil
	}
	if !errors.As(err, &failure) || failure == nil {
		failure = &chert.Error{Message: err.Error(), Retryable: true, Unknown: true}
	}
	return traceID, failure
}

// failed says on the answer what became of an attempt that did not succeed.
func (d *Dispatcher) failed(answer *chat.Answer, err *chert.Error) {
	answer.Code, answer.HTTP, answer.TraceID = err.Code, err.Status, err.TraceID
	answer.Error = err.Error()
	answer.Unknown = err.Unknown
	// An account's error says nothing about this chat: nothing was done, and no
	// attempt of a day's is used up.
	answer.Unmade = stopsAll(err.Code)
	answer.Foreign = err.Foreign
	answer.Retryable = err.Retryable
	answer.After = boundedWait(err.RetryAfter)
	if err.RetryAfter > maxPause {
		d.c.Log.Warn("an answer asked to wait for more than an hour; the wait is cut to an hour", "chat", answer.Call.Chat, "asked", err.RetryAfter, "err", answer.Error)
	}
	if answer.After == 0 {
		answer.After = chat.Backoff(answer.Call.Attempt, d.c.Jitter())
	}
}

// ask asks the chat for the call it is due. If that takes longer than
// askPatience, its place on the wire goes to another, and until it has answered
// a few others of its group are asked without a place: a shard that is stuck
// holds up its own chats, and nobody else's.
func (d *Dispatcher) ask(ctx context.Context, f *flight) (chat.Call, bool, error) {
	group := d.c.Group(f.pick.Chat)
	if f.late {
		defer d.busy.leave(group, d.c.Queue)
		return d.c.Chats.Ready(ctx, f.pick.Chat)
	}
	late := make(chan struct{})
	patience := time.AfterFunc(askPatience, func() {
		defer close(late)
		d.busy.enter(group)
		d.release(f)
		d.wakeUp()
	})
	call, ok, err := d.c.Chats.Ready(ctx, f.pick.Chat)
	if !patience.Stop() {
		<-late
		f.late = true
		d.busy.leave(group, d.c.Queue)
	}
	return call, ok, err
}

// board takes a place on the wire again, for a chat that answered late.
func (d *Dispatcher) board(f *flight) bool {
	now := d.c.Now()
	leave, wait := d.c.Governor.Admit(now)
	if wait > 0 {
		return false
	}
	if !d.wire.take(f.pick.Line, now) {
		d.c.Governor.Return(leave)
		return false
	}
	f.leave, f.began = leave, now
	return true
}

// release gives back what was taken for a call that is not made.
func (d *Dispatcher) release(f *flight) {
	d.wire.leave(f.pick.Line, f.began, false, false)
	d.c.Governor.Return(f.leave)
}

// lineFailed reports whether a call failed in a way that others of its line may
// as well. What answers in the place of Chert says nothing about a line.
func lineFailed(a *chat.Answer) bool {
	return !a.OK && !a.Unmade && !a.Foreign && (a.Retryable || a.Unknown) && a.Code != chert.CodeRateLimited
}

func (d *Dispatcher) wakeUp() {
	select {
	case d.nudge <- struct{}{}:
	default:
	}
}

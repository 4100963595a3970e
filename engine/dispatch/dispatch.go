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
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/chert"
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
	Agenda      *Agenda
	Governor    *Governor
	Concurrency int           // calls in flight; at least 1
	Timeout     time.Duration // of one attempt; 0: none
	Now         func() time.Time
	Jitter      func() float64 // in [0, 1)
	Log         *slog.Logger
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

// Dispatcher runs the agenda. Create it with New, run it once with Run.
type Dispatcher struct {
	c      Config
	paused atomic.Bool
	nudge  chan struct{}
}

// New makes a dispatcher; nothing happens before Run.
func New(c Config) *Dispatcher {
	c.Concurrency = max(c.Concurrency, 1)
	return &Dispatcher{c: c, nudge: make(chan struct{}, 1)}
}

// Pause stops calls from going out until it is called with false. Those in
// flight end as they do.
func (d *Dispatcher) Pause(on bool) {
	d.paused.Store(on)
	d.wakeUp()
}

// Paused reports whether calls are paused.
func (d *Dispatcher) Paused() bool { return d.paused.Load() }

// Run makes calls until ctx ends; then it starts no more, waits for those in
// flight and for their answers to be taken in, and returns.
func (d *Dispatcher) Run(ctx context.Context) {
	var flights sync.WaitGroup
	defer flights.Wait()
	slots := make(chan struct{}, d.c.Concurrency)
	for {
		if !d.waitForDue(ctx) || !d.waitForSlot(ctx, slots) || !d.waitForLeave(ctx) {
			return
		}
		// What was due first may have changed while waiting.
		due, ok, err := d.c.Agenda.Next(ctx)
		if err != nil || !ok || d.paused.Load() || due.At.After(d.c.Now()) || !d.c.Agenda.Take(due.Chat) {
			d.c.Governor.Return()
			<-slots
			continue
		}
		flights.Add(1)
		go func() {
			defer flights.Done()
			defer d.wakeUp()
			defer func() { <-slots }()
			d.call(ctx, due.Chat)
		}()
	}
}

// call makes one chat's call. Once it is on the wire the end of ctx does not
// cut it short: only its timeout does.
func (d *Dispatcher) call(ctx context.Context, id string) {
	call, ok, err := d.c.Chats.Ready(ctx, id)
	if err != nil || !ok {
		d.c.Governor.Return()
		if err != nil && ctx.Err() == nil {
			d.c.Log.Error("a chat can't say what it is due; asking again", "chat", id, "err", err)
			d.c.Agenda.Set(id, d.c.Now().Add(time.Second))
		}
		return
	}
	if d.paused.Load() {
		// Since the chat was asked, which takes as long as the store fails.
		d.c.Governor.Return()
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
	traceID, err := d.c.Caller.Call(wire, call)
	now := d.c.Now()
	answer := chat.Answer{Call: call, OK: err == nil, TraceID: traceID}
	var failure *chert.Error
	if err != nil {
		if !errors.As(err, &failure) {
			failure = &chert.Error{Message: err.Error()}
		}
		d.failed(&answer, failure)
	}
	d.c.Governor.Answered(now, failure)
	d.c.Chats.Answer(answer)
	if d.c.Observe != nil {
		d.c.Observe(Attempt{Call: call, Began: began, Ended: now, Err: failure})
	}
}

// failed says on the answer what became of an attempt that did not succeed.
func (d *Dispatcher) failed(answer *chat.Answer, err *chert.Error) {
	answer.Code, answer.HTTP, answer.TraceID = err.Code, err.Status, err.TraceID
	answer.Error = err.Error()
	answer.Unknown = err.Unknown
	// An account's error says nothing about this chat: nothing was done, and no
	// attempt of a day's is used up.
	answer.Unmade = accountCodes[err.Code]
	answer.Retryable = err.Retryable
	answer.After = err.RetryAfter
	if answer.After <= 0 {
		answer.After = chat.Backoff(answer.Call.Attempt, d.c.Jitter())
	}
}

// waitForDue waits until the earliest entry is due and calls aren't paused.
func (d *Dispatcher) waitForDue(ctx context.Context) bool {
	for {
		wait := time.Duration(-1) // until told
		if !d.paused.Load() {
			next, ok, err := d.c.Agenda.Next(ctx)
			switch {
			case ctx.Err() != nil:
				return false
			case err != nil:
				d.c.Log.Error("the store can't say what is due; asking again", "err", err)
				wait = time.Second
			case ok:
				wait = next.At.Sub(d.c.Now())
				if wait <= 0 {
					return true
				}
			}
		}
		if !d.sleep(ctx, wait, d.c.Agenda.Changed()) {
			return false
		}
	}
}

// waitForSlot waits until fewer calls are in flight than may be.
func (d *Dispatcher) waitForSlot(ctx context.Context, slots chan struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// waitForLeave waits for the governor.
func (d *Dispatcher) waitForLeave(ctx context.Context) bool {
	for {
		wait := d.c.Governor.Admit(d.c.Now())
		if wait <= 0 {
			return true
		}
		if !d.sleep(ctx, wait, nil) {
			return false
		}
	}
}

// lookAgain is the longest wait for a time of the clock: timers know neither of
// a clock that is set on nor of the hours a machine was suspended.
const lookAgain = 15 * time.Second

// sleep waits for a time (negative: for ever; lookAgain at most), a change or a
// nudge; false once ctx has ended.
func (d *Dispatcher) sleep(ctx context.Context, wait time.Duration, changed <-chan struct{}) bool {
	var timeUp <-chan time.Time
	if wait >= 0 {
		t := time.NewTimer(min(wait, lookAgain))
		defer t.Stop()
		timeUp = t.C
	}
	select {
	case <-timeUp:
	case <-changed:
	case <-d.nudge:
	case <-ctx.Done():
		return false
	}
	return ctx.Err() == nil
}

func (d *Dispatcher) wakeUp() {
	select {
	case d.nudge <- struct{}{}:
	default:
	}
}

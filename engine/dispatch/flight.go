package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"chertd/engine/chert"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// flight is a call from when it was picked until its answer is durable.
type flight struct {
	pick   Pick
	group  int
	permit Permit
	paced  bool       // it has the permit
	began  time.Time  // when it took its place on the wire; zero: it has none
	claims bool       // a place, which it gave back while its chat is asked
	call   *chat.Call // nil: the chat has not handed it out yet
}

// fly makes the call of one chat. The chat hands it out at the last moment, when the call
// has its place on the wire and its permit. Once the request is on the wire only its
// timeout ends it, not the end of ctx.
func (d *Dispatcher) fly(ctx context.Context, f *flight) {
	if f.began.IsZero() || !d.mayGo(f, d.c.Now()) {
		d.turnBack(f)
		return
	}
	if f.call != nil {
		// It may have waited for its place.
		if d.c.Chats.Recalled(f.call) {
			d.turnBack(f)
			return
		}
		d.send(ctx, f)
		return
	}
	call, ask := d.c.Chats.Ready(f.pick.Chat)
	switch {
	case ask:
		d.ask(ctx, f)
	case call == nil:
		d.release(f)
		d.inFlight.leave(f.group)
	default:
		f.call = call
		d.send(ctx, f)
	}
}

// mayGo reports whether a call may go out: since it was admitted, calls may have been
// paused or stopped.
func (d *Dispatcher) mayGo(f *flight, now time.Time) bool {
	return d.awake() && !d.paused.Load() && !d.held.Load() && f.paced && d.c.Governor.Holds(f.permit, now)
}

func (d *Dispatcher) awake() bool { return d.c.Awake == nil || d.c.Awake() }

// send makes the request of a call, and passes its answer on.
func (d *Dispatcher) send(ctx context.Context, f *flight) {
	wire := context.WithoutCancel(ctx)
	if d.c.Timeout > 0 {
		var cancel context.CancelFunc
		wire, cancel = context.WithTimeout(wire, d.c.Timeout)
		defer cancel()
	}
	call := *f.call
	if call.Kind == chat.Read {
		// A connection may take longer to make than a veto to come in.
		wire = chert.WithLastLook(wire, func() bool { return !d.awake() || d.c.Chats.Recalled(f.call) })
	}
	began := d.c.Now()
	said, failure := d.attempt(wire, call)
	if failure != nil && errors.Is(failure, chert.ErrStopped) {
		d.turnBack(f)
		return
	}
	now := d.c.Now()
	answer := chat.Answer{Call: call, OK: failure == nil, HTTP: said.HTTP, TraceID: said.TraceID, Newest: said.Newest, Error: said.Unclear}
	if failure != nil {
		d.failed(&answer, failure)
	}
	failed := lineFailed(&answer)
	lineChanged := d.wire.answered(now, f.pick.Line, f.pick.Chat, failure, failed)
	d.wire.leave(f.pick.Line, f.began, true, failed)
	if failure != nil && failure.Local {
		d.returnPermit(f) // Chert has not counted it
	} else {
		d.c.Governor.Answered(now, f.permit, f.pick.Chat, failure)
	}
	d.freed()
	d.answer(f, answer)
	if d.c.Keep != nil && limited(failure) {
		d.c.Keep(d.c.Governor.Pause())
	}
	if d.c.KeepLine != nil && lineChanged {
		d.c.KeepLine(f.pick.Line)
	}
	if d.c.Observe != nil {
		d.c.Observe(Attempt{Call: call, Began: began, Ended: now, HTTP: answer.HTTP, TraceID: answer.TraceID, Err: failure})
	}
}

// answer gives an answer to the chat. The call is in flight until that is durable.
func (d *Dispatcher) answer(f *flight, a chat.Answer) {
	group := f.group
	d.c.Chats.Answer(a, func() { d.inFlight.leave(group) })
}

// attempt makes one attempt of a call. After another error than a *chert.Error, or a
// panic, it is unknown whether the call was carried out.
func (d *Dispatcher) attempt(ctx context.Context, call chat.Call) (said Reply, failure *chert.Error) {
	defer func() {
		if p := recover(); p != nil {
			d.c.Log.Error("a call panicked; it is unknown whether Chert carried it out", "chat", call.Chat, "panic", p, "stack", string(debug.Stack()),
				"hint", "a fault of chertd: report it with the stack; the call is made again, if that can do no harm")
			failure = &chert.Error{Message: fmt.Sprintf("internal error: %v", p), Retryable: true, Unknown: true}
		}
	}()
	said, err := d.c.Caller.Call(ctx, call)
	if err == nil {
		return said, nil
	}
	if !errors.As(err, &failure) || failure == nil {
		failure = &chert.Error{Message: err.Error(), Retryable: true, Unknown: true}
	}
	return said, failure
}

// failed copies the error of an attempt into its answer.
func (d *Dispatcher) failed(answer *chat.Answer, err *chert.Error) {
	answer.Code, answer.HTTP, answer.TraceID = err.Code, err.Status, err.TraceID
	answer.Error = err.Error()
	answer.Unknown = err.Unknown
	// An error about the account is not about this chat. The call was not
	// carried out, and the attempt does not count.
	answer.NotSent = stopsAll(err.Code)
	answer.NotChert = err.Foreign
	answer.Local = err.Local
	answer.Retryable = err.Retryable
	answer.RetryAfter = boundedWait(err.RetryAfter)
	if err.RetryAfter > maxPause {
		d.c.Log.Warn("retry_after of an answer is longer than an hour; waiting for an hour", "chat", answer.Call.Chat, "retry_after", err.RetryAfter.String(), "err", answer.Error)
	}
	if answer.RetryAfter == 0 {
		answer.RetryAfter = chat.Backoff(answer.Call.Attempt, d.c.Jitter())
	}
}

// ask asks a chat for its call through its group. Meanwhile the place on the wire goes to
// another call. The permit stays, so that no more chats are asked than calls may go out.
// The one of a probe does not: until the chat has answered, another may be probed.
func (d *Dispatcher) ask(ctx context.Context, f *flight) {
	d.inFlight.ask(f.group)
	d.leaveWire(f)
	d.wire.claim(f.pick.Line)
	f.claims = true
	if f.permit.probe != nil {
		d.returnPermit(f)
	}
	d.freed()
	call, ok, err := d.c.Chats.Ask(ctx, f.pick.Chat)
	if err != nil || !ok {
		d.leaveWire(f)
		d.returnPermit(f)
		d.freed()
		d.inFlight.asked(f.group)
		d.inFlight.leave(f.group)
		if err != nil && ctx.Err() == nil {
			d.c.Log.Error("could not read which call a chat is due; retrying", "chat", f.pick.Chat, "err", err, "hint", diag.StoreHint)
			time.AfterFunc(retryReady, func() { d.c.Queue.Set(f.pick) })
		}
		return
	}
	f.call = &call
	d.boarding.wait(f)
	// Usually this one goes. Else the places are taken, or another call has waited longer.
	first := d.embark(d.c.Now())
	if first != f {
		d.wakeUp() // next gives it its place
	}
	if first != nil {
		d.fly(ctx, first)
	}
}

// turnBack gives back a call that can't go out now.
func (d *Dispatcher) turnBack(f *flight) {
	d.release(f)
	if f.call != nil {
		d.answer(f, chat.Answer{Call: *f.call, NotSent: true})
		return
	}
	d.c.Queue.Set(f.pick)
	d.inFlight.leave(f.group)
}

// release gives back the place and the permit of a call that is not made.
func (d *Dispatcher) release(f *flight) {
	d.leaveWire(f)
	d.returnPermit(f)
	d.freed()
}

func (d *Dispatcher) leaveWire(f *flight) {
	if !f.began.IsZero() {
		d.wire.leave(f.pick.Line, f.began, false, false)
		f.began = time.Time{}
	}
	if f.claims {
		d.wire.unclaim(f.pick.Line)
		f.claims = false
	}
}

func (d *Dispatcher) returnPermit(f *flight) {
	if f.paced {
		d.c.Governor.Return(f.permit)
		f.paced = false
	}
}

// lineFailed reports whether a call failed in a way that may also hit other calls of
// its line. A foreign answer is not about the line.
func lineFailed(a *chat.Answer) bool {
	return !a.OK && !a.NotSent && !a.NotChert && (a.Retryable || a.Unknown) && a.Code != chert.CodeRateLimited
}

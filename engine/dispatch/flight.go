package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"chertd/engine/chert"
	"chertd/rules/chat"
)

// flight is a call from when it was picked until its answer.
type flight struct {
	pick   Pick
	permit Permit
	began  time.Time
	late   bool // the chat takes long to answer Ready: the call has no place meanwhile
}

// call makes the call of one chat. Once the request is on the wire only its timeout
// ends it, not the end of ctx.
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
		d.c.Chats.Answer(chat.Answer{Call: call, NotSent: true})
		return
	}
	if d.paused.Load() || !d.c.Governor.Holds(f.permit, d.c.Now()) {
		// It happened while the chat was asked, which takes as long as the store fails.
		d.release(f)
		d.c.Chats.Answer(chat.Answer{Call: call, NotSent: true})
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
	d.c.Governor.Answered(now, f.permit, f.pick.Chat, failure)
	d.c.Chats.Answer(answer)
	if d.c.Keep != nil && limited(failure) {
		d.c.Keep(d.c.Governor.Pause())
	}
	if d.c.Observe != nil {
		d.c.Observe(Attempt{Call: call, Began: began, Ended: now, Err: failure})
	}
}

// attempt makes one attempt of a call. After another error than a *chert.Error, or a
// panic, it is unknown whether the call was carried out.
func (d *Dispatcher) attempt(ctx context.Context, call chat.Call) (traceID string, failure *chert.Error) {
	defer func() {
		if p := recover(); p != nil {
			d.c.Log.Error("a call panicked; it is unknown whether Chert carried it out", "chat", call.Chat, "panic", p, "stack", string(debug.Stack()))
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

// failed copies the error of an attempt into its answer.
func (d *Dispatcher) failed(answer *chat.Answer, err *chert.Error) {
	answer.Code, answer.HTTP, answer.TraceID = err.Code, err.Status, err.TraceID
	answer.Error = err.Error()
	answer.Unknown = err.Unknown
	// An error about the account is not about this chat. The call was not
	// carried out, and the attempt does not count.
	answer.NotSent = stopsAll(err.Code)
	answer.NotChert = err.Foreign
	answer.Retryable = err.Retryable
	answer.RetryAfter = boundedWait(err.RetryAfter)
	if err.RetryAfter > maxPause {
		d.c.Log.Warn("retry_after of an answer is longer than an hour; waiting for an hour", "chat", answer.Call.Chat, "retry_after", err.RetryAfter, "err", answer.Error)
	}
	if answer.RetryAfter == 0 {
		answer.RetryAfter = chat.Backoff(answer.Call.Attempt, d.c.Jitter())
	}
}

// ask asks the chat for the call it is due. If that takes longer than askPatience,
// the place on the wire goes to another call, and until the chat has answered a few
// other chats of its group are asked without a place. So a shard that is stuck
// delays its own chats only.
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

// board takes a place on the wire for a chat that answered late.
func (d *Dispatcher) board(f *flight) bool {
	now := d.c.Now()
	permit, wait := d.c.Governor.Admit(now)
	if wait > 0 {
		return false
	}
	if !d.wire.take(f.pick.Line, now) {
		d.c.Governor.Return(permit)
		return false
	}
	f.permit, f.began = permit, now
	return true
}

// release gives back the place and the permit of a call that is not made.
func (d *Dispatcher) release(f *flight) {
	d.wire.leave(f.pick.Line, f.began, false, false)
	d.c.Governor.Return(f.permit)
}

// lineFailed reports whether a call failed in a way that may also hit other calls of
// its line. A foreign answer is not about the line.
func lineFailed(a *chat.Answer) bool {
	return !a.OK && !a.NotSent && !a.NotChert && (a.Retryable || a.Unknown) && a.Code != chert.CodeRateLimited
}

package spec

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"chertd/rules/chat"
)

// Fault is how a call fails. Sources: Chert's documented errors.
type Fault struct {
	Code       int // 0: no error envelope
	HTTP       int // 0: no answer
	Retryable  bool
	RetryAfter time.Duration // 0: not said
	Unknown    bool          // the call may have been carried out all the same
	Message    string
}

// rateLimited is the code whose pause concerns every call of the credential.
const rateLimited = 1007

// Documented is an error of Chert's by its code, with the retry_after that a
// World uses for it where Chert sends one.
func Documented(code int) (Fault, bool) {
	f, ok := documented[code]
	f.Code = code
	return f, ok
}

// noAnswer is a call that went out and was never answered.
func noAnswer() Fault { return Fault{Unknown: true, Retryable: true, Message: "no answer came back"} }

var documented = map[int]Fault{
	1001: {HTTP: 400, Message: "a field is missing"},
	1002: {HTTP: 422, Message: "the chat has no resolvable recipient"},
	1004: {HTTP: 400, Message: "invalid JSON"},
	1007: {HTTP: 429, Retryable: true, RetryAfter: 2 * time.Second, Message: "rate limited"},
	2001: {HTTP: 404, Message: "tenant not found"},
	2002: {HTTP: 404, Message: "chat not found"},
	2003: {HTTP: 404, Message: "message not found"},
	2004: {HTTP: 401, Message: "bad signature or token"},
	2005: {HTTP: 403, Message: "tenant suspended"},
	2007: {HTTP: 403, Message: "email not verified"},
	2008: {HTTP: 402, Message: "account limit reached"},
	2010: {HTTP: 403, Message: "integration missing"},
	2011: {HTTP: 404, Message: "resource not found"},
	2012: {HTTP: 401, Message: "no credentials"},
	2013: {HTTP: 401, Message: "timestamp skew"},
	3001: {HTTP: 500, Retryable: true, Message: "internal error"},
	3002: {HTTP: 503, Retryable: true, Message: "delivery unavailable"},
	3003: {HTTP: 500, Message: "delivery service not configured"},
	3004: {HTTP: 502, Retryable: true, Message: "delivery service error"},
	4001: {HTTP: 502, Retryable: true, Message: "delivery failed"},
	4002: {HTTP: 503, Retryable: true, RetryAfter: 5 * time.Second, Message: "all lines saturated"},
	4098: {HTTP: 400, Message: "unknown effect"},
	4099: {HTTP: 501, Message: "not supported on this line"},
}

// account are the codes by which every other call would fail too: the daemon
// loses no call to them, and neither does a World. So it is with a wrong clock.
var account = map[int]bool{2001: true, 2004: true, 2005: true, 2007: true, 2008: true, 2012: true, 2013: true}

// CallMade is a call that was put on the wire, and how it ended.
type CallMade struct {
	At      time.Time
	Call    chat.Call
	Fault   *Fault // nil: it succeeded
	RetryIn time.Duration
	Pending bool // not answered yet
}

// Text is what a call other than a read carries: the text of a message, a
// reaction, a typing state.
func (c *CallMade) Text() string {
	var s string
	if len(c.Call.Actions) > 0 {
		// A body is a JSON string, which rules.Request makes; a read has none.
		_ = json.Unmarshal(c.Call.Actions[0].Body, &s)
	}
	return s
}

// FailNext makes the next n calls fail, after those that are to fail already.
func (w *World) FailNext(f Fault, n int) {
	for range n {
		w.faults = append(w.faults, f)
	}
}

// Calls are the calls made so far, in order; one that is under way is Pending.
func (w *World) Calls() []CallMade {
	var calls []CallMade
	for i := range w.log {
		if c := w.log[i].Call; c != nil {
			calls = append(calls, *c)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.flying)) {
		calls = append(calls, w.flying[id])
	}
	return calls
}

// call puts a chat's next call on the wire, if it is to go out now.
func (w *World) call(ctx context.Context, id string) error {
	if w.resume.After(w.now) {
		w.agenda.set(key{makeCall, id}, w.resume)
		return nil
	}
	d, spent, err := w.turn(id).Call(ctx, w.seq, w.limits)
	if err != nil {
		return err
	}
	w.keep(&d)
	if d.Call == nil && len(d.Actions) > 0 {
		w.note(Happening{At: w.now, Chat: id, Note: "nothing is called", Actions: d.Actions})
	}
	for _, full := range spent {
		if err := w.toShadow(ctx, full); err != nil {
			return err
		}
	}
	if d.Call == nil {
		return nil
	}
	made := CallMade{At: w.now, Call: *d.Call}
	switch {
	case len(w.faults) > 0:
		f := w.faults[0]
		w.faults = w.faults[1:]
		made.Fault = &f
	case w.c.Answer != nil:
		made.Fault = w.c.Answer(w.now, &made.Call)
	}
	if w.c.Latency > 0 {
		made.Pending = true
		w.flying[id] = made
		w.agenda.set(key{takeAnswer, id}, w.now.Add(w.c.Latency))
		return nil
	}
	return w.answered(ctx, made)
}

// answered gives the chat the call's answer, as dispatch does.
func (w *World) answered(ctx context.Context, made CallMade) error {
	made.Pending = false
	w.called++
	a := chat.Answer{Call: made.Call, OK: made.Fault == nil, HTTP: 200, TraceID: fmt.Sprintf("trace-%d", w.called)}
	if f := made.Fault; f != nil {
		a.Code, a.HTTP, a.Unknown = f.Code, f.HTTP, f.Unknown
		a.Error = f.Words()
		a.Retryable = f.Retryable || account[f.Code]
		// The largest jitter makes the waits the round ones: 1 s, 2 s, 4 s …
		a.RetryAfter = cmp.Or(f.RetryAfter, chat.Backoff(made.Call.Attempt, 1))
		if f.Code == rateLimited && f.RetryAfter > 0 {
			w.resume = w.now.Add(f.RetryAfter)
		}
		if a.Retryable || a.Unknown {
			made.RetryIn = a.RetryAfter
		}
	}
	w.limits.Ended(made.Call.Chat, w.now, a.OnWire())
	d, err := w.move(ctx, made.Call.Chat, a)
	w.note(Happening{At: made.At, Chat: made.Call.Chat, Call: &made, Actions: d.Actions})
	return err
}

// Words says a fault as people read it: "1007 rate limited".
func (f *Fault) Words() string {
	if f.Code == 0 {
		return f.Message
	}
	return fmt.Sprintf("%d %s", f.Code, f.Message)
}

package spec

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// CallMade is a call that was sent, and how it ended.
type CallMade struct {
	At      time.Time
	Call    chat.Call
	Fault   *Fault // nil: it succeeded
	RetryIn time.Duration
	Pending bool        // not answered yet
	Newest  chat.Newest // of a question that was answered: what Chert said
}

// Text returns the content of a call other than a read: the text of a message or a
// notification, a reaction, or a typing state.
func (c *CallMade) Text() string {
	if c.Call.Kind == chat.Notify {
		var n rules.Notification
		_ = json.Unmarshal(c.Call.Actions[0].Body, &n)
		return n.Text
	}
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

// Calls returns the calls made so far, in order. One that is in flight is Pending.
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

// call makes the next call of a chat if it is due.
func (w *World) call(ctx context.Context, id string) error {
	_, notice := chat.NotifyTarget(id) // not a call to Chert: neither fails nor waits like one
	if w.resume.After(w.now) && !notice {
		w.agenda.set(key{makeCall, id}, w.resume)
		return nil
	}
	if notice {
		if wait := w.paceOf(id); wait > 0 {
			w.agenda.set(key{makeCall, id}, w.now.Add(wait))
			return nil
		}
	}
	d, spent, err := w.turn(id).Call(ctx, w.seq, w.limits)
	if err != nil {
		return err
	}
	w.keep(&d)
	if d.Call == nil && len(d.Actions) > 0 {
		w.note(Happening{At: w.now, Chat: id, Note: "no call is made", Actions: d.Actions})
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
	case notice:
		w.paced[id].AllowN(w.now, 1) // it does: there was nothing to wait for
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

// paceOf returns how long the next notification of a target has to wait.
func (w *World) paceOf(id string) time.Duration {
	limit := w.paced[id]
	if limit == nil {
		limit = chat.NewNotifyLimit()
		w.paced[id] = limit
	}
	r := limit.ReserveN(w.now, 1)
	defer r.CancelAt(w.now)
	return r.DelayFrom(w.now)
}

// answered gives the chat the call's answer, as dispatch does.
func (w *World) answered(ctx context.Context, made CallMade) error {
	made.Pending = false
	w.called++
	a := chat.Answer{Call: made.Call, OK: made.Fault == nil, HTTP: 200, TraceID: fmt.Sprintf("trace-%d", w.called)}
	switch {
	case !a.OK:
	case made.Call.Kind == chat.Question:
		a.Newest = w.newestSide(made.Call.Chat)
		made.Newest = a.Newest
	case made.Call.Kind == chat.Send:
		w.replied[made.Call.Chat] = w.seq
	}
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

// newestSide returns which side the newest message of a chat is from.
func (w *World) newestSide(id string) chat.Newest {
	in, out := w.newest(id), w.replied[id]
	switch {
	case w.c.Newest != nil:
		return w.c.Newest(id)
	case out > 0 && out >= in:
		return chat.NewestOutbound
	case in > 0:
		return chat.NewestInbound
	}
	return chat.NewestUnknown
}

// Reply sends a message to a chat, as an operator does on another device: no event tells of it.
func (w *World) Reply(ctx context.Context, chatID, text string) error {
	w.replied[chatID] = w.seq
	w.note(Happening{At: w.now, Chat: chatID, Note: fmt.Sprintf("operator.reply %q", text)})
	return w.run(ctx, w.now)
}

// toShadow switches a pack that has reached its limit to shadow mode, and drops its
// waiting reads.
func (w *World) toShadow(ctx context.Context, full turn.Full) error {
	if w.set.Mode(full.Pack) == rules.Shadow {
		return nil
	}
	w.set = w.set.Shadowed(full.Pack)
	w.note(Happening{At: w.now, Note: fmt.Sprintf("pack %s is switched to shadow mode: %s", full.Pack, full.Limit.Reached())})
	for _, id := range w.Chats() {
		d, err := w.move(ctx, id, chat.Cancel{Pack: full.Pack})
		if err != nil {
			return err
		}
		if len(d.Actions) > 0 {
			w.note(Happening{At: w.now, Chat: id, Note: fmt.Sprintf("waiting actions of pack %s are dropped", full.Pack), Actions: d.Actions})
		}
	}
	return nil
}

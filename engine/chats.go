package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chertd/rules/chat"
)

// Operated is the result of an operator's hold or release of a chat.
type Operated struct {
	Was      chat.Hold // in force before; zero: none
	Hold     chat.Hold // in force now; zero: none
	Dropped  int       // waiting reads that were dropped, without those on the wire
	InFlight bool      // a read call is on the wire, and can't be recalled
}

// Ask implements dispatch.Chats.
func (e *Engine) Ask(ctx context.Context, id string) (chat.Call, bool, error) {
	reply := make(chan readyReply, 1)
	if err := e.shardOf(id).post(ctx, request{chat: id, ready: reply}); err != nil {
		return chat.Call{}, false, err
	}
	// A shard always replies: it outlives the dispatcher, and stops waiting for a
	// failing store once the engine drains.
	r := <-reply
	return r.call, r.ok, r.err
}

// Apply changes a chat by an input from outside the journal, such as a command, and
// returns when the change is durable.
func (e *Engine) Apply(ctx context.Context, id string, in chat.Input) error {
	return e.apply(ctx, request{chat: id, input: in})
}

// apply carries out a request, and returns when its effect is durable.
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
	result, done := make(chan Operated, 1), make(chan error, 1)
	if err := e.shardOf(id).post(ctx, request{chat: id, input: in, done: done, operated: result}); err != nil {
		return Operated{}, err
	}
	select {
	case err := <-done:
		if err != nil {
			return Operated{}, err
		}
		return <-result, nil
	case <-ctx.Done():
		return Operated{}, fmt.Errorf("hold or release chat %q: %w", id, ctx.Err())
	}
}

// waitDurable returns when the outcomes of all events that ran before it are durable. Events
// whose outcomes become durable later ran on the rule set of the last Swap before it.
func (e *Engine) waitDurable(ctx context.Context) error {
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

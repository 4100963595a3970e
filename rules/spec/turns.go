package spec

import (
	"context"
	"fmt"
	"time"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

// append journals an event.
func (w *World) append(a turn.Arrival) {
	w.seq++
	w.queue = append(w.queue, turn.Entry{Seq: w.seq, Arrival: a})
}

// due carries out one entry of the agenda.
func (w *World) due(ctx context.Context, k key) error {
	switch k.what {
	case takeAnswer:
		made := w.flying[k.name]
		delete(w.flying, k.name)
		return w.answered(ctx, made)
	case runSchedule:
		var i int
		fmt.Sscanf(k.name, "%d", &i)
		r := w.c.Set.Schedules()[i]
		w.append(turn.Scheduled(r, w.now, w.now))
		w.agenda.set(k, r.Schedule.Next(w.now))
	case fireTimers:
		_, err := w.move(ctx, k.name, chat.Wake{})
		return err
	case makeCall:
		return w.call(ctx, k.name)
	}
	return nil
}

// turn returns what an input of a chat ("": of none) meets.
func (w *World) turn(chatID string) *turn.Turn {
	t := &turn.Turn{Set: w.set, Now: w.now, Memory: &w.memory, Lists: w.c.Lists, Suspensions: &w.suspensions, Blocks: w}
	if chatID != "" {
		t.Chat = w.chat(chatID)
	}
	return t
}

// Blockade implements turn.Blocks. Nothing that was missed runs later in a World,
// so that it knows the reads alone.
func (w *World) Blockade(_ context.Context, chatID string) (*turn.Blockade, error) {
	return w.blockade(chatID), nil
}

func (w *World) blockade(chatID string) *turn.Blockade {
	if w.blocked[chatID] == nil {
		w.blocked[chatID] = &turn.Blockade{Key: chatID}
	}
	return w.blocked[chatID]
}

// handle takes an entry's turn.
func (w *World) handle(ctx context.Context, e *turn.Entry) error {
	d, err := w.turn(e.Event.ChatID()).Handle(ctx, e)
	w.suspensions.Note(e.Event.ChatID(), d.Outcomes, w.now)
	if err != nil {
		return err
	}
	w.keep(&d)
	h := Happening{At: w.now, Seq: e.Seq, Event: &e.Event, Note: d.Decision.Note, Decision: d.Decision, Blocked: d.Blocked, Actions: d.Actions}
	for i := range d.Outcomes {
		w.steps += d.Outcomes[i].Steps
		h.Rules = append(h.Rules, Said{d.Outcomes[i], &d.Decision.Rules[i]})
	}
	w.note(h)
	return nil
}

// move moves a chat by an input other than an event.
func (w *World) move(ctx context.Context, chatID string, in chat.Input) (turn.Done, error) {
	d, err := w.turn(chatID).Move(ctx, in)
	if err == nil {
		w.keep(&d)
	}
	return d, err
}

// keep carries out what a turn has changed.
func (w *World) keep(d *turn.Done) {
	for _, a := range d.Append {
		w.append(a)
	}
	if d.Chat == nil {
		return
	}
	id := d.Chat.ID
	w.chats[id] = d.Chat
	for i := range d.Actions {
		a := &d.Actions[i]
		if w.c.Observe == nil {
			w.actions[a.ID] = *a
		}
		if a.Status == chat.Blocked || w.blocked[id] != nil {
			w.blockade(id).Apply(&turn.Transition{Actions: d.Actions[i : i+1]})
		}
	}
	w.agenda.set(key{fireTimers, id}, d.Chat.NextTimer())
	call := d.Chat.NextCall()
	if d.Chat.Flight != nil {
		call = time.Time{} // the answer will say
	}
	w.agenda.set(key{makeCall, id}, call)
}

// chat is a chat as it is now, new if nobody has named it before.
func (w *World) chat(id string) *chat.Chat {
	if w.chats[id] == nil {
		w.chats[id] = &chat.Chat{ID: id}
	}
	return w.chats[id]
}

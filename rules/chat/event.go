package chat

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"chertd/engine/event"
)

// The events that chertd makes itself. Their ids name what they come from, so
// that each is journaled once however often it is made.

// TimerEvent is the event of a timer of a chat that came due, or that fires
// before. Its time is when it was due, so that one that an outage delayed is as
// old as it is late.
func TimerEvent(chatID string, t *Timer, now time.Time) event.Event {
	at := now
	if t.Due.Before(now) && !t.Due.IsZero() {
		at = t.Due
	}
	return event.Event{
		ID:     fmt.Sprintf("timer:%s/%s/%d.%d", t.Pack, t.Name, t.Seq, t.N),
		Type:   event.TimerPrefix + t.Name,
		At:     at,
		Source: event.SourceEngine,
		Chat:   &event.Chat{ID: chatID},
		Pack:   t.Pack, Payload: t.Payload, Depth: t.Depth + 1,
	}
}

// TimerOf reads back from a timer's event, and from the sequence of the event
// that set the timer, which setting it was.
func TimerOf(ev *event.Event, cause int64) TimerID {
	at := strings.LastIndexByte(ev.ID, '.')
	n, err := strconv.Atoi(ev.ID[at+1:])
	if err != nil {
		n = -1 // not an id of TimerEvent: no timer stands for it
	}
	return TimerID{Pack: ev.Pack, Name: ev.Timer(), Seq: cause, N: n}
}

// AnswerType is the type of the event that tells the pack what became of the
// action; "" if there is nothing to tell.
func (a *Action) AnswerType() string {
	switch a.Status {
	case Done:
		return event.ActionDone
	case Dead:
		return event.ActionFailed
	}
	return ""
}

// AnswerEvent is the event that tells a pack what became of its action, which
// has an AnswerType.
func AnswerEvent(a *Action, now time.Time) event.Event {
	kind := a.AnswerType()
	detail, err := json.Marshal(map[string]any{
		"kind": a.Kind, "chat": a.Chat, "code": a.Code, "status": a.HTTP,
		"attempts": a.Attempts, "trace_id": a.TraceID,
	})
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return event.Event{
		ID:     fmt.Sprintf("%s:%s/%d", kind, a.ID, a.Attempts),
		Type:   kind,
		At:     now,
		Source: event.SourceEngine,
		Chat:   &event.Chat{ID: a.Chat},
		Pack:   a.Pack, Action: detail, Depth: a.Depth + 1,
	}
}

// Complete gives an event what is known of its chat and it does not say itself:
// a timer's event, a reaction or a legacy row in a group is one in a group. An
// event that lacks nothing is returned as it is, and so is any if c is nil.
func (c *Chat) Complete(ev *event.Event) *event.Event {
	if c == nil || ev.Chat == nil {
		return ev
	}
	group, line := ev.Chat.IsGroup.Or(c.IsGroup), cmp.Or(ev.Chat.Line, c.Line)
	if group == ev.Chat.IsGroup && line == ev.Chat.Line {
		return ev
	}
	full, of := *ev, *ev.Chat
	of.IsGroup, of.Line = group, line
	full.Chat = &of
	return &full
}

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

// The ids of the events below name their cause: each is journaled once, however
// often it is made.

// TimerEvent returns the event of a timer that fires. Its time is when the timer
// was due, so that an event delayed by an outage is as old as it is late.
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

// TimerOf returns the timer of a TimerEvent. cause is the journal sequence of the
// event that set it.
func TimerOf(ev *event.Event, cause int64) TimerID {
	at := strings.LastIndexByte(ev.ID, '.')
	n, err := strconv.Atoi(ev.ID[at+1:])
	if err != nil {
		n = -1 // not an id of TimerEvent: no timer has this N
	}
	return TimerID{Pack: ev.Pack, Name: ev.Timer(), Seq: cause, N: n}
}

// AnswerType returns the type of the event that reports the action's result to its
// pack; "" if there is none to report.
func (a *Action) AnswerType() string {
	switch a.Status {
	case Done:
		return event.ActionDone
	case Dead:
		return event.ActionFailed
	}
	return ""
}

// AnswerEvent returns the event that reports an action's result to its pack. The
// action has an AnswerType.
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

// Complete returns the event with the chat's line and IsGroup filled in if it lacks
// them: a timer's event or a reaction in a group then says so. It returns ev itself
// if nothing is missing, or if c is nil.
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

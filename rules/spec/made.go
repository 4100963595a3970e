package spec

import (
	"encoding/json"
	"fmt"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// The events that chertd makes itself, as the daemon makes them.

// timerEntry is the event of a timer that came due. Its id names the setting.
func timerEntry(chatID string, t *chat.Timer, now time.Time) entry {
	return entry{
		cause: t.Seq,
		timer: &chat.TimerID{Pack: t.Pack, Name: t.Name, Seq: t.Seq, N: t.N},
		event: event.Event{
			ID:     fmt.Sprintf("timer:%s/%s/%d.%d", t.Pack, t.Name, t.Seq, t.N),
			Type:   event.TimerPrefix + t.Name,
			At:     now,
			Source: event.SourceEngine,
			Chat:   &event.Chat{ID: chatID},
			Pack:   t.Pack, Payload: t.Payload, Depth: t.Depth + 1,
		},
	}
}

// scheduleEntry is the event of a run of chert.every.
func scheduleEntry(r *rules.Rule, now time.Time) entry {
	name, err := json.Marshal(r.Name)
	if err != nil {
		panic(err) // a string always marshals
	}
	return entry{event: event.Event{
		ID:     fmt.Sprintf("schedule:%s/%d", r.Key, now.Unix()),
		Type:   event.Schedule,
		At:     now,
		Source: event.SourceEngine,
		Pack:   r.Pack, Payload: name,
	}}
}

// answerEntry is the event that tells a pack what became of its action.
func answerEntry(kind string, a *chat.Action, now time.Time) entry {
	detail, err := json.Marshal(map[string]any{
		"kind": a.Kind, "chat": a.Chat, "code": a.Code, "status": a.HTTP,
		"attempts": a.Attempts, "trace_id": a.TraceID,
	})
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return entry{cause: a.ID.Seq, event: event.Event{
		ID:     fmt.Sprintf("%s:%s/%d", kind, a.ID, a.Attempts),
		Type:   kind,
		At:     now,
		Source: event.SourceEngine,
		Chat:   &event.Chat{ID: a.Chat},
		Pack:   a.Pack, Action: detail, Depth: a.Depth + 1,
	}}
}

package rules

import (
	"encoding/json"
	"fmt"
	"time"

	"chertd/engine/event"
)

// ScheduleEvent is the event of one run of a chert.every, that was due at a
// time. It has no chat; its payload names the rule.
func (r *Rule) ScheduleEvent(due, now time.Time) event.Event {
	name, err := json.Marshal(r.Name)
	if err != nil {
		panic(err) // a string always marshals
	}
	return event.Event{
		ID:     fmt.Sprintf("schedule:%s/%d", r.Key, due.Unix()),
		Type:   event.Schedule,
		At:     now,
		Source: event.SourceEngine,
		Pack:   r.Pack, Payload: name,
	}
}

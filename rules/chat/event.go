package chat

import (
	"cmp"

	"chertd/engine/event"
)

// AnswerType returns the type of the event by which the pack learns what became of
// the action; "" if there is none.
func (a *Action) AnswerType() string {
	switch a.Status {
	case Done:
		return event.ActionDone
	case Dead:
		return event.ActionFailed
	}
	return ""
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

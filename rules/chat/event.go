package chat

import (
	"cmp"

	"chertd/engine/event"
)

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

// Complete returns the event with the chat's line and IsGroup filled in if it lacks
// them: then a timer's event or a reaction in a group has them, too. It returns ev unchanged
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
	full.Chat, full.FromRaw = &of, false
	return &full
}

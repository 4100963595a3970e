package chat

import "chertd/engine/event"

// Complete gives an event that chertd made itself (a timer's, an answer's) what
// is known of its chat, so that a rule sees a group as a group there too. Other
// events are returned as they are, and so are all if there is no chat: c is nil.
func (c *Chat) Complete(ev *event.Event) *event.Event {
	if c == nil || ev.Source != event.SourceEngine || ev.Chat == nil {
		return ev
	}
	full := *ev
	full.Chat = &event.Chat{ID: c.ID, IsGroup: c.IsGroup, Line: c.Line}
	return &full
}

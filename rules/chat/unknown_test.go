package chat

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/event"
)

// Whatever the order of events, a chat keeps the line and IsGroup of the last event
// that has them, and completes events that lack them.
func TestEventWithoutFieldKeepsTheKnownOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, now := Chat{ID: "c1"}, time.Unix(1_700_000_000, 0)
		group, line := event.Unknown, ""
		for seq := range rapid.Int64Range(1, 8).Draw(t, "events") {
			ev := event.Event{
				ID: "e", Type: rapid.SampledFrom([]string{event.MessageReceived, event.ReactionAdded, event.LeadReply, "timer:x", "odd"}).Draw(t, "type"),
				Source: rapid.SampledFrom([]string{event.SourceWebhook, event.SourceEngine}).Draw(t, "source"),
				Chat: &event.Chat{
					ID: "c1", IsGroup: rapid.SampledFrom([]event.Truth{event.Unknown, event.False, event.True}).Draw(t, "group"),
					Line: rapid.SampledFrom([]string{"", "+1", "+2"}).Draw(t, "line"),
				},
			}
			full := c.Complete(&ev)
			if want := ev.Chat.IsGroup.Or(group); full.Chat.IsGroup != want {
				t.Fatalf("an event that says %d in a chat of which %d is known: rules see %d", ev.Chat.IsGroup, group, full.Chat.IsGroup)
			}
			if ev.Chat.Line == "" && full.Chat.Line != line || ev.Chat.Line != "" && full.Chat.Line != ev.Chat.Line {
				t.Fatalf("an event of line %q in a chat of line %q: rules see %q", ev.Chat.Line, line, full.Chat.Line)
			}
			if full.ID != ev.ID || full.Chat.ID != "c1" || full.Type != ev.Type {
				t.Fatalf("completed to another event: %+v", full)
			}
			group = ev.Chat.IsGroup.Or(group)
			if ev.Chat.Line != "" {
				line = ev.Chat.Line
			}
			c, _ = Step(c, OutcomesOf(seq+1, &ev), now)
			if rapid.IntRange(0, 4).Draw(t, "crash") == 0 {
				c = reload(t, c)
			}
			if c.IsGroup != group || c.Line != line {
				t.Fatalf("the chat is a group: %d, of line %q; want %d, %q", c.IsGroup, c.Line, group, line)
			}
		}
	})
}

func TestCompleteReturnsCompleteEventsUnchanged(t *testing.T) {
	t.Parallel()
	c := &Chat{ID: "c1", IsGroup: event.True, Line: "+1"}
	for _, ev := range []*event.Event{
		{ID: "s", Type: event.Schedule, Source: event.SourceEngine},
		{ID: "m", Chat: &event.Chat{ID: "c1", IsGroup: event.False, Line: "+2", Handles: []event.Handle{{Handle: "+3"}}}},
	} {
		if got := c.Complete(ev); got != ev {
			t.Errorf("%s was made another event: %+v", ev.ID, got)
		}
	}
	ev := &event.Event{ID: "m", Chat: &event.Chat{ID: "c1", Handles: []event.Handle{{Handle: "+3"}}}}
	full := c.Complete(ev)
	if full.Chat.IsGroup != event.True || full.Chat.Line != "+1" || len(full.Chat.Handles) != 1 {
		t.Errorf("completed to %+v", full.Chat)
	}
	if ev.Chat.IsGroup != event.Unknown || ev.Chat.Line != "" {
		t.Errorf("the event itself was changed: %+v", ev.Chat)
	}
	if got := (*Chat)(nil).Complete(ev); got != ev {
		t.Errorf("no chat knows %+v", got)
	}
}

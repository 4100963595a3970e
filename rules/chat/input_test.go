package chat

import (
	"reflect"
	"testing"
	"time"

	"chertd/engine/event"
)

// An input has all that its event says: what kind of news it is, and of which
// message, for messages alone.
func TestOutcomesOfTakesFieldsFromEvent(t *testing.T) {
	t.Parallel()
	group := event.Chat{ID: "c1", Line: "+1", IsGroup: event.True}
	message := event.Message{ID: "m1", GUID: "g1", SentAt: time.Unix(1_700_000_000, 0)}
	outbound := message
	outbound.Direction = "outbound"
	of := func(typ string, chat *event.Chat, m *event.Message) *event.Event {
		return &event.Event{ID: "e", Type: typ, Source: event.SourceWebhook, Chat: chat, Message: m, Text: "hi", Depth: 2}
	}
	texts := of(event.MessageReceived, &group, &message).MessageTexts()
	for name, c := range map[string]struct {
		event *event.Event
		want  Outcomes
	}{
		"message":      {of(event.MessageReceived, &group, &message), Outcomes{New: true, Message: true, IDs: []string{"m1", "g1"}, Texts: texts, Sent: message.SentAt, Line: "+1", IsGroup: event.True}},
		"lead_reply":   {of(event.LeadReply, &group, &message), Outcomes{Legacy: true, IDs: []string{"m1", "g1"}, Texts: texts, Sent: message.SentAt, Line: "+1", IsGroup: event.True}},
		"no time sent": {&event.Event{Type: event.MessageReceived, Source: event.SourceWebhook, Chat: &group, At: message.SentAt, Depth: 2}, Outcomes{New: true, Message: true, Sent: message.SentAt, Line: "+1", IsGroup: event.True}},
		"reaction":     {of(event.ReactionAdded, &group, &message), Outcomes{Line: "+1", IsGroup: event.True}},
		"our own":      {of(event.MessageReceived, &group, &outbound), Outcomes{Line: "+1", IsGroup: event.True}},
		"unknown type": {of("odd", &event.Chat{ID: "c1"}, nil), Outcomes{New: true}},
		"no chat":      {of(event.MessageReceived, nil, &message), Outcomes{}},
	} {
		c.want.Seq, c.want.Depth = 7, 2
		if got := OutcomesOf(7, c.event); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

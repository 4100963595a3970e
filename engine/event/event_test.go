package event

import "testing"

func TestEventQuestions(t *testing.T) {
	t.Parallel()
	chat := &Chat{ID: "c1", Line: "+1"}
	tests := []struct {
		name                string
		event               Event
		inbound, newMessage bool
		media               Truth
		timer               string
	}{
		{name: "message", event: Event{Type: MessageReceived, Chat: chat, Message: &Message{Direction: "inbound"}}, inbound: true, newMessage: true},
		{name: "message without a direction", event: Event{Type: LeadReply, Chat: chat, Message: &Message{}}, inbound: true},
		{name: "outbound", event: Event{Type: MessageReceived, Chat: chat, Message: &Message{Direction: "outbound"}}},
		{name: "no chat", event: Event{Type: MessageReceived, Message: &Message{Direction: "inbound"}}},
		{name: "reaction", event: Event{Type: ReactionAdded, Chat: chat}, inbound: true},
		{name: "picture", event: Event{Type: MessageReceived, Chat: chat, Message: &Message{Parts: []Part{{Type: "text"}, {Type: "media"}}}}, inbound: true, newMessage: true, media: True},
		{name: "text alone", event: Event{Type: MessageReceived, Chat: chat, Message: &Message{Parts: []Part{{Type: "text"}}}}, inbound: true, newMessage: true, media: False},
		{name: "timer", event: Event{Type: "timer:settle", Source: SourceEngine, Chat: chat}, timer: "settle"},
		{name: "timer's name from outside", event: Event{Type: "timer:settle", Source: SourceWebhook, Chat: chat}, inbound: true},
		{name: "another event of the engine", event: Event{Type: Schedule, Source: SourceEngine}},
	}
	for _, tt := range tests {
		e := tt.event
		if e.Inbound() != tt.inbound || e.InboundMessage() != tt.newMessage || e.HasMedia() != tt.media || e.Timer() != tt.timer {
			t.Errorf("%s: inbound %t, message %t, media %d, timer %q; want %t, %t, %d, %q", tt.name,
				e.Inbound(), e.InboundMessage(), e.HasMedia(), e.Timer(), tt.inbound, tt.newMessage, tt.media, tt.timer)
		}
	}
	var none Event
	if none.ChatID() != "" || none.Line() != "" || none.MessageID() != "" {
		t.Error("an event without chat and message has their ids")
	}
	some := Event{Chat: chat, Message: &Message{ID: "m1"}}
	if some.ChatID() != "c1" || some.Line() != "+1" || some.MessageID() != "m1" {
		t.Errorf("ids of chat, line and message: %q %q %q", some.ChatID(), some.Line(), some.MessageID())
	}
}

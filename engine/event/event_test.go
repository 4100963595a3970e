package event

import (
	"strings"
	"testing"
)

func TestEventMethods(t *testing.T) {
	t.Parallel()
	chat := &Chat{ID: "c1", Line: "+1"}
	in, out, unsaid := &Message{Direction: "inbound"}, &Message{Direction: "outbound"}, &Message{}
	tests := []struct {
		name  string
		event Event
		// What holds of it, in this order: inbound, message (from the other side),
		// reply (legacy, from the other side), new.
		holds     string
		direction string
		timer     string
	}{
		{name: "message", event: Event{Type: MessageReceived, Chat: chat, Message: in}, holds: "inbound message new", direction: "inbound"},
		{name: "message without a direction", event: Event{Type: MessageReceived, Chat: chat, Message: unsaid}, holds: "inbound message new", direction: "inbound"},
		{name: "outbound", event: Event{Type: MessageReceived, Chat: chat, Message: out}, direction: "outbound"},
		{name: "no chat", event: Event{Type: MessageReceived, Message: in}, direction: "inbound"},
		{name: "legacy reply", event: Event{Type: LeadReply, Chat: chat, Message: unsaid}, holds: "inbound reply", direction: "inbound"},
		{name: "legacy reply of ours", event: Event{Type: LeadReply, Chat: chat, Message: out}, direction: "outbound"},
		{name: "legacy reply without a chat", event: Event{Type: LeadReply, Message: unsaid}, direction: "inbound"},
		{name: "reaction", event: Event{Type: ReactionAdded, Chat: chat, Message: unsaid}, holds: "inbound"},
		{name: "reaction taken back", event: Event{Type: ReactionRemoved, Chat: chat}, holds: "inbound"},
		{name: "unknown type", event: Event{Type: "line.moved", Chat: chat}, holds: "inbound new"},
		{name: "unknown type, outbound", event: Event{Type: "line.moved", Chat: chat, Message: out}, direction: "outbound"},
		{name: "unknown type without a chat", event: Event{Type: "line.moved"}},
		{name: "message made by the engine", event: Event{Type: MessageReceived, Source: SourceEngine, Chat: chat, Message: unsaid}},
		{name: "inbound message made by the engine", event: Event{Type: MessageReceived, Source: SourceEngine, Chat: chat, Message: in}, direction: "inbound"},
		{name: "timer", event: Event{Type: "timer:settle", Source: SourceEngine, Chat: chat}, timer: "settle"},
		{name: "timer's name from outside", event: Event{Type: "timer:settle", Source: SourceWebhook, Chat: chat}, holds: "inbound new"},
		{name: "another event of the engine", event: Event{Type: Schedule, Source: SourceEngine}},
		{name: "almost a timer", event: Event{Type: "timer", Source: SourceEngine}},
	}
	for _, tt := range tests {
		e := tt.event
		var holds []string
		for _, q := range []struct {
			name string
			yes  bool
		}{{"inbound", e.Inbound()}, {"message", e.InboundMessage()}, {"reply", e.LegacyReply()}, {"new", e.New()}} {
			if q.yes {
				holds = append(holds, q.name)
			}
		}
		if got := strings.Join(holds, " "); got != tt.holds || e.Direction() != tt.direction || e.Timer() != tt.timer {
			t.Errorf("%s: %q, direction %q, timer %q; want %q, %q, %q", tt.name, got, e.Direction(), e.Timer(), tt.holds, tt.direction, tt.timer)
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

// What an event does not say of its message is not known.
func TestWhatIsKnownOfAMessage(t *testing.T) {
	t.Parallel()
	text, media := Part{Type: "text"}, Part{Type: "media"}
	for _, tt := range []struct {
		name  string
		event Event
		media Truth
		text  bool // is known
	}{
		{"no message", Event{}, Unknown, false},
		{"no message, but a text", Event{Text: "hi"}, Unknown, true},
		{"parts not listed", Event{Message: &Message{}}, Unknown, false},
		{"parts not listed, but a text", Event{Text: "hi", Message: &Message{}}, Unknown, true},
		{"no parts", Event{Message: &Message{Parts: []Part{}}}, False, true},
		{"text alone", Event{Text: "hi", Message: &Message{Parts: []Part{text, text}}}, False, true},
		{"picture alone", Event{Message: &Message{Parts: []Part{media}}}, True, true},
		{"picture behind a text", Event{Text: "hi", Message: &Message{Parts: []Part{text, media}}}, True, true},
		{"picture before a text", Event{Text: "hi", Message: &Message{Parts: []Part{media, text}}}, True, true},
	} {
		if got, known := tt.event.HasMedia(), tt.event.TextKnown(); got != tt.media || known != tt.text {
			t.Errorf("%s: media %d, text known %t; want %d, %t", tt.name, got, known, tt.media, tt.text)
		}
	}
}

// A message whose direction is not known, or not one of the two, counts as inbound
// for all that asks: what supersedes a read is also new.
func TestOnlyOutboundIsNotInbound(t *testing.T) {
	t.Parallel()
	for direction, outbound := range map[string]bool{"inbound": false, "outbound": true, "": false, "sideways": false, "Outbound": false, "out": false} {
		for _, typ := range []string{MessageReceived, LeadReply, "x.y", ReactionAdded} {
			e := Event{Type: typ, Source: SourceWebhook, Chat: &Chat{ID: "c"}, Message: &Message{Direction: direction}}
			if e.Inbound() == outbound {
				t.Errorf("%s of direction %q: inbound is %t", typ, direction, e.Inbound())
			}
			if message := typ == MessageReceived && !outbound; e.InboundMessage() != message || message && !e.New() {
				t.Errorf("%s of direction %q: a message is %t, new is %t", typ, direction, e.InboundMessage(), e.New())
			}
			if e.LegacyReply() != (typ == LeadReply && !outbound) || typ == "x.y" && e.New() == outbound {
				t.Errorf("%s of direction %q: a reply is %t, new is %t", typ, direction, e.LegacyReply(), e.New())
			}
		}
	}
}

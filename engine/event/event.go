// Package event says what a chat event is, and decodes every form in which
// Chert delivers one: webhook envelope, events-log row, legacy top-level fields.
package event

import (
	"encoding/json"
	"strings"
	"time"
)

// Types that chertd itself gives meaning to. Any other type is an event like
// these; rules may subscribe to it.
const (
	MessageReceived = "message.received"
	LeadReply       = "lead_reply"
	ReactionAdded   = "reaction.added"
	ReactionRemoved = "reaction.removed"
	ActionDone      = "action.done"
	ActionFailed    = "action.failed"
	Schedule        = "schedule"
	TimerPrefix     = "timer:" // followed by the timer's name
)

// Sources: by which way an event came.
const (
	SourceWebhook = "webhook"
	SourceStream  = "stream"
	SourceCatchup = "catchup"
	SourceFile    = "file"
	SourceEngine  = "engine" // timers, schedules, answers of calls
)

// Event is one thing that happened in a chat. It is immutable once decoded:
// many rules, on several goroutines, read the same one.
type Event struct {
	ID      string    // identity on every path, the dedupe key
	Type    string    // e.g. "message.received"; never empty
	At      time.Time // when Chert says it happened; zero if it does not say
	Source  string    // one of the Source constants
	Tenant  string    // envelope's partner_id; empty if it has none
	Chat    *Chat     // nil where there is none
	Message *Message  // nil where there is none
	Text    string    // text parts joined by newlines, else the legacy text, else ""
	From    string    // sender's handle as delivered; empty if unknown

	Raw json.RawMessage // the envelope as it came

	// What follows is set on events the engine makes itself.
	Pack    string          // the only pack that sees it; empty: all
	Payload json.RawMessage // of a timer
	Action  json.RawMessage // of action.done and action.failed
	Depth   int             // how many events caused one another up to this one
}

// Chat is the conversation an event belongs to.
type Chat struct {
	ID      string
	IsGroup Truth
	Line    string   // the phone line (owner_handle) as delivered; empty if unknown
	Handles []Handle // nil if unknown; empty if the event says that there are none
}

// Handle is an address in a chat: a phone number or a mail address.
type Handle struct {
	Handle  string `json:"handle"`
	Service string `json:"service"`
	IsMe    Truth  `json:"is_me,omitzero"`
}

// Message is the message an event is about.
type Message struct {
	ID        string
	GUID      string // message_guid, where it is another than ID
	Direction string // "inbound" or "outbound"; empty if unknown
	Text      string // as Event.Text
	From      string // as Event.From
	Service   string // of the sender's handle
	Parts     []Part // nil if unknown
	SentAt    time.Time
}

// Part is a piece of a message.
type Part struct {
	Type         string `json:"type"` // "text", "media", …
	Value        string `json:"value,omitempty"`
	AttachmentID string `json:"attachment_id,omitempty"`
	MimeType     string `json:"mime_type,omitempty"`
}

// ChatID is the chat's id, or "" where there is no chat.
func (e *Event) ChatID() string {
	if e.Chat == nil {
		return ""
	}
	return e.Chat.ID
}

// Line is the phone line's handle, or "".
func (e *Event) Line() string {
	if e.Chat == nil {
		return ""
	}
	return e.Chat.Line
}

// MessageID is the message's id, or "".
func (e *Event) MessageID() string {
	if e.Message == nil {
		return ""
	}
	return e.Message.ID
}

// Direction is "inbound", "outbound" or, if it is unknown, "". Chert's messages
// are inbound unless they say otherwise: legacy deliveries leave it out.
func (e *Event) Direction() string {
	if e.Message != nil && e.Message.Direction != "" {
		return e.Message.Direction
	}
	if e.Source != SourceEngine && (e.Type == MessageReceived || e.Type == LeadReply) {
		return "inbound"
	}
	return ""
}

// Inbound reports whether the event came from the other side of a chat, so
// that a read receipt could speak for it. Chert delivers no direction with
// reactions and unknown types: they count as inbound.
func (e *Event) Inbound() bool {
	return e.Chat != nil && e.Source != SourceEngine && e.Direction() != "outbound"
}

// InboundMessage reports whether the event brings a message from the other
// side. A lead_reply tells of one that comes as message.received, too.
func (e *Event) InboundMessage() bool { return e.Inbound() && e.Type == MessageReceived }

// LegacyReply reports whether the event is a lead_reply of the other side.
func (e *Event) LegacyReply() bool { return e.Inbound() && e.Type == LeadReply }

// New reports whether the event brings something that can be unread: a message,
// or an event of a type that chertd does not know. Reactions can't, and
// lead_replies are looked at by what else is known of their chat.
func (e *Event) New() bool {
	switch e.Type {
	case ReactionAdded, ReactionRemoved, LeadReply:
		return false
	}
	return e.Inbound()
}

// Age is how long before a time the event happened: when Chert says so, else
// when its message was sent. One that lies in the future, by a clock that is
// behind, has just happened. known is false if the event says neither.
func (e *Event) Age(now time.Time) (age time.Duration, known bool) {
	at := e.At
	if at.IsZero() && e.Message != nil {
		at = e.Message.SentAt
	}
	if at.IsZero() {
		return 0, false
	}
	return max(0, now.Sub(at)), true
}

// HasMedia is whether any part of the message is not text: Unknown if the event
// does not list its parts.
func (e *Event) HasMedia() Truth {
	if e.Message == nil || e.Message.Parts == nil {
		return Unknown
	}
	for _, p := range e.Message.Parts {
		if p.Type != "text" {
			return True
		}
	}
	return False
}

// TextKnown reports whether Text is what the event says. A message of pictures
// alone says that it has no text; an event without a text and without parts,
// such as a reaction, says nothing of it.
func (e *Event) TextKnown() bool {
	return e.Text != "" || e.Message != nil && e.Message.Parts != nil
}

// Timer is the timer's name of a "timer:<name>" event, or "".
func (e *Event) Timer() string {
	if e.Source != SourceEngine {
		return ""
	}
	name, _ := strings.CutPrefix(e.Type, TimerPrefix)
	if name == e.Type {
		return ""
	}
	return name
}

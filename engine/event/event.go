// Package event defines chat events, and decodes every form in which Chert delivers them:
// webhook envelopes, rows of the events log, and legacy top-level fields.
package event

import (
	"encoding/json"
	"strings"
	"time"
)

// Types of events that have a meaning in chertd. Rules may subscribe to any other type as
// well.
const (
	MessageReceived = "message.received"
	LeadReply       = "lead_reply"
	ReactionAdded   = "reaction.added"
	ReactionRemoved = "reaction.removed"
	ActionDone      = "action.done"
	ActionFailed    = "action.failed"
	Schedule        = "schedule"
	OperatorRead    = "operator.read" // of entries that no rule sees: an operator wants a chat read
	TimerPrefix     = "timer:"        // followed by the timer's name
	SignalPrefix    = "signal:"       // followed by the signal's name
)

// Documented are the types of the events that Chert documents.
var Documented = []string{MessageReceived, LeadReply, ReactionAdded, ReactionRemoved}

// Sources: the ways by which events come in.
const (
	SourceWebhook = "webhook"
	SourceStream  = "stream"
	SourceCatchup = "catchup"
	SourceFile    = "file"
	SourceSignal  = "signal" // chertd signal, POST signals
	SourceEngine  = "engine" // timers, schedules, answers of calls
)

// Event is something that happened in a chat. It must not change once it is decoded, as
// rules on several goroutines read it.
type Event struct {
	ID      string    // its identity in every source; the key for deduplication
	Type    string    // e.g. "message.received"; never empty
	At      time.Time // when it happened, by Chert; zero if unknown
	Source  string    // one of the Source constants
	Tenant  string    // partner_id of the envelope; empty if it has none
	Chat    *Chat     // nil: none
	Message *Message  // nil: none
	Text    string    // text parts joined by newlines, else the legacy text, else ""
	From    string    // handle of the sender as delivered; empty if unknown

	Raw json.RawMessage // the envelope as it came
	// FromRaw is set by Decode if decoding Raw again, with ID and Type as Hints, returns
	// the same event apart from Source: a store need not keep the decoded fields then. It
	// is not for a row of the events log that adds to its envelope, as by naming the chat.
	// Who changes another field than Source and those below clears it.
	FromRaw bool

	Data json.RawMessage // of a signal; nil: it has none

	// The engine sets these fields on its own events.
	Pack    string          // the only pack that sees it; empty: all
	Payload json.RawMessage // of a timer
	Action  json.RawMessage // of action.done and action.failed
	Depth   int             // length of the chain of events that caused this one
}

// Chat is the chat of an event.
type Chat struct {
	ID      string
	IsGroup Truth
	Line    string   // the phone line (owner_handle) as delivered; empty if unknown
	Handles []Handle // nil: unknown; empty: the event has an empty list
}

// Handle is an address in a chat, such as a phone number or an email address.
type Handle struct {
	Handle  string `json:"handle"`
	Service string `json:"service"`
	IsMe    Truth  `json:"is_me,omitzero"`
}

// Message is the message of an event.
type Message struct {
	ID        string
	GUID      string // message_guid, if it differs from ID
	Direction string // "inbound" or "outbound"; empty if unknown
	Text      string // as Event.Text
	From      string // as Event.From
	Service   string // of the handle of the sender
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

// ChatID returns the id of the chat, or "".
func (e *Event) ChatID() string {
	if e.Chat == nil {
		return ""
	}
	return e.Chat.ID
}

// Line returns the handle of the phone line, or "".
func (e *Event) Line() string {
	if e.Chat == nil {
		return ""
	}
	return e.Chat.Line
}

// MessageID returns the id of the message, or "".
func (e *Event) MessageID() string {
	if e.Message == nil {
		return ""
	}
	return e.Message.ID
}

// Direction returns "inbound", "outbound" or, if it is unknown, "". Messages of Chert's
// are inbound by default, as legacy deliveries have no direction.
func (e *Event) Direction() string {
	if e.Message != nil && e.Message.Direction != "" {
		return e.Message.Direction
	}
	if e.fromChert() && (e.Type == MessageReceived || e.Type == LeadReply) {
		return "inbound"
	}
	return ""
}

// Inbound reports whether the event came from the other side of a chat, so that a read
// receipt can be about it. Reactions and unknown types come without a direction, and
// count as inbound.
func (e *Event) Inbound() bool {
	return e.Chat != nil && e.fromChert() && e.Direction() != "outbound"
}

// fromChert reports whether Chert sent the event: the engine has not made it, and it is not a
// signal.
func (e *Event) fromChert() bool { return e.Source != SourceEngine && e.Source != SourceSignal }

// InboundMessage reports whether the event is a message from the other side. A lead_reply
// is not, as its message also comes as message.received.
func (e *Event) InboundMessage() bool { return e.Inbound() && e.Type == MessageReceived }

// LegacyReply reports whether the event is a lead_reply from the other side.
func (e *Event) LegacyReply() bool { return e.Inbound() && e.Type == LeadReply }

// New reports whether the event is something that can be unread: a message, or an event
// of an unknown type. Reactions can't be unread, and for a lead_reply that depends on
// the other events of its chat.
func (e *Event) New() bool {
	switch e.Type {
	case ReactionAdded, ReactionRemoved, LeadReply:
		return false
	}
	return e.Inbound()
}

// Age returns how long before now the event happened, by its own time or else by the time
// of its message. An event in the future, by a clock that is behind, has age 0. known
// is false if the event has neither time.
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

// HasMedia returns whether a part of the message is not text; Unknown without a list of
// parts.
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

// TextKnown reports whether Text is known. It is for a message that has only pictures,
// whose text is empty, but not for an event without text and parts, such as a reaction.
func (e *Event) TextKnown() bool {
	return e.Text != "" || e.Message != nil && e.Message.Parts != nil
}

// Timer returns the name of the timer of a "timer:<name>" event, or "".
func (e *Event) Timer() string {
	return e.named(SourceEngine, TimerPrefix)
}

// Signal returns the name of a signal, or "". An event of Chert's with such a type is none.
func (e *Event) Signal() string {
	return e.named(SourceSignal, SignalPrefix)
}

// named returns what follows a prefix in the type of an event from a source, or "".
func (e *Event) named(source, prefix string) string {
	name, ok := strings.CutPrefix(e.Type, prefix)
	if e.Source != source || !ok {
		return ""
	}
	return name
}

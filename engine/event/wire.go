package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// envelope has the fields of a delivery, and those of a row of the events log: which of
// the two it is, is only known when it was read. quick and slow read the same fields
// into it.
type envelope struct {
	EventType string
	Event     string
	EventID   string // of rows too
	PartnerID string
	Timestamp stamp
	Data      wireData

	// Legacy deliveries have these, or add them.
	From        string
	To          string
	Text        string
	MessageGUID string

	// Raw, because a value of another type means something else.
	ChatID json.RawMessage
	LeadID json.RawMessage // of a row too
	LineID json.RawMessage

	// Fields of a row. In an envelope they have no meaning.
	ID      json.RawMessage
	Type    json.RawMessage
	Payload json.RawMessage

	unreadChat bool // data.chat is there, in an unknown shape
}

type wireData struct {
	Chat    wireChat
	Message wireMessage
	ChatID  json.RawMessage
	LeadID  json.RawMessage
}

type wireChat struct {
	Given   bool // the delivery has it
	ID      string
	LeadID  json.RawMessage
	IsGroup Truth
	Handles []Handle
	Owner   Handle
}

type wireMessage struct {
	Given     bool // the delivery has it
	ID        string
	ChatID    json.RawMessage
	LeadID    json.RawMessage
	Direction string
	Sender    Handle
	Parts     []wirePart
	SentAt    stamp
}

// wirePart is a part whose value may be of any kind, as only that of text is documented.
type wirePart struct {
	Type         string
	Value        string
	OtherValue   string // the kind of a value that is not a string, e.g. "an object"
	AttachmentID string
	MimeType     string
}

// row has the fields of a row of the events log.
type row struct {
	id, eventID, typ, leadID string
	payload                  []byte
}

func (env *envelope) eventType() string { return first(env.EventType, env.Event) }

// isRow reports whether it is a row: it has a payload, or an id and a type without one,
// and none of the main fields of an envelope.
func (env *envelope) isRow() bool {
	if env.eventType() != "" || env.Data.Chat.Given || env.Data.Message.Given {
		return false
	}
	return present(env.Payload) || present(env.Type) && present(env.ID)
}

func (env *envelope) row() (row, error) {
	if !present(env.Payload) {
		return row{}, &MalformedError{Field: "payload", Reason: "missing: a row of the events log without its envelope"}
	}
	return row{
		id: textIn(env.ID), eventID: env.EventID, typ: stringIn(env.Type), payload: env.Payload,
		leadID: first(stringIn(env.ChatID), stringIn(env.LeadID)),
	}, nil
}

// documented reports whether the shape of a field is documented for a type of event, so
// that another shape is an error. It is not called for the fields that are documented for
// all types.
func documented(typ, field string) bool {
	switch typ {
	case MessageReceived, ReactionAdded, ReactionRemoved:
		return true
	case LeadReply:
		return field != "data" && !strings.HasPrefix(field, "data.")
	}
	return false
}

// parts returns the parts of the message, and its text parts joined by newlines.
func (w *wireMessage) parts() ([]Part, string, error) {
	if w.Parts == nil {
		return nil, "", nil
	}
	parts := make([]Part, len(w.Parts))
	texts := make([]string, 0, 4)
	for i, p := range w.Parts {
		if p.Type == "text" {
			if p.OtherValue != "" {
				return nil, "", &MalformedError{
					Field:  fmt.Sprintf("data.message.parts[%d].value", i),
					Reason: "want a string, got " + p.OtherValue,
				}
			}
			texts = append(texts, p.Value)
		}
		parts[i] = Part{Type: p.Type, Value: p.Value, AttachmentID: p.AttachmentID, MimeType: p.MimeType}
	}
	return parts, strings.Join(texts, "\n"), nil
}

// stamp is a time in RFC 3339. Anything else is the zero time, so that no event is lost
// because of its time.
type stamp struct{ time time.Time }

func (s *stamp) UnmarshalJSON(b []byte) error {
	s.time = time.Time{}
	if len(b) < 2 || b[0] != '"' {
		return nil
	}
	t, err := time.Parse(time.RFC3339, string(b[1:len(b)-1]))
	if err != nil || t.Year() < 1970 || t.Year() > 2261 { // outside the range of Unix nanoseconds
		return nil
	}
	s.time = t.UTC()
	return nil
}

// stringIn returns the value of a string, and "" for any other kind of value.
func stringIn(raw json.RawMessage) string {
	if len(raw) == 0 || raw[0] != '"' {
		return ""
	}
	var s string
	_ = json.Unmarshal(raw, &s) // it was read before: it is JSON
	return s
}

// textIn returns the value of a string or the digits of a number, and "" for any other kind of
// value.
func textIn(raw json.RawMessage) string {
	if present(raw) && kindOf(raw) == "a number" {
		return string(raw)
	}
	return stringIn(raw)
}

func present(raw json.RawMessage) bool {
	return len(raw) > 0 && !bytes.Equal(raw, []byte("null"))
}

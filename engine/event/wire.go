package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// envelope is a delivery as it stands on the wire, and a row of the events log
// at the same time: which of the two is known only when it was read. Names are
// exact: quick and slow read the same fields into it.
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

	// Raw, because where they are not strings they mean something else.
	ChatID json.RawMessage
	LeadID json.RawMessage // of a row too
	LineID json.RawMessage

	// Of a row. In an envelope these names mean nothing.
	ID      json.RawMessage
	Type    json.RawMessage
	Payload json.RawMessage

	unreadChat bool // data.chat is there, in a shape that is not known
}

type wireData struct {
	Chat    *wireChat
	Message *wireMessage
	ChatID  json.RawMessage
	LeadID  json.RawMessage
}

type wireChat struct {
	ID      string
	LeadID  json.RawMessage
	IsGroup Truth
	Handles []Handle
	Owner   Handle
}

type wireMessage struct {
	ID        string
	ChatID    json.RawMessage
	LeadID    json.RawMessage
	Direction string
	Sender    Handle
	Parts     []wirePart
	SentAt    stamp
}

// wirePart has a value of any kind: only that of text is documented.
type wirePart struct {
	Type         string
	Value        string
	OtherValue   string // what the value is instead of a string, e.g. "an object"
	AttachmentID string
	MimeType     string
}

// row is what a row of the events log says besides its payload.
type row struct {
	id, eventID, typ, leadID string
	payload                  []byte
}

func (env *envelope) eventType() string { return first(env.EventType, env.Event) }

// isRow tells a row from an envelope: a row has a payload, or lost it, and
// none of the fields that an envelope begins with.
func (env *envelope) isRow() bool {
	if env.eventType() != "" || env.Data.Chat != nil || env.Data.Message != nil {
		return false
	}
	return present(env.Payload) || present(env.Type) && present(env.ID)
}

func (env *envelope) row() (row, error) {
	if !present(env.Payload) {
		return row{}, &MalformedError{Field: "payload", Reason: "missing: an events-log row without its envelope"}
	}
	r := row{eventID: env.EventID, payload: env.Payload}
	r.leadID = first(stringIn(env.ChatID), stringIn(env.LeadID))
	var s slow
	s.text("id", env.ID, &r.id)
	s.text("type", env.Type, &r.typ)
	return r, s.failure()
}

// documented reports whether a type of event is documented to have a field in
// one shape, so that another shape is an error. The fields that say what an
// event is, which are documented for all types, are not asked about.
func documented(typ, field string) bool {
	switch typ {
	case MessageReceived, ReactionAdded, ReactionRemoved:
		return true
	case LeadReply:
		return field != "data" && !strings.HasPrefix(field, "data.")
	}
	return false
}

// parts returns the message's parts, and the text parts joined by newlines.
func (w *wireMessage) parts() ([]Part, string, error) {
	if w.Parts == nil {
		return nil, "", nil
	}
	parts := make([]Part, len(w.Parts))
	var texts []string
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

// stamp is a time as Chert writes it, RFC 3339. Anything else is a zero time:
// an event is not to be lost over its clock.
type stamp struct{ time time.Time }

func (s *stamp) UnmarshalJSON(b []byte) error {
	s.time = time.Time{}
	if len(b) < 2 || b[0] != '"' {
		return nil
	}
	t, err := time.Parse(time.RFC3339, string(b[1:len(b)-1]))
	if err != nil || t.Year() < 1970 || t.Year() > 2261 { // beyond what nanoseconds can count
		return nil
	}
	s.time = t.UTC()
	return nil
}

// stringIn is a string's value, and "" for any other kind of value.
func stringIn(raw json.RawMessage) string {
	var s string
	if len(raw) > 0 && raw[0] == '"' {
		_ = json.Unmarshal(raw, &s) // it was read before: it is JSON
	}
	return s
}

func present(raw json.RawMessage) bool {
	return len(raw) > 0 && !bytes.Equal(raw, []byte("null"))
}

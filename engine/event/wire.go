package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// envelope is a delivery as it stands on the wire, and a row of the events log
// at the same time: which of the two is known only when it was read.
type envelope struct {
	EventType string   `json:"event_type"`
	Event     string   `json:"event"`
	EventID   string   `json:"event_id"` // of rows too
	PartnerID string   `json:"partner_id"`
	Timestamp stamp    `json:"timestamp"`
	Data      wireData `json:"data"`

	// Legacy deliveries have these, or add them.
	From        string `json:"from"`
	To          string `json:"to"`
	Text        string `json:"text"`
	MessageGUID string `json:"message_guid"`

	// Of a row. Raw, because in an envelope these names mean nothing.
	ID      json.RawMessage `json:"id"`
	Type    json.RawMessage `json:"type"`
	LeadID  json.RawMessage `json:"lead_id"`
	Payload json.RawMessage `json:"payload"`

	unreadChat bool // data.chat is there, in a shape that is not known
}

type wireData struct {
	Chat    *wireChat    `json:"chat"`
	Message *wireMessage `json:"message"`
}

type wireChat struct {
	ID      string   `json:"id"`
	IsGroup Truth    `json:"is_group"`
	Handles []Handle `json:"handles"`
	Owner   Handle   `json:"owner_handle"`
}

type wireMessage struct {
	ID        string     `json:"id"`
	Direction string     `json:"direction"`
	Sender    Handle     `json:"sender_handle"`
	Parts     []wirePart `json:"parts"`
	SentAt    stamp      `json:"sent_at"`
}

// wirePart has a value of any kind: only that of text is documented.
type wirePart struct {
	Type         string `json:"type"`
	Value        any    `json:"value"`
	AttachmentID string `json:"attachment_id"`
	MimeType     string `json:"mime_type"`
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
	for _, f := range []struct {
		name string
		raw  json.RawMessage
		into *string
	}{{"id", env.ID, &r.id}, {"type", env.Type, &r.typ}, {"lead_id", env.LeadID, &r.leadID}} {
		if err := unmarshalAt(f.name, f.raw, f.into); err != nil {
			return row{}, err
		}
	}
	return r, nil
}

// documented reports whether a type of event is documented to have a field in
// one shape, so that another shape is an error. The fields that say what an
// event is are documented for all types, whatever else its data holds.
func documented(typ, field string) bool {
	switch field {
	case "event", "event_type", "event_id", "partner_id":
		return true
	}
	switch typ {
	case MessageReceived, ReactionAdded, ReactionRemoved:
		return true
	case LeadReply:
		return field != "data" && !strings.HasPrefix(field, "data.")
	}
	return false
}

// looseEnvelope is an envelope of which only the identity must have its shape.
type looseEnvelope struct {
	EventType string          `json:"event_type"`
	Event     string          `json:"event"`
	EventID   string          `json:"event_id"`
	PartnerID string          `json:"partner_id"`
	Timestamp stamp           `json:"timestamp"`
	Data      json.RawMessage `json:"data"`

	From        json.RawMessage `json:"from"`
	To          json.RawMessage `json:"to"`
	Text        json.RawMessage `json:"text"`
	MessageGUID json.RawMessage `json:"message_guid"`

	ID      json.RawMessage `json:"id"`
	Type    json.RawMessage `json:"type"`
	LeadID  json.RawMessage `json:"lead_id"`
	Payload json.RawMessage `json:"payload"`
}

// parseLoosely reads an envelope whose type leaves its shape open: what has
// the documented shape is taken, the rest left in Raw.
func parseLoosely(body []byte, typ string) (envelope, error) {
	var l looseEnvelope
	if err := json.Unmarshal(body, &l); err != nil {
		return envelope{}, explain(err)
	}
	env := envelope{
		EventType: l.EventType, Event: l.Event, EventID: l.EventID, PartnerID: l.PartnerID,
		Timestamp: l.Timestamp, ID: l.ID, Type: l.Type, LeadID: l.LeadID, Payload: l.Payload,
	}
	for _, f := range []struct {
		name string
		raw  json.RawMessage
		into *string
	}{{"from", l.From, &env.From}, {"to", l.To, &env.To}, {"text", l.Text, &env.Text}, {"message_guid", l.MessageGUID, &env.MessageGUID}} {
		if err := unmarshalAt(f.name, f.raw, f.into); err != nil && documented(typ, f.name) {
			return envelope{}, err
		}
	}
	var data struct {
		Chat    json.RawMessage `json:"chat"`
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(l.Data, &data) != nil {
		return env, nil
	}
	if json.Unmarshal(data.Chat, &env.Data.Chat) != nil {
		env.Data.Chat, env.unreadChat = nil, len(data.Chat) > 0
	}
	if json.Unmarshal(data.Message, &env.Data.Message) != nil {
		env.Data.Message = nil
	}
	return env, nil
}

// parts returns the message's parts, and the text parts joined by newlines.
func (w *wireMessage) parts() ([]Part, string, error) {
	if w.Parts == nil {
		return nil, "", nil
	}
	parts := make([]Part, len(w.Parts))
	var texts []string
	for i, p := range w.Parts {
		value, isString := p.Value.(string)
		if p.Type == "text" {
			if !isString && p.Value != nil {
				return nil, "", &MalformedError{
					Field:  fmt.Sprintf("data.message.parts[%d].value", i),
					Reason: "want a string, got " + kindOf(p.Value),
				}
			}
			texts = append(texts, value)
		}
		parts[i] = Part{Type: p.Type, Value: value, AttachmentID: p.AttachmentID, MimeType: p.MimeType}
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

func present(raw json.RawMessage) bool {
	return len(raw) > 0 && !bytes.Equal(raw, []byte("null"))
}

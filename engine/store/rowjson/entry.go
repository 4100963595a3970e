package rowjson

import (
	"encoding/json"
	"fmt"
	"time"

	"chertd/engine/event"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// decoded is the part of a decoded event that has no column of its own. It is kept
// where decoding the raw envelope again would give something else, and for events
// without an envelope.
type decoded struct {
	Tenant  string    `json:"tenant,omitempty"`
	From    string    `json:"from,omitempty"`
	Text    string    `json:"text,omitempty"`
	Chat    *chatPart `json:"chat,omitempty"`
	Message *message  `json:"message,omitempty"`
	Data    *string   `json:"data,omitempty"` // JSON, which would be reformatted within JSON
}

type chatPart struct {
	IsGroup event.Truth    `json:"is_group,omitzero"`
	Handles []event.Handle `json:"handles,omitzero"`
}

// message leaves out what usually equals the event's.
type message struct {
	Text    *string      `json:"text,omitempty"` // nil: the event's
	From    *string      `json:"from,omitempty"` // nil: the event's
	GUID    string       `json:"guid,omitempty"`
	Service string       `json:"service,omitempty"`
	Parts   []event.Part `json:"parts,omitzero"`
	SentAt  *int64       `json:"sent_at,omitempty"` // microseconds
}

// forward stores the request's body separately: within JSON it would be reformatted.
type forward struct {
	Request chat.Request `json:"request"`
	Body    *string      `json:"body,omitempty"`
	Depth   int          `json:"depth"`
	Block   bool         `json:"block,omitempty"`

	MissedBy []string `json:"missed_by,omitempty"`
	Known    string   `json:"known,omitempty"`
}

// Micros returns a time as stores keep it: in whole microseconds, in UTC.
func Micros(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// AppendDecoded appends what decoding the envelope of an event again would not restore. It
// appends nothing if that restores the event as it is.
func AppendDecoded(b []byte, e *event.Event) ([]byte, error) {
	if e.FromRaw {
		return b, nil
	}
	text, err := json.Marshal(decodedOf(e))
	return append(b, text...), err
}

func decodedOf(e *event.Event) decoded {
	d := decoded{Tenant: e.Tenant, From: e.From, Text: e.Text}
	if e.Data != nil {
		data := string(e.Data)
		d.Data = &data
	}
	if c := e.Chat; c != nil {
		d.Chat = &chatPart{IsGroup: c.IsGroup, Handles: c.Handles}
	}
	if m := e.Message; m != nil {
		d.Message = &message{GUID: m.GUID, Service: m.Service, Parts: m.Parts}
		if m.Text != e.Text {
			d.Message.Text = &m.Text
		}
		if m.From != e.From {
			d.Message.From = &m.From
		}
		if !m.SentAt.IsZero() {
			at := m.SentAt.UnixMicro()
			d.Message.SentAt = &at
		}
	}
	return d
}

// AppendForward appends a forwarded request; nothing if there is none.
func AppendForward(b []byte, f *turn.Forward) ([]byte, error) {
	if f == nil {
		return b, nil
	}
	kept := forward{Request: f.Request, Depth: f.Depth, Block: f.Block, MissedBy: f.MissedBy, Known: f.Known}
	kept.Request.Body = nil
	if f.Request.Body != nil {
		body := string(f.Request.Body)
		kept.Body = &body
	}
	text, err := json.Marshal(kept)
	return append(b, text...), err
}

// EntryColumns are the columns of an entry that Restore takes besides those that the entry
// has by then.
type EntryColumns struct {
	ChatID, Line, MessageID, Direction string
	Decoded                            []byte // of AppendDecoded; nil: the envelope restores the event
	Forward                            []byte // of AppendForward; nil: there is none
}

// Restore completes an entry that has the columns of its row: all but those of EntryColumns.
func Restore(e *turn.Entry, c *EntryColumns) error {
	if c.Forward != nil {
		var f forward
		if err := json.Unmarshal(c.Forward, &f); err != nil {
			return fmt.Errorf("read event %d: forward: %w", e.Seq, err)
		}
		f.Request.Body = nil
		if f.Body != nil {
			f.Request.Body = json.RawMessage(*f.Body)
		}
		e.Forward = &turn.Forward{Request: f.Request, Depth: f.Depth, Block: f.Block, MissedBy: f.MissedBy, Known: f.Known}
	}
	ev := &e.Event
	if c.Decoded == nil && ev.Raw != nil {
		return decodeAgain(e)
	}
	var d decoded
	if c.Decoded != nil {
		if err := json.Unmarshal(c.Decoded, &d); err != nil {
			return fmt.Errorf("read event %d: decoded: %w", e.Seq, err)
		}
	}
	ev.Tenant, ev.From, ev.Text = d.Tenant, d.From, d.Text
	if d.Data != nil {
		ev.Data = json.RawMessage(*d.Data)
	}
	if part := d.Chat; part != nil {
		ev.Chat = &event.Chat{ID: c.ChatID, IsGroup: part.IsGroup, Line: c.Line, Handles: part.Handles}
	}
	if m := d.Message; m != nil {
		ev.Message = &event.Message{ID: c.MessageID, GUID: m.GUID, Direction: c.Direction, Service: m.Service, Parts: m.Parts, Text: ev.Text, From: ev.From}
		if m.Text != nil {
			ev.Message.Text = *m.Text
		}
		if m.From != nil {
			ev.Message.From = *m.From
		}
		if m.SentAt != nil {
			ev.Message.SentAt = time.UnixMicro(*m.SentAt).UTC()
		}
	}
	return nil
}

// decodeAgain decodes the event of an entry from its envelope.
func decodeAgain(e *turn.Entry) error {
	ev, err := event.Again(e.Event.Raw, event.Hints{ID: e.Event.ID, Type: e.Event.Type}, e.Event.Source)
	if err != nil {
		return fmt.Errorf("read event %d: %w", e.Seq, err)
	}
	ev.Pack, ev.Depth, ev.Payload, ev.Action = e.Event.Pack, e.Event.Depth, e.Event.Payload, e.Event.Action
	ev.At = Micros(ev.At)
	if ev.Message != nil {
		ev.Message.SentAt = Micros(ev.Message.SentAt)
	}
	e.Event = ev
	return nil
}

package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

const (
	// entryColumns are read by entryOf, in this order.
	entryColumns = `e.seq, e.id, e.type, e.source, e.at, e.received_at, e.chat_id, e.line, e.message_id,
		e.direction, e.cause, e.pack, e.depth, e.payload, e.action, e.forward, e.decoded, e.raw`
	entryWidth = 18
)

// arrival is an arrival encoded for the writer, by its caller's goroutine, so that
// the writer has less to do.
type arrival struct {
	turn.Arrival // as Journaled announces it and Pending returns it
	slot         int64
	row          []driver.Value // of insertEvent; row[0] is for the sequence
}

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

// prepareArrivals encodes arrivals. It cuts times to microseconds, so that an
// arrival announced now equals the one read later.
func prepareArrivals(list []turn.Arrival) ([]arrival, error) {
	out := make([]arrival, len(list))
	for i := range list {
		a := &out[i]
		a.Arrival = list[i]
		e := &a.Event
		if e.ID == "" {
			return nil, fmt.Errorf("journal a %q event: it has no id", e.Type)
		}
		e.At, a.Received = truncate(e.At), truncate(a.Received)
		if m := e.Message; m != nil && !m.SentAt.Equal(m.SentAt.Truncate(time.Microsecond)) {
			m := *m
			m.SentAt = truncate(m.SentAt)
			e.Message = &m
		}
		var text driver.Value
		if !e.FromRaw {
			b, err := json.Marshal(decodedOf(e))
			if err != nil {
				return nil, fmt.Errorf("journal event %s: %w", e.ID, err)
			}
			text = string(b)
		}
		fwd, err := forwardJSON(a.Forward)
		if err != nil {
			return nil, fmt.Errorf("journal event %s: %w", e.ID, err)
		}
		a.slot = int64(store.Slot(a.ShardKey()))
		var direction driver.Value
		if e.Message != nil {
			direction = optional(e.Message.Direction)
		}
		var cause driver.Value
		if a.Cause != 0 {
			cause = a.Cause
		}
		a.row = []driver.Value{
			nil, e.ID, e.Type, e.Source, micros(e.At), micros(a.Received),
			optional(e.ChatID()), optional(e.Line()), optional(e.MessageID()),
			direction, a.slot, cause, optional(e.Pack), int64(e.Depth),
			optionalJSON(e.Payload), optionalJSON(e.Action), fwd, text, optionalJSON(e.Raw),
		}
	}
	return out, nil
}

// truncate returns a time as the store keeps it.
func truncate(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
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

func forwardJSON(f *turn.Forward) (driver.Value, error) {
	if f == nil {
		return nil, nil
	}
	kept := forward{Request: f.Request, Depth: f.Depth, Block: f.Block, MissedBy: f.MissedBy, Known: f.Known}
	kept.Request.Body = nil
	if f.Request.Body != nil {
		body := string(f.Request.Body)
		kept.Body = &body
	}
	b, err := json.Marshal(kept)
	return string(b), err
}

// entryOf returns the entry of a row of entryColumns.
func entryOf(row []driver.Value) (turn.Entry, error) {
	e := turn.Entry{Seq: intOf(row[0])}
	ev := &e.Event
	ev.ID, ev.Type, ev.Source = stringOf(row[1]), stringOf(row[2]), stringOf(row[3])
	ev.At, e.Received = timeOf(row[4]), timeOf(row[5])
	e.Cause, ev.Pack, ev.Depth = intOf(row[10]), stringOf(row[11]), int(intOf(row[12]))
	ev.Payload, ev.Action, ev.Raw = bytesOf(row[13]), bytesOf(row[14]), bytesOf(row[17])
	if text := bytesOf(row[15]); text != nil {
		var f forward
		if err := json.Unmarshal(text, &f); err != nil {
			return e, fmt.Errorf("read event %d: forward: %w", e.Seq, err)
		}
		f.Request.Body = nil
		if f.Body != nil {
			f.Request.Body = json.RawMessage(*f.Body)
		}
		e.Forward = &turn.Forward{Request: f.Request, Depth: f.Depth, Block: f.Block, MissedBy: f.MissedBy, Known: f.Known}
	}
	var d decoded
	text := bytesOf(row[16])
	if text == nil && ev.Raw != nil {
		return decodedAgain(e)
	}
	if text != nil {
		if err := json.Unmarshal(text, &d); err != nil {
			return e, fmt.Errorf("read event %d: decoded: %w", e.Seq, err)
		}
	}
	ev.Tenant, ev.From, ev.Text = d.Tenant, d.From, d.Text
	if d.Data != nil {
		ev.Data = json.RawMessage(*d.Data)
	}
	if c := d.Chat; c != nil {
		ev.Chat = &event.Chat{ID: stringOf(row[6]), IsGroup: c.IsGroup, Line: stringOf(row[7]), Handles: c.Handles}
	}
	if m := d.Message; m != nil {
		ev.Message = &event.Message{ID: stringOf(row[8]), GUID: m.GUID, Direction: stringOf(row[9]), Service: m.Service, Parts: m.Parts, Text: ev.Text, From: ev.From}
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
	return e, nil
}

// decodedAgain returns an entry with its event decoded from its envelope.
func decodedAgain(e turn.Entry) (turn.Entry, error) {
	ev, err := event.Again(e.Event.Raw, event.Hints{ID: e.Event.ID, Type: e.Event.Type}, e.Event.Source)
	if err != nil {
		return e, fmt.Errorf("read event %d: %w", e.Seq, err)
	}
	ev.Pack, ev.Depth, ev.Payload, ev.Action = e.Event.Pack, e.Event.Depth, e.Event.Payload, e.Event.Action
	ev.At = truncate(ev.At)
	if ev.Message != nil {
		ev.Message.SentAt = truncate(ev.Message.SentAt)
	}
	e.Event = ev
	return e, nil
}

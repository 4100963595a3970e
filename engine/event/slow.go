package event

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// slow reads the deliveries that quick gave up on, one level of the JSON at a time, by the
// exact names of fields. If a name is there twice, its last value counts, as in ev.raw
// and in most JSON decoders. A null counts as missing.
//
// err is the first field that has another shape than its own.
type slow struct {
	err *MalformedError
}

// parseSlow reads an envelope, or a row. Its type decides which fields must have the
// documented shape; typ is the type if the body has none.
func parseSlow(body []byte, typ string) (env envelope, err error) {
	var s slow
	fields, err := s.top(body)
	if err != nil {
		return envelope{}, err
	}
	s.text("event_type", fields["event_type"], &env.EventType)
	s.text("event", fields["event"], &env.Event)
	s.text("event_id", fields["event_id"], &env.EventID)
	s.text("partner_id", fields["partner_id"], &env.PartnerID)
	if s.err != nil {
		return envelope{}, s.err
	}
	typ = first(env.eventType(), typ)
	env.Timestamp = readStamp(fields["timestamp"])
	env.ChatID, env.LeadID, env.LineID = fields["chat_id"], fields["lead_id"], fields["line_id"]
	env.ID, env.Type, env.Payload = fields["id"], fields["type"], fields["payload"]

	s.unit(typ, "from", func() { s.text("from", fields["from"], &env.From) })
	s.unit(typ, "to", func() { s.text("to", fields["to"], &env.To) })
	s.unit(typ, "text", func() { s.text("text", fields["text"], &env.Text) })
	s.unit(typ, "message_guid", func() { s.text("message_guid", fields["message_guid"], &env.MessageGUID) })
	var data map[string]json.RawMessage
	s.unit(typ, "data", func() { data = s.object("data", fields["data"]) })
	env.Data.ChatID, env.Data.LeadID = data["chat_id"], data["lead_id"]
	if !s.unit(typ, "data.chat", func() { env.Data.Chat = s.chat("data.chat", data["chat"]) }) {
		env.Data.Chat, env.unreadChat = wireChat{}, true
	}
	if !s.unit(typ, "data.message", func() { env.Data.Message = s.message("data.message", data["message"]) }) {
		env.Data.Message = wireMessage{}
	}
	if s.err != nil {
		return envelope{}, s.err
	}
	return env, nil
}

// unit reads a part of an envelope. If its shape is wrong, and not documented for the
// type, unit drops the whole part and returns false.
func (s *slow) unit(typ, path string, read func()) bool {
	if s.err != nil {
		return true // the delivery is malformed already
	}
	read()
	if s.err == nil || documented(typ, path) {
		return true
	}
	s.err = nil
	return false
}

func (s *slow) chat(path string, raw json.RawMessage) (c wireChat) {
	fields := s.object(path, raw)
	if fields == nil {
		return wireChat{}
	}
	c.Given = true
	s.text(path+".id", fields["id"], &c.ID)
	s.flag(path+".is_group", fields["is_group"], &c.IsGroup)
	for i, raw := range s.array(path+".handles", fields["handles"]) {
		c.Handles = append(c.Handles, s.handle(fmt.Sprintf("%s.handles[%d]", path, i), raw))
	}
	if c.Handles == nil && present(fields["handles"]) {
		c.Handles = []Handle{}
	}
	c.Owner = s.handle(path+".owner_handle", fields["owner_handle"])
	c.LeadID = fields["lead_id"]
	return c
}

func (s *slow) handle(path string, raw json.RawMessage) (h Handle) {
	fields := s.object(path, raw)
	s.text(path+".handle", fields["handle"], &h.Handle)
	s.text(path+".service", fields["service"], &h.Service)
	s.flag(path+".is_me", fields["is_me"], &h.IsMe)
	return h
}

func (s *slow) message(path string, raw json.RawMessage) (m wireMessage) {
	fields := s.object(path, raw)
	if fields == nil {
		return wireMessage{}
	}
	m.Given = true
	s.text(path+".id", fields["id"], &m.ID)
	s.text(path+".direction", fields["direction"], &m.Direction)
	m.Sender = s.handle(path+".sender_handle", fields["sender_handle"])
	for i, raw := range s.array(path+".parts", fields["parts"]) {
		m.Parts = append(m.Parts, s.part(fmt.Sprintf("%s.parts[%d]", path, i), raw))
	}
	if m.Parts == nil && present(fields["parts"]) {
		m.Parts = []wirePart{}
	}
	m.SentAt = readStamp(fields["sent_at"])
	m.ChatID, m.LeadID = fields["chat_id"], fields["lead_id"]
	return m
}

func (s *slow) part(path string, raw json.RawMessage) (p wirePart) {
	fields := s.object(path, raw)
	s.text(path+".type", fields["type"], &p.Type)
	s.text(path+".attachment_id", fields["attachment_id"], &p.AttachmentID)
	s.text(path+".mime_type", fields["mime_type"], &p.MimeType)
	if value := fields["value"]; present(value) {
		if value[0] == '"' {
			s.text(path+".value", value, &p.Value)
		} else {
			p.OtherValue = kindOf(value)
		}
	}
	return p
}

// top reads the outermost object. It is the only place where the text may be invalid
// JSON.
func (s *slow) top(body []byte) (map[string]json.RawMessage, error) {
	if !json.Valid(body) {
		var v json.RawMessage
		return nil, notJSON(json.Unmarshal(body, &v))
	}
	fields := s.object("", bytes.TrimSpace(body))
	return fields, s.failure()
}

// object returns the fields of an object; nil if it is missing or something else.
func (s *slow) object(path string, raw json.RawMessage) map[string]json.RawMessage {
	if !s.is(path, raw, '{', "an object") {
		return nil
	}
	fields := map[string]json.RawMessage{}
	s.read(path, raw, &fields)
	return fields
}

// array returns the elements of an array; nil if it is missing or something else.
func (s *slow) array(path string, raw json.RawMessage) (elements []json.RawMessage) {
	if s.is(path, raw, '[', "an array") {
		s.read(path, raw, &elements)
	}
	return elements
}

func (s *slow) text(path string, raw json.RawMessage, into *string) {
	if s.is(path, raw, '"', "a string") {
		s.read(path, raw, into)
	}
}

func (s *slow) flag(path string, raw json.RawMessage, into *Truth) {
	if !present(raw) || s.err != nil {
		return
	}
	if kindOf(raw) != "a boolean" {
		s.wrong(path, "a boolean", raw)
		return
	}
	s.read(path, raw, into)
}

// is reports whether a value is there and of the wanted kind. It notes an error if it is
// of another kind.
func (s *slow) is(path string, raw json.RawMessage, begins byte, wanted string) bool {
	if !present(raw) || s.err != nil {
		return false
	}
	if raw[0] != begins {
		s.wrong(path, wanted, raw)
		return false
	}
	return true
}

func (s *slow) wrong(path, wanted string, raw json.RawMessage) {
	s.err = &MalformedError{Field: path, Reason: "want " + wanted + ", got " + kindOf(raw)}
}

func (s *slow) read(path string, raw json.RawMessage, into any) {
	// The text is JSON and the value of the right kind, so this should not fail. If it
	// does, the delivery is quarantined with the place.
	if err := json.Unmarshal(raw, into); err != nil {
		s.err = &MalformedError{Field: path, Reason: err.Error()}
	}
}

// failure returns err as an error; nil if there is none.
func (s *slow) failure() error {
	if s.err == nil {
		return nil
	}
	return s.err
}

func readStamp(raw json.RawMessage) (s stamp) {
	_ = s.UnmarshalJSON(raw) // a malformed time is the zero time
	return s
}

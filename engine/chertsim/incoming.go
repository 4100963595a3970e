package chertsim

import (
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"chertd/engine/event"
)

// Incoming is a message that arrives. Only Text (or Parts, or Media) is required: a chat
// that does not exist is added, and an empty From is the first handle of the other
// side.
type Incoming struct {
	Chat  string       `json:"chat"` // empty: the direct chat with From, or a new one
	From  string       `json:"from"`
	Text  string       `json:"text"`
	Media []string     `json:"media"` // MIME types, each a part after the text
	Parts []event.Part `json:"parts"` // instead of Text and Media

	// For a chat that does not exist yet.
	Line    string   `json:"line"`
	IsGroup bool     `json:"is_group"`
	Handles []string `json:"handles"`

	EventID string `json:"event_id"` // default one of its own
	// Form is "" for the current envelope, "both" to add the legacy top-level fields, or
	// "legacy" for these only, without a chat.
	Form string `json:"form"`
}

// Receive adds an unread message, records its event in the log, and starts its
// deliveries.
func (s *Sim) Receive(in Incoming) Row {
	s.mu.Lock()
	now := s.now()
	ch := s.chatOf(in)
	parts := s.parts(in)
	from := cmp.Or(in.From, ch.recipient())
	m := Message{ID: messageID(s.ids), Chat: ch.ID, Parts: parts, Direction: "inbound", Status: "received",
		From: from, Service: "imessage", CreatedAt: now, DeliveredAt: now}
	ch.add(s, m)
	if ch.Unread == 0 {
		ch.oldestUnread = now
	}
	ch.Unread++
	id := in.EventID
	if id == "" {
		id = "chert:msg:" + s.hex(s.ids, 12)
	}
	env := s.envelope(event.MessageReceived, id, now)
	env.addMessage(ch, m)
	if in.Form != "" {
		env.addLegacy(m, ch.Line, s.lines[ch.Line].PhoneLineID)
	}
	if in.Form == "legacy" {
		env.Data = envelopeData{}
	}
	row := s.record(event.MessageReceived, id, ch, env.encode(), now)
	s.mu.Unlock()

	s.watch.notify(Activity{At: now, Kind: Arrived, Chat: ch.ID, Type: row.Type, EventID: id, From: from, Text: m.Text(),
		Media: countMedia(parts)})
	s.deliver(row)
	return s.rowOf(row)
}

// React records that the other side adds a reaction to a message, or removes it. The shape
// of its data is not documented: here a chat, a message and the reaction. Nothing becomes
// unread. ok is whether there is such a message.
func (s *Sim) React(messageID, kind string, removed bool) (row Row, ok bool) {
	s.mu.Lock()
	ch := s.messages[messageID]
	if ch == nil {
		s.mu.Unlock()
		return Row{}, false
	}
	now := s.now()
	i := slices.IndexFunc(ch.Messages, func(m Message) bool { return m.ID == messageID })
	typ := "reaction.added"
	if removed {
		typ = "reaction.removed"
	}
	id := "chert:reaction:" + s.hex(s.ids, 12)
	env := s.envelope(typ, id, now)
	env.addMessage(ch, ch.Messages[i])
	from := event.Handle{Handle: ch.recipient(), Service: "imessage"}
	env.Data.Reaction = &reactionWire{Kind: kind, From: from}
	r := s.record(typ, id, ch, env.encode(), now)
	s.mu.Unlock()

	s.watch.notify(Activity{At: now, Kind: Arrived, Chat: ch.ID, Type: typ, EventID: id, From: from.Handle, Text: kind})
	s.deliver(r)
	return s.rowOf(r), true
}

// Emit records and delivers an event with any type and payload, such as one of a future
// version or a malformed one.
func (s *Sim) Emit(typ, eventID, chatID string, payload []byte) Row {
	s.mu.Lock()
	now := s.now()
	if eventID == "" {
		eventID = "chert:evt:" + s.hex(s.ids, 12)
	}
	row := s.record(typ, eventID, s.chats[chatID], slices.Clone(payload), now)
	s.mu.Unlock()

	s.watch.notify(Activity{At: now, Kind: Arrived, Chat: chatID, Type: typ, EventID: eventID})
	s.deliver(row)
	return s.rowOf(row)
}

// Reply records that an operator replies manually in another app: the chat is read and has
// one more message. Chert has no event for either.
func (s *Sim) Reply(chatID, text string) bool {
	s.mu.Lock()
	ch := s.chats[chatID]
	if ch == nil {
		s.mu.Unlock()
		return false
	}
	now := s.now()
	ch.read(now)
	s.outbound(ch, []event.Part{{Type: "text", Value: text}}, now)
	s.mu.Unlock()
	s.watch.notify(Activity{At: now, Kind: Operator, Chat: chatID, From: ch.Line, Text: text})
	return true
}

// chatOf returns the chat of a message, and adds it if it does not exist. s.mu is held.
func (s *Sim) chatOf(in Incoming) *chat {
	if in.Chat == "" && in.From != "" {
		for _, id := range s.order {
			if ch := s.chats[id]; !ch.IsGroup && ch.recipient() == in.From && (in.Line == "" || in.Line == ch.Line) {
				return ch
			}
		}
	}
	spec := Chat{ID: in.Chat, Line: in.Line, IsGroup: in.IsGroup}
	handles := in.Handles
	if len(handles) == 0 && in.From != "" {
		handles = []string{in.From}
	}
	for _, h := range handles {
		spec.Handles = append(spec.Handles, event.Handle{Handle: h, Service: "imessage"})
	}
	return s.addChatLocked(spec)
}

// parts returns the parts of a message for the wire. s.mu is held.
func (s *Sim) parts(in Incoming) []event.Part {
	if len(in.Parts) > 0 {
		return slices.Clone(in.Parts)
	}
	var parts []event.Part
	if in.Text != "" {
		parts = append(parts, event.Part{Type: "text", Value: in.Text})
	}
	for _, mime := range in.Media {
		parts = append(parts, event.Part{Type: "media", AttachmentID: "in_" + s.hex(s.ids, 8), MimeType: mime})
	}
	return parts
}

// envelope is the body of a delivery and the payload of a row.
type envelope struct {
	Event          string       `json:"event"`
	EventID        string       `json:"event_id"`
	Timestamp      string       `json:"timestamp"`
	APIVersion     string       `json:"api_version"`
	WebhookVersion string       `json:"webhook_version"`
	EventType      string       `json:"event_type"`
	TraceID        string       `json:"trace_id"`
	PartnerID      string       `json:"partner_id"`
	Data           envelopeData `json:"data,omitzero"`
	*legacyWire
}

type envelopeData struct {
	Chat     *chatWire     `json:"chat,omitempty"`
	Message  *inboundWire  `json:"message,omitempty"`
	Reaction *reactionWire `json:"reaction,omitempty"`
}

type chatWire struct {
	ID          string         `json:"id"`
	IsGroup     bool           `json:"is_group"`
	Handles     []event.Handle `json:"handles"`
	OwnerHandle event.Handle   `json:"owner_handle"`
}

type inboundWire struct {
	ID           string       `json:"id"`
	Direction    string       `json:"direction"`
	SenderHandle event.Handle `json:"sender_handle"`
	Parts        []event.Part `json:"parts"`
	SentAt       string       `json:"sent_at"`
}

type reactionWire struct {
	Kind string       `json:"reaction"`
	From event.Handle `json:"from"`
}

type legacyWire struct {
	From        string `json:"from"`
	To          string `json:"to"`
	Text        string `json:"text"`
	MessageGUID string `json:"message_guid"`
	LineID      string `json:"line_id"`
}

// envelope returns the common fields of the envelope of an event. s.mu is held.
func (s *Sim) envelope(typ, id string, now time.Time) *envelope {
	return &envelope{Event: typ, EventID: id, Timestamp: *millis(now), APIVersion: "v1", WebhookVersion: webhookVersion,
		EventType: typ, TraceID: s.hex(s.ids, 6), PartnerID: s.cfg.Tenant}
}

func (e *envelope) addMessage(ch *chat, m Message) {
	e.Data.Chat = &chatWire{ID: ch.ID, IsGroup: ch.IsGroup, Handles: ch.Handles,
		OwnerHandle: event.Handle{Handle: ch.Line, Service: "imessage", IsMe: event.True}}
	e.Data.Message = &inboundWire{ID: m.ID, Direction: m.Direction, Parts: m.Parts, SentAt: *millis(m.CreatedAt),
		SenderHandle: event.Handle{Handle: m.From, Service: m.Service, IsMe: event.TruthOf(m.Direction == "outbound")}}
}

func (e *envelope) addLegacy(m Message, line, lineID string) {
	e.legacyWire = &legacyWire{From: m.From, To: line, Text: m.Text(), MessageGUID: m.ID, LineID: lineID}
}

// encode can't fail: the envelope has only strings and booleans.
func (e *envelope) encode() []byte {
	body, _ := json.Marshal(e)
	return body
}

func messageID(r *rand.Rand) string { return strings.ToUpper(uuid(r)) }

func countMedia(parts []event.Part) int {
	n := 0
	for _, p := range parts {
		if p.Type != "text" {
			n++
		}
	}
	return n
}

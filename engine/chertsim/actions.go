package chertsim

import (
	"encoding/json"
	"slices"
	"time"

	"chertd/engine/event"
)

// messageWire is a message as the API lists it. Times that have not come are null.
type messageWire struct {
	ID          string       `json:"id"`
	ChatID      string       `json:"chat_id"`
	Parts       []event.Part `json:"parts"`
	Status      string       `json:"status"`
	Direction   string       `json:"direction"`
	CreatedAt   *string      `json:"created_at"`
	DeliveredAt *string      `json:"delivered_at"`
	ReadAt      *string      `json:"read_at"`
	Service     string       `json:"service"`
}

func (s *Sim) listMessages(c *call) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.chats[c.id]
	if ch == nil {
		return nil, problem(2002, "")
	}
	list := make([]messageWire, 0, len(ch.Messages))
	for _, m := range ch.Messages {
		list = append(list, m.wire())
	}
	return map[string]any{"messages": list, "has_more": ch.more}, nil
}

// sendMessage sends once per idempotency key. The answer to the same key again is the
// first message, whatever the second body is, which is not documented.
func (s *Sim) sendMessage(c *call) (any, *apiError) {
	var body struct {
		Message *struct {
			Parts          []event.Part `json:"parts"`
			IdempotencyKey string       `json:"idempotency_key"`
		} `json:"message"`
	}
	if refused := decode(c.body, &body); refused != nil {
		return nil, refused
	}
	if body.Message == nil || len(body.Message.Parts) == 0 {
		return nil, problem(1001, "message.parts is required")
	}
	key := body.Message.IdempotencyKey

	s.mu.Lock()
	ch := s.chats[c.id]
	if ch == nil {
		s.mu.Unlock()
		return nil, problem(2002, "")
	}
	m, again := s.sent[key]
	if !again || key == "" {
		m = s.outbound(ch, body.Message.Parts, c.at)
		if key != "" {
			s.sent[key] = m
		}
	}
	s.mu.Unlock()
	s.watch.notify(Activity{At: c.at, Kind: Acted, Route: c.route, Chat: c.id, Text: m.Text(), TraceID: c.trace, Status: 200})
	return map[string]any{"message": m.wire()}, nil
}

// outbound adds a message from our side. s.mu is held.
func (s *Sim) outbound(ch *chat, parts []event.Part, at time.Time) Message {
	m := Message{ID: messageID(s.ids), Chat: ch.ID, Parts: parts, Direction: "outbound", Status: "delivered",
		From: ch.Line, Service: "imessage", CreatedAt: at, DeliveredAt: at}
	ch.add(s, m)
	return m
}

func (s *Sim) typing(c *call) (any, *apiError) {
	var body struct {
		State string `json:"state"`
	}
	if refused := decode(c.body, &body); refused != nil {
		return nil, refused
	}
	switch body.State {
	case "":
		return nil, problem(1001, "state is required")
	case "typing", "stopped":
	default:
		return nil, problem(1002, `state must be "typing" or "stopped"`)
	}
	s.mu.Lock()
	ch := s.chats[c.id]
	if ch != nil {
		ch.Typing = body.State == "typing"
	}
	s.mu.Unlock()
	if ch == nil {
		return nil, problem(2002, "")
	}
	s.watch.notify(Activity{At: c.at, Kind: Acted, Route: c.route, Chat: c.id, Text: body.State, TraceID: c.trace, Status: 200})
	return map[string]string{"status": "sent", "chat_id": c.id, "state": body.State}, nil
}

var reactions = []string{"love", "like", "dislike", "laugh", "emphasize", "question"}

// react adds a reaction for each call, so that a test sees one that was sent twice.
func (s *Sim) react(c *call) (any, *apiError) {
	var body struct {
		Reaction string `json:"reaction"`
	}
	if refused := decode(c.body, &body); refused != nil {
		return nil, refused
	}
	if body.Reaction == "" {
		return nil, problem(1001, "reaction is required")
	}
	if !slices.Contains(reactions, body.Reaction) {
		return nil, problem(1002, "unknown reaction")
	}
	s.mu.Lock()
	ch := s.messages[c.id]
	if ch != nil {
		for i := range ch.Messages {
			if m := &ch.Messages[i]; m.ID == c.id {
				m.Reactions = append(m.Reactions, body.Reaction)
			}
		}
	}
	s.mu.Unlock()
	if ch == nil {
		return nil, problem(2003, "")
	}
	s.watch.notify(Activity{At: c.at, Kind: Acted, Route: c.route, Chat: ch.ID, Text: body.Reaction, TraceID: c.trace, Status: 200})
	return map[string]string{"status": "sent", "message_id": c.id, "reaction": body.Reaction}, nil
}

func (s *Sim) phoneNumbers(*call) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]line, 0, len(s.lineList))
	for _, number := range s.lineList {
		list = append(list, *s.lines[number])
	}
	return map[string]any{"phone_numbers": list}, nil
}

// decode reads a JSON body and ignores unknown fields.
func decode(body []byte, into any) *apiError {
	if err := json.Unmarshal(body, into); err != nil {
		return problem(1004, "invalid JSON: "+err.Error())
	}
	return nil
}

func (m Message) wire() messageWire {
	return messageWire{ID: m.ID, ChatID: m.Chat, Parts: m.Parts, Status: m.Status, Direction: m.Direction,
		CreatedAt: millis(m.CreatedAt), DeliveredAt: millis(m.DeliveredAt), ReadAt: millis(m.ReadAt), Service: m.Service}
}

// millis returns a time as in envelopes and messages; nil for none.
func millis(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format("2006-01-02T15:04:05.000Z")
	return &text
}

package chertsim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"chertd/engine/event"
)

// latest is how many messages of a chat are kept, and listed.
const latest = 200

// Chat is the state of a chat. AddChat uses ID, Line, IsGroup and Handles, and makes up
// those that are empty.
type Chat struct {
	ID       string         `json:"id"`
	Line     string         `json:"line"` // the phone number it is pinned to
	IsGroup  bool           `json:"is_group"`
	Handles  []event.Handle `json:"handles"`
	Unread   int            `json:"unread"`   // inbound messages not yet read
	Events   int            `json:"events"`   // recorded in the log so far
	Typing   bool           `json:"typing"`   // whether our side is shown as typing
	Messages []Message      `json:"messages"` // the latest 200, oldest first
}

// Message is a message of a chat, from either side. Zero times have not come.
type Message struct {
	ID          string
	Chat        string
	Parts       []event.Part
	Direction   string // "inbound" or "outbound"
	Status      string // "received", "read" or "delivered"
	From        string
	Service     string
	CreatedAt   time.Time
	DeliveredAt time.Time
	ReadAt      time.Time
	Reactions   []string // ours, one for each call: react is not idempotent
}

// Text returns the text parts of the message, joined by newlines.
func (m Message) Text() string {
	var texts []string
	for _, p := range m.Parts {
		if p.Type == "text" {
			texts = append(texts, p.Value)
		}
	}
	return strings.Join(texts, "\n")
}

// chat is a Chat with the internal state of the simulator. Sim.mu guards it.
type chat struct {
	Chat
	leadID, convoID string
	oldestUnread    time.Time
	more            bool // whether there were messages before the latest 200
}

// line is a phone line as GET /phone-numbers has it.
type line struct {
	ID           string   `json:"id"`
	PhoneLineID  string   `json:"phone_line_id"`
	PhoneNumber  string   `json:"phone_number"`
	Service      string   `json:"service"`
	IsActive     bool     `json:"is_active"`
	Capabilities []string `json:"capabilities"`
}

// AddChat adds a chat and returns it, or the one that has its ID. A chat whose only handle
// is its own line has no recipient: mark-read answers 1002 for it.
func (s *Sim) AddChat(c Chat) Chat {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addChatLocked(c).snapshot()
}

// Chat returns the state of a chat, and whether there is one with that id.
func (s *Sim) Chat(id string) (Chat, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.chats[id]
	if !ok {
		return Chat{}, false
	}
	return c.snapshot(), true
}

// Chats returns all chats in the order in which they were added.
func (s *Sim) Chats() []Chat {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Chat, 0, len(s.order))
	for _, id := range s.order {
		list = append(list, s.chats[id].snapshot())
	}
	return list
}

func (s *Sim) addChatLocked(spec Chat) *chat {
	if c, ok := s.chats[spec.ID]; ok && spec.ID != "" {
		return c
	}
	spec.Line = cmp.Or(spec.Line, DefaultLine)
	spec.ID = cmp.Or(spec.ID, uuid(s.ids))
	if len(spec.Handles) == 0 {
		others := 1
		if spec.IsGroup {
			others = 3
		}
		for range others {
			spec.Handles = append(spec.Handles, event.Handle{Handle: fictional(s.ids.IntN(10), s.ids.IntN(100)), Service: "imessage"})
		}
	}
	mine := event.Handle{Handle: spec.Line, Service: "imessage", IsMe: event.True}
	if !slices.ContainsFunc(spec.Handles, func(h event.Handle) bool { return h.IsMe == event.True }) {
		spec.Handles = append([]event.Handle{mine}, spec.Handles...)
	}
	spec.Unread, spec.Events, spec.Messages = 0, 0, nil
	c := &chat{Chat: spec, leadID: "ld_" + s.hex(s.ids, 10), convoID: "cv_" + s.hex(s.ids, 10)}
	s.chats[spec.ID] = c
	s.order = append(s.order, spec.ID)
	s.lineLocked(spec.Line)
	return c
}

// lineLocked adds a phone line unless it is known. s.mu is held, or the Sim is not shared.
func (s *Sim) lineLocked(number string) {
	if s.lines[number] != nil {
		return
	}
	n := len(s.lineList) + 1
	s.lines[number] = &line{
		ID: fmt.Sprintf("pn_%04d", n), PhoneLineID: fmt.Sprintf("pl_%04d", n),
		PhoneNumber: number, Service: "imessage", IsActive: true,
		Capabilities: []string{"send", "mark_read", "typing", "react"},
	}
	s.lineList = append(s.lineList, number)
}

// add appends a message and drops the oldest beyond the latest 200.
func (c *chat) add(s *Sim, m Message) {
	if len(c.Messages) >= latest {
		delete(s.messages, c.Messages[0].ID)
		c.Messages[0] = Message{}
		c.Messages = c.Messages[1:]
		c.more = true
	}
	c.Messages = append(c.Messages, m)
	s.messages[m.ID] = c
}

// read marks the unread messages. It returns their ids (of the latest messages), their
// number, and since when the oldest of them was unread.
func (c *chat) read(now time.Time) (ids []string, n int, since time.Time) {
	n, since = c.Unread, c.oldestUnread
	c.Unread, c.oldestUnread = 0, time.Time{}
	if n == 0 {
		return nil, 0, since
	}
	for i := range c.Messages {
		if m := &c.Messages[i]; m.Direction == "inbound" && m.ReadAt.IsZero() {
			m.ReadAt, m.Status = now, "read"
			ids = append(ids, m.ID)
		}
	}
	return ids, n, since
}

// recipient returns the first handle of the other side, or "".
func (c *chat) recipient() string {
	for _, h := range c.Handles {
		if h.IsMe != event.True {
			return h.Handle
		}
	}
	return ""
}

func (c *chat) snapshot() Chat {
	out := c.Chat
	out.Handles = slices.Clone(c.Handles)
	out.Messages = slices.Clone(c.Messages)
	for i := range out.Messages {
		out.Messages[i].Reactions = slices.Clone(out.Messages[i].Reactions)
	}
	return out
}

func uuid(r *rand.Rand) string {
	a, b := r.Uint64(), r.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, 0x8000|b>>48&0x3fff, b&(1<<48-1))
}

// fictional returns a phone number of the range that is reserved for fiction: the area
// varies, the rest is 555-01xx. There are 1000 of them.
func fictional(area, n int) string {
	areas := [...]int{212, 303, 312, 404, 206, 503, 512, 617, 702, 808}
	return fmt.Sprintf("+1%d55501%02d", areas[area%len(areas)], n%100)
}

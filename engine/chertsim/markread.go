package chertsim

import (
	"slices"
	"time"
)

// Receipt is one call of mark-read and its result.
type Receipt struct {
	At       time.Time     `json:"at"`
	Chat     string        `json:"chat"` // as in the path
	Marked   int           `json:"marked"`
	Waited   time.Duration `json:"waited"`             // how long the oldest message marked had been unread
	Messages []string      `json:"messages,omitempty"` // their ids, of the latest 200
	TraceID  string        `json:"trace_id"`

	// Status and Code are those of the answer: 200 and 0 is success, a status of 0 means no
	// answer. Effect says whether the chat was marked, as a fault may only suppress the
	// answer.
	Status int  `json:"status"`
	Code   int  `json:"code,omitempty"`
	Effect bool `json:"effect"`

	// How many events were in the log when the call came, of this chat and of all
	// chats.
	ChatEvents int `json:"chat_events"`
	Events     int `json:"events"`
}

// Receipts returns the last Config.Keep calls of mark-read, oldest first.
func (s *Sim) Receipts() []Receipt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.receipts)
}

// markRead is idempotent: for a chat that is read nothing changes, and the answer is the
// same.
func (s *Sim) markRead(c *call) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.chats[c.id]
	if ch == nil {
		return nil, problem(2002, "")
	}
	if ch.recipient() == "" {
		return nil, problem(1002, "the chat has no resolvable recipient")
	}
	ids, n, since := ch.read(c.at)
	c.receipt = Receipt{Effect: true, Marked: n, Messages: ids}
	if n > 0 {
		c.receipt.Waited = c.at.Sub(since)
	}
	c.receipt.ChatEvents, c.receipt.Events = ch.Events, s.log.count
	return map[string]string{"chat_id": c.id, "status": "read"}, nil
}

// keepReceipt records a mark-read. s.mu is held.
func (s *Sim) keepReceipt(c *call, status, code int) Receipt {
	r := c.receipt
	if !r.Effect {
		r.Events = s.log.count
		if ch := s.chats[c.id]; ch != nil {
			r.ChatEvents = ch.Events
		}
	}
	r.At, r.Chat, r.TraceID, r.Status, r.Code = c.at, c.id, c.trace, status, code
	if len(s.receipts) >= s.cfg.Keep {
		s.receipts = s.receipts[1:]
	}
	s.receipts = append(s.receipts, r)
	return r
}

package chertsim

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rowWire is a row as in the API. lead_id and convo_id of an event without a chat are
// null.
type rowWire struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"`
	EventID   string          `json:"event_id"`
	LeadID    *string         `json:"lead_id"`
	ConvoID   *string         `json:"convo_id"`
	Payload   json.RawMessage `json:"payload"`
	Delivery  Delivery        `json:"delivery"`
	CreatedAt string          `json:"created_at"`
}

type pageWire struct {
	Events     []rowWire `json:"events"`
	NextCursor *string   `json:"next_cursor"`
	Count      int       `json:"count"` // of this page
}

// query has the filters of GET /events.
type query struct {
	typ, status, lead string
	types             []string // any of them; none is all

	since    time.Time // strictly after; zero is all
	limit    int
	cursorAt time.Time // strictly older than (cursorAt, cursorID); zero is from the newest
	cursorID string
}

func (s *Sim) listEvents(c *call) (any, *apiError) {
	q, refused := parseQuery(c)
	if refused != nil {
		return nil, refused
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.page(q), nil
}

// page returns the rows that match, newest first. s.mu is held.
func (s *Sim) page(q query) pageWire {
	page := pageWire{Events: []rowWire{}}
	i := len(s.log.rows)
	if q.cursorID != "" {
		i = s.log.before(q.cursorAt, q.cursorID)
	}
	for i--; i >= 0; i-- {
		row := s.log.rows[i].snapshot()
		if !q.since.IsZero() && !row.CreatedAt.After(q.since) {
			break
		}
		if !q.matches(row) {
			continue
		}
		if len(page.Events) == q.limit {
			last := page.Events[q.limit-1]
			cursor := last.CreatedAt + "|" + last.ID
			page.NextCursor = &cursor
			break
		}
		page.Events = append(page.Events, row.wire())
	}
	page.Count = len(page.Events)
	return page
}

func (q query) matches(r Row) bool {
	return (len(q.types) == 0 || slices.Contains(q.types, r.Type)) && (q.typ == "" || q.typ == r.Type) && (q.status == "" || q.status == r.Delivery.Status) &&
		(q.lead == "" || q.lead == r.LeadID || q.lead == r.Chat)
}

// parseQuery reads the filters. It refuses a malformed one, as ignoring it would look like
// lost events. A lead_id may also be the id of the chat, as the documentation uses both
// names.
func parseQuery(c *call) (query, *apiError) {
	v := c.r.URL.Query()
	q := query{typ: v.Get("type"), status: v.Get("status"), lead: v.Get("lead_id"), limit: 50}
	if text := v.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 200 {
			return q, problem(1002, "limit must be 1 to 200")
		}
		q.limit = n
	}
	if text := v.Get("since"); text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return q, problem(1002, "since must be an ISO 8601 time")
		}
		q.since = at
	}
	if text := v.Get("cursor"); text != "" {
		stamp, id, ok := strings.Cut(text, "|")
		at, err := time.Parse(time.RFC3339, stamp)
		if !ok || err != nil || id == "" {
			return q, problem(1002, "cursor must be a next_cursor as it was answered")
		}
		q.cursorAt, q.cursorID = at, id
	}
	return q, nil
}

func (s *Sim) oneEvent(c *call) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.log.byID[c.id]
	if r == nil {
		return nil, problem(2011, "event not found")
	}
	return r.snapshot().wire(), nil
}

// replay repeats the deliveries of a row, or the one to a subscription. Its answer is not
// documented.
func (s *Sim) replay(c *call) (any, *apiError) {
	only := c.r.URL.Query().Get("subscription_id")
	s.mu.Lock()
	r := s.log.byID[c.id]
	if r == nil {
		s.mu.Unlock()
		return nil, problem(2011, "event not found")
	}
	if only != "" && s.subscriptionLocked(only) == nil {
		s.mu.Unlock()
		return nil, problem(2011, "subscription not found")
	}
	s.mu.Unlock()
	n := s.deliverTo(r, only)
	return map[string]any{"success": true, "event_id": r.EventID, "deliveries": n}, nil
}

// devInbox lists the latest events that the subscription of devInboxURL selects.
func (s *Sim) devInbox(c *call) (any, *apiError) {
	q, refused := parseQuery(c)
	if refused != nil {
		return nil, refused
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		if sub.URL == devInboxURL {
			q.types = sub.Events
			return s.page(q), nil
		}
	}
	return nil, problem(2011, "no subscription has the URL "+devInboxURL)
}

func (r Row) wire() rowWire {
	w := rowWire{ID: r.ID, Type: r.Type, EventID: r.EventID, Payload: r.Payload, Delivery: r.Delivery,
		CreatedAt: r.CreatedAt.Format(time.RFC3339)}
	if r.LeadID != "" {
		w.LeadID, w.ConvoID = &r.LeadID, &r.ConvoID
	}
	if !json.Valid(r.Payload) {
		// A payload of Emit may be anything; in a JSON answer it can only be a string.
		w.Payload, _ = json.Marshal(string(r.Payload))
	}
	return w
}

package chertsim

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// Row is a row of the events log, with the status of its deliveries.
type Row struct {
	ID        string // sorts in the order of the rows
	Type      string
	EventID   string
	Chat      string // empty where the event has no chat
	LeadID    string
	ConvoID   string
	Payload   json.RawMessage // the envelope
	CreatedAt time.Time       // whole seconds
	Delivery  Delivery
}

// Delivery is the status of the deliveries of a row. Its shape on the wire is not
// documented.
type Delivery struct {
	Status     string `json:"status"`   // none (no subscription wants it), pending, delivered, failed
	Attempts   int    `json:"attempts"` // to all subscriptions
	LastStatus int    `json:"last_status,omitempty"`
	LastError  string `json:"last_error,omitempty"`
}

// logRow is a Row that may still change, with its deliveries under way.
type logRow struct {
	Row
	place                 int             // in the log, from 1
	targets               []*subscription // to which it is not sent yet
	pending, failed, done int             // deliveries
}

// eventLog holds rows oldest first. Sim.mu guards it.
type eventLog struct {
	rows  []*logRow
	byID  map[string]*logRow
	count int // of all rows ever added
	keep  int
	grown chan struct{} // closed when a row is added; nil if nobody waits
}

func (l *eventLog) init(keep int) {
	l.keep = keep
	l.byID = map[string]*logRow{}
}

// Log returns the events log, oldest row first.
func (s *Sim) Log() []Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := make([]Row, 0, len(s.log.rows))
	for _, r := range s.log.rows {
		rows = append(rows, r.snapshot())
	}
	return rows
}

// record appends an event to the log, before any delivery of it. The time of the log
// never goes back, so its order is that of its ids. s.mu is held.
func (s *Sim) record(typ, id string, ch *chat, payload []byte, now time.Time) *logRow {
	created := now.Truncate(time.Second)
	if n := len(s.log.rows); n > 0 && created.Before(s.log.rows[n-1].CreatedAt) {
		created = s.log.rows[n-1].CreatedAt
	}
	s.log.count++
	r := &logRow{place: s.log.count, Row: Row{ID: fmt.Sprintf("evt_01H%010X%s", s.log.count, strings.ToUpper(s.hex(s.ids, 4))), Type: typ,
		EventID: id, Payload: payload, CreatedAt: created}}
	if ch != nil {
		r.Chat, r.LeadID, r.ConvoID = ch.ID, ch.leadID, ch.convoID
		ch.Events++
	}
	for _, sub := range s.subs {
		if sub.wants(typ) {
			r.targets = append(r.targets, sub)
		}
	}
	r.pending = len(r.targets)
	s.log.add(r)
	return r
}

func (l *eventLog) add(r *logRow) {
	if len(l.rows) >= l.keep {
		delete(l.byID, l.rows[0].ID)
		l.rows[0] = nil
		l.rows = l.rows[1:]
	}
	l.rows = append(l.rows, r)
	l.byID[r.ID] = r
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
}

// more returns a channel that is closed when the next row is added.
func (l *eventLog) more() <-chan struct{} {
	if l.grown == nil {
		l.grown = make(chan struct{})
	}
	return l.grown
}

// before returns how many rows are older than (created, id).
func (l *eventLog) before(created time.Time, id string) int {
	return sort.Search(len(l.rows), func(i int) bool {
		r := l.rows[i]
		if !r.CreatedAt.Equal(created) {
			return r.CreatedAt.After(created)
		}
		return r.ID >= id
	})
}

// after returns the rows after the one with this id, oldest first; "": all.
func (l *eventLog) after(id string) []*logRow {
	i := sort.Search(len(l.rows), func(i int) bool { return l.rows[i].ID > id })
	return slices.Clone(l.rows[i:])
}

// last returns the id of the newest row, or "".
func (l *eventLog) last() string {
	if len(l.rows) == 0 {
		return ""
	}
	return l.rows[len(l.rows)-1].ID
}

// rowOf returns a copy of a row.
func (s *Sim) rowOf(r *logRow) Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.snapshot()
}

// snapshot returns a copy of the row. Sim.mu is held.
func (r *logRow) snapshot() Row {
	out := r.Row
	switch {
	case r.pending > 0:
		out.Delivery.Status = "pending"
	case r.failed > 0:
		out.Delivery.Status = "failed"
	case r.done > 0:
		out.Delivery.Status = "delivered"
	default:
		out.Delivery.Status = "none"
	}
	return out
}

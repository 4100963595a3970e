package chertsim

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// Row is one event of the events log, with how its deliveries stand.
type Row struct {
	ID        string // sorts as the rows were made
	Type      string
	EventID   string
	Chat      string // empty where the event has no chat
	LeadID    string
	ConvoID   string
	Payload   json.RawMessage // the envelope
	CreatedAt time.Time       // whole seconds
	Delivery  Delivery
}

// Delivery is how the deliveries of a row stand. Its shape on the wire is not
// documented.
type Delivery struct {
	Status     string `json:"status"`   // none (no subscription wants it), pending, delivered, failed
	Attempts   int    `json:"attempts"` // to all subscriptions
	LastStatus int    `json:"last_status,omitempty"`
	LastError  string `json:"last_error,omitempty"`
}

// logRow is a Row that still changes, with the deliveries it waits for.
type logRow struct {
	Row
	place                 int             // in the log, from 1
	targets               []*subscription // that it is yet to be sent to
	pending, failed, done int             // deliveries
}

// eventLog holds rows oldest first. Sim.mu guards it.
type eventLog struct {
	rows  []*logRow
	byID  map[string]*logRow
	count int // of all rows ever made
	keep  int
	grown chan struct{} // closed, and made anew, when a row is added; nil if nobody waits
}

func (l *eventLog) init(keep int) {
	l.keep = keep
	l.byID = map[string]*logRow{}
}

// Log is the events log, oldest first.
func (s *Sim) Log() []Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := make([]Row, 0, len(s.log.rows))
	for _, r := range s.log.rows {
		rows = append(rows, r.snapshot())
	}
	return rows
}

// record appends an event to the log: always before any delivery of it. The
// log's time never goes back, so that its order is that of its ids. s.mu is held.
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

// more is closed when the next row is added.
func (l *eventLog) more() <-chan struct{} {
	if l.grown == nil {
		l.grown = make(chan struct{})
	}
	return l.grown
}

// before is how many rows are older than (created, id).
func (l *eventLog) before(created time.Time, id string) int {
	return sort.Search(len(l.rows), func(i int) bool {
		r := l.rows[i]
		if !r.CreatedAt.Equal(created) {
			return r.CreatedAt.After(created)
		}
		return r.ID >= id
	})
}

// after is the rows made after the one with this id, oldest first; "" is all.
func (l *eventLog) after(id string) []*logRow {
	i := sort.Search(len(l.rows), func(i int) bool { return l.rows[i].ID > id })
	return slices.Clone(l.rows[i:])
}

// last is the id of the newest row, or "".
func (l *eventLog) last() string {
	if len(l.rows) == 0 {
		return ""
	}
	return l.rows[len(l.rows)-1].ID
}

// rowOf is a row as it stands.
func (s *Sim) rowOf(r *logRow) Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.snapshot()
}

// snapshot is the row as it stands. Sim.mu is held.
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

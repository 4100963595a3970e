package chert

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxPage is the largest page of the events log, in rows.
const maxPage = 200

// EventQuery selects rows of the events log. The zero value selects all.
type EventQuery struct {
	Type   string
	Status string // of the delivery
	LeadID string
	Since  time.Time // only rows created after it; Chert's times are whole seconds
	Limit  int       // rows per page, 1 to maxPage; 0: Chert's default, 50
	Cursor string    // EventPage.Next of the previous page
}

// EventPage is a page of the events log, newest row first.
type EventPage struct {
	Rows []Row
	Next string // cursor of the next, older page; empty: this is the last
}

// Row is a row of the events log. Raw is the row as it came, for event.Decode; the
// other fields are for paging. A field that is missing or of another type is empty, so
// that one bad row does not hide the others.
type Row struct {
	ID        string
	Type      string
	EventID   string
	CreatedAt time.Time // zero if it is missing or malformed
	Raw       json.RawMessage
}

// Events reads one page of the events log. If the page is too long to be read, its error is an
// ErrTooLong: a page of fewer rows may not be.
func (c *Client) Events(ctx context.Context, q EventQuery) (EventPage, Reply, error) {
	var got struct {
		Events []json.RawMessage `json:"events"`
		Next   string            `json:"next_cursor"`
	}
	reply, err := c.do(ctx, call{
		what:   "read the events log",
		method: http.MethodGet,
		path:   []string{"events"},
		query:  q.values(),

		success: hasList("events"), list: true,
	}, &got)
	if err != nil {
		return EventPage{}, reply, err
	}
	page := EventPage{Next: got.Next, Rows: make([]Row, len(got.Events))}
	for i, raw := range got.Events {
		page.Rows[i] = newRow(raw)
	}
	return page, reply, nil
}

// Replay delivers a row of the events log again by webhook, to one subscription. Row is
// Row.ID. The delivery has the id of the event, so a receiver that has it recognizes it.
func (c *Client) Replay(ctx context.Context, row, subscription string) (Reply, error) {
	return c.do(ctx, call{
		what:   "replay row %q of the events log to subscription %q",
		of:     [2]string{row, subscription},
		method: http.MethodPost,
		path:   []string{"events", row, "replay"},
		query:  url.Values{"subscription_id": {subscription}},
	}, nil)
}

func (q EventQuery) values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{"type": q.Type, "status": q.Status, "lead_id": q.LeadID, "cursor": q.Cursor} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(min(q.Limit, maxPage)))
	}
	return v
}

func newRow(raw json.RawMessage) Row {
	var w struct {
		ID        loose  `json:"id"`
		Type      string `json:"type"`
		EventID   string `json:"event_id"`
		CreatedAt string `json:"created_at"`
	}
	// A malformed field stays empty; event.Decode reports what is wrong with Raw.
	_ = json.Unmarshal(raw, &w)
	created, _ := time.Parse(time.RFC3339, w.CreatedAt)
	return Row{ID: string(w.ID), Type: w.Type, EventID: w.EventID, CreatedAt: created.UTC(), Raw: raw}
}

// loose is a string, or a number as it is written.
type loose string

// UnmarshalJSON implements json.Unmarshaler. A value of another kind stays empty.
func (l *loose) UnmarshalJSON(raw []byte) error {
	var number json.Number
	if json.Unmarshal(raw, &number) == nil && raw[0] != '"' {
		*l = loose(number)
		return nil
	}
	var text string
	_ = json.Unmarshal(raw, &text)
	*l = loose(text)
	return nil
}

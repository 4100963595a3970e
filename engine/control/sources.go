package control

import "time"

// Lag is how long the new events of a source were under way, from their creation to their
// arrival, in seconds. Chert's times may be whole seconds.
type Lag struct {
	LastEvent     time.Time `json:"last_event,omitzero"` // when the last one arrived; zero: none since the start
	Seconds       float64   `json:"lag_seconds"`         // of the last one
	MedianSeconds float64   `json:"lag_median_seconds"`  // of those of the last five minutes
	MaxSeconds    float64   `json:"lag_max_seconds"`     // of them
}

// Webhook counts the answers of the webhook since the start.
type Webhook struct {
	Lag
	Accepted    int64 `json:"accepted"`   // new events
	Duplicates  int64 `json:"duplicates"` // events taken in before
	Quarantined int64 `json:"quarantined"`
	Unavailable int64 `json:"unavailable"` // answered 503
	// Refused counts the requests answered 4xx by reason. Chert does not repeat them.
	Refused map[string]int64 `json:"refused,omitempty"`
}

// Catchup is how far Chert's events log is read.
type Catchup struct {
	State string    `json:"state"`          // CatchupDone …
	Until time.Time `json:"until,omitzero"` // of CatchupWaiting
	// Passed is when the log was last read to its end; zero: not since the start.
	Passed time.Time `json:"passed,omitzero"`
	Read   time.Time `json:"read,omitzero"`  // created_at of the newest row that was read since the start
	Ahead  int       `json:"ahead,omitzero"` // rows that were read and are not journaled yet
	// Of the rows read since the start: all, those that no other source had brought, and
	// those in quarantine.
	Rows        int64  `json:"rows"`
	Found       int64  `json:"found"`
	Quarantined int64  `json:"quarantined"`
	Error       string `json:"error,omitempty"` // of the last pass
	Lag                // of those that no other source had brought
}

// Values of Catchup.State.
const (
	CatchupDone    = "done"    // the last pass was complete
	CatchupReading = "reading" // a pass is under way
	CatchupWaiting = "waiting" // until Catchup.Until, after a 429: calls wait for the same
	CatchupFailing = "failing" // the log can't be read; retried
	CatchupNoLog   = "no_log"  // there is no events log at chert.base_url; retried
)

// Stream is the state of Chert's stream of events.
type Stream struct {
	Connected   time.Time `json:"connected,omitzero"` // since when; zero: not connected
	Down        time.Time `json:"down,omitzero"`      // since when it fails to connect; zero: it does not
	Lag                   // its last event is the last one of all, new or known
	LastByte    time.Time `json:"last_byte,omitzero"` // of an event or a heartbeat
	Events      int64     `json:"events"`             // new ones since the start
	Known       int64     `json:"known"`              // that another source had brought
	Quarantined int64     `json:"quarantined"`
	Reconnects  int64     `json:"reconnects"`
	Failures    int64     `json:"failures"` // of attempts and connections
	Error       string    `json:"error,omitempty"`
}

// File is how far the file of events is read that chertd run --events names.
type File struct {
	Name        string    `json:"name"`            // - is standard input
	Line        int       `json:"line"`            // number of the last line that was taken in
	Ended       time.Time `json:"ended,omitzero"`  // when its end was reached, or reading failed; zero: not yet
	Error       string    `json:"error,omitempty"` // why reading failed
	Events      int64     `json:"events"`          // new ones since the start
	Known       int64     `json:"known"`           // that were events already
	Quarantined int64     `json:"quarantined"`
	Lag                   // of the new events
}

package control

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"chertd/engine/store"
)

// Comparison counts the events on which a version ran in shadow, by how what it requested
// compares.
type Comparison struct {
	Version string    `json:"version"`        // that ran in shadow
	Against string    `json:"against"`        // the live version; "": what became of the chat
	Since   time.Time `json:"since,omitzero"` // the first event; zero: there is none
	Events  int64     `json:"events"`
	Agreed  int64     `json:"agreed"`
	Differ  int64     `json:"differ"`
	// The first difference of each event that differs.
	FailedLive      int64 `json:"failed_live"`      // only the live version failed
	FailedCandidate int64 `json:"failed_candidate"` // only the version in shadow did
	Veto            int64 `json:"veto"`             // only one keeps a chat unread
	ReadLive        int64 `json:"read_live"`        // only the live version reads a chat
	ReadCandidate   int64 `json:"read_candidate"`   // only the version in shadow does
	Time            int64 `json:"time"`             // the same, at another time
	Other           int64 `json:"other"`            // other actions and timers
}

// Differences is the answer to GET packs/{pack}/differences.
type Differences struct {
	Pack       string      `json:"pack"`
	Comparison *Comparison `json:"comparison"` // nil: nothing of the pack runs in shadow
	// Events has the newest first. It has no event that the store no longer keeps.
	Events []Differing `json:"events"`
}

// Differing is an event on which what was requested differs.
type Differing struct {
	At     time.Time `json:"at"` // when it was handled
	Event  string    `json:"event"`
	Type   string    `json:"type"`
	Chat   string    `json:"chat,omitempty"`
	Result string    `json:"result"` // the first difference, as in Comparison
	// Live is what the live version requested; without one, what became of the chat is in
	// Reads.
	Live      []RuleRequests `json:"live"`
	Candidate []RuleRequests `json:"candidate"` // what the version in shadow requested
	Reads     []string       `json:"reads,omitempty"`
}

// RuleRequests is what a rule requested on an event.
type RuleRequests struct {
	Rule    string   `json:"rule"`
	Place   string   `json:"place"`             // file:line
	Asked   []string `json:"asked,omitempty"`   // in words
	Skipped string   `json:"skipped,omitempty"` // why it did not run
	Error   string   `json:"error,omitempty"`   // why it failed
}

func (a *api) differences(r *http.Request) (any, error) {
	limit := store.KeptDifferences
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, &UserError{Message: "limit must be a positive number", Hint: fmt.Sprintf("at most %d events are kept", store.KeptDifferences)}
		}
		limit = min(n, limit)
	}
	d, err := a.daemon.Differences(r.Context(), r.PathValue("pack"), limit)
	if d.Events == nil {
		d.Events = []Differing{} // [] in JSON
	}
	return d, err
}

// Differences returns the newest events on which what a pack requested in shadow differs.
func (c *Client) Differences(ctx context.Context, pack string, limit int) (d Differences, err error) {
	return d, c.ask(ctx, http.MethodGet, packPath(pack, fmt.Sprintf("/differences?limit=%d", limit)), nil, &d)
}

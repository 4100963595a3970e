package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"chertd/luabind/diag"
)

// drainPath is the route of drain. Its requests are answered while the daemon stops and while
// the store fails or hangs, as SIGTERM is.
const drainPath = apiPath + "/drain"

// MaxWait is how long GET drain and GET packs/{pack}/retry-errors wait at most.
const MaxWait = 30 * time.Second

// Drain is how far a daemon has drained.
type Drain struct {
	Since    time.Time `json:"since"`     // when it began to drain
	Already  bool      `json:"already"`   // an earlier command or a signal had begun it
	InFlight int       `json:"in_flight"` // calls until their answers are stored
	// Stopped is set once all work in progress has ended and the store is closed. The process
	// ends right after. The other counts are known from then on.
	Stopped bool  `json:"stopped"`
	Pending int64 `json:"pending"` // events that are not handled yet
	Waiting int64 `json:"waiting"` // actions that are due now or later
	Blocked int64 `json:"blocked"` // reads that wait for a pack that can veto them
	// Unknown is why the store could not be read for the counts.
	Unknown string `json:"unknown,omitempty"`
}

// drain begins to drain.
func (a *api) drain(r *http.Request) (any, error) { return a.daemon.Drain(r.Context()) }

// drained answers once the daemon has drained, or after a while.
func (a *api) drained(r *http.Request) (any, error) {
	wait, err := waitOf(r)
	if err != nil {
		return nil, err
	}
	return a.daemon.Drained(r.Context(), wait)
}

// waitOf returns how long a request is to wait for what it returns the progress of.
func waitOf(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > MaxWait {
		return 0, &UserError{Message: fmt.Sprintf("wait: expected 0s to %s, got %.20q", diag.Duration(MaxWait), text)}
	}
	return d, nil
}

// Drain makes the daemon drain and stop, and returns immediately.
func (c *Client) Drain(ctx context.Context) (d Drain, err error) {
	return d, c.ask(ctx, http.MethodPost, "/drain", nil, &d)
}

// Drained returns how far a daemon that drains is: once it has stopped, or after wait, which
// is MaxWait at most.
func (c *Client) Drained(ctx context.Context, wait time.Duration) (d Drain, err error) {
	return d, c.ask(ctx, http.MethodGet, "/drain?"+url.Values{"wait": {wait.String()}}.Encode(), nil, &d)
}

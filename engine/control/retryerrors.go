package control

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// DefaultRetrySince is how old the events of POST packs/{pack}/retry-errors are at most, if
// it does not say.
const DefaultRetrySince = 24 * time.Hour

// RetryErrorsRequest is the body of POST packs/{pack}/retry-errors; it may be empty.
type RetryErrorsRequest struct {
	Since  string `json:"since,omitempty"`   // such as 24h: events that the pack failed on or missed since then
	DryRun bool   `json:"dry_run,omitempty"` // count them only
}

// Retried is how far the events that a pack failed on or missed have run through it again.
type Retried struct {
	Pack   string    `json:"pack"`
	Began  time.Time `json:"began"`
	DryRun bool      `json:"dry_run,omitempty"` // nothing runs
	Ended  bool      `json:"ended"`
	Error  string    `json:"error,omitempty"` // why it ended early
	Events int       `json:"events"`          // that are to run
	More   bool      `json:"more,omitempty"`  // there are more than one command runs
	Older  int64     `json:"older"`           // that the pack missed before the time that since names, and that stay
	Done   int       `json:"done"`
	// Of those done: that ran, that failed again, and whose text was removed. The others had
	// run meanwhile.
	Ran         int `json:"ran"`
	Failed      int `json:"failed"`
	WithoutText int `json:"without_text"`
	// Blocked reads: that wait to go out now, that were vetoed, and that were dropped for
	// another reason.
	Released int64 `json:"reads_released"`
	Vetoed   int64 `json:"reads_vetoed"`
	Dropped  int64 `json:"reads_dropped"`
}

func (a *api) retryErrors(r *http.Request) (any, error) {
	var in RetryErrorsRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return a.daemon.RetryErrors(r.Context(), r.PathValue("pack"), in)
}

func (a *api) errorsRetried(r *http.Request) (any, error) {
	wait, err := waitOf(r)
	if err != nil {
		return nil, err
	}
	return a.daemon.ErrorsRetried(r.Context(), r.PathValue("pack"), wait)
}

// RetryErrors begins to run the events again that a pack failed on or missed.
func (c *Client) RetryErrors(ctx context.Context, pack string, in RetryErrorsRequest) (d Retried, err error) {
	return d, c.ask(ctx, http.MethodPost, packPath(pack, "/retry-errors"), in, &d)
}

// ErrorsRetried returns how far that is: once it has ended, or after wait, which is MaxWait
// at most.
func (c *Client) ErrorsRetried(ctx context.Context, pack string, wait time.Duration) (d Retried, err error) {
	return d, c.ask(ctx, http.MethodGet, packPath(pack, "/retry-errors?"+url.Values{"wait": {wait.String()}}.Encode()), nil, &d)
}

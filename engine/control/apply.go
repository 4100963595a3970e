package control

import (
	"context"
	"net/http"
	"time"
)

const (
	// MaxApplied is how many reads one POST apply may have.
	MaxApplied = 500
	// maxApplyBody bounds the body of a POST apply: MaxApplied reads of 16 KiB each. Their texts have 3 KiB at
	// most, and JSON may take six bytes for one.
	maxApplyBody = MaxApplied * 16 << 10
	applyPath    = apiPath + "/apply"
)

// ApplyRequest is the body of POST apply: reads that rules would have requested of past events, or
// a part of them.
type ApplyRequest struct {
	// Batch names all reads that are applied together, in one request or several: up to 40
	// letters, digits and hyphens. Each read of a batch is requested once, however often it is sent.
	Batch  string      `json:"batch"`
	By     string      `json:"by,omitempty"` // who applies them
	Reason string      `json:"reason,omitempty"`
	Reads  []ApplyRead `json:"reads"` // at most MaxApplied
	// DryRun changes nothing: the answer is what would become of the reads now.
	DryRun bool `json:"dry_run,omitempty"`
}

// ApplyRead is a read of a chat that a rule would have requested.
type ApplyRead struct {
	Chat string `json:"chat"`
	// Event is the newest event of the chat that the rule saw. A newer message supersedes the
	// read, unless a rule requests a read for that one.
	Event   string    `json:"event"`
	Rule    string    `json:"rule"`  // PACK/RULE
	Place   string    `json:"place"` // file:line of the rule
	Version string    `json:"version"`
	Reason  string    `json:"reason,omitempty"` // as the rule gave it
	Due     time.Time `json:"due,omitzero"`     // zero: now
	OnlyIf  string    `json:"only_if,omitempty"`
}

// ApplyResult is the answer to POST apply.
type ApplyResult struct {
	Batch string       `json:"batch"`
	Reads []AppliedNow `json:"reads"` // in the order of the request
	// Waits is why no calls are made, if reads wait for that.
	Waits []string `json:"waits,omitempty"`
}

// AppliedNow is what became of a read at first.
type AppliedNow struct {
	Chat string `json:"chat"`
	// Event is the entry that requests the read, for explain; empty: none does, as the read
	// would change nothing, or in a dry run.
	Event string `json:"event,omitempty"`
	// Status is that of the read; "": the events of the chat before it are not handled yet.
	Status  string    `json:"status,omitempty"`
	Why     string    `json:"why,omitempty"`
	EndedBy string    `json:"ended_by,omitempty"` // the rule or the hold
	Due     time.Time `json:"due,omitzero"`       // while it waits
	For     string    `json:"for,omitempty"`      // in a dry run: what it would wait for, as WaitingAction.For; call: for its turn
	Again   bool      `json:"again,omitempty"`    // the batch had the read before
}

// WhyNoEvent is AppliedNow.Why of a read that is not requested, as the store does not have its
// event, or has it in another chat.
const WhyNoEvent = "no_event"

func (a *api) apply(r *http.Request) (any, error) {
	var in ApplyRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return a.daemon.Apply(r.Context(), in)
}

// Apply requests reads that rules would have requested of past events.
func (c *Client) Apply(ctx context.Context, in ApplyRequest) (r ApplyResult, err error) {
	return r, c.ask(ctx, http.MethodPost, "/apply", in, &r)
}

package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"chertd/engine/store"
)

// Limits of the routes of what waits.
const (
	// WaitingShown is how many actions GET waiting returns by default, and MaxWaitingShown at
	// most.
	WaitingShown    = 50
	MaxWaitingShown = 500
	// WaitingExamined is how many chats GET waiting looks at: where more have something
	// waiting, it counts those whose calls are due next.
	WaitingExamined = store.CountedHolds
	// MaxWaitingIDs is how many actions a request may name.
	MaxWaitingIDs = 1000
)

// WaitingQuery is the query of GET waiting.
type WaitingQuery struct {
	Where []string // KEY=VALUE pairs that an action has to match, all of them
	Limit int      // 0: WaitingShown
}

// Waiting is the answer to GET waiting.
type Waiting struct {
	Matched int64 `json:"matched"` // actions that wait and match
	Chats   int64 `json:"chats"`   // in which they are
	// Total is how many chats of the filter's line, or of all lines, have something waiting, and
	// Examined how many of them were looked at. Partial is set if those are not all: then all
	// numbers but Total are those of the chats whose calls are due next.
	Total    int64          `json:"total_chats"`
	Examined int64          `json:"examined_chats"`
	Partial  bool           `json:"partial"`
	For      []WaitingCount `json:"for"`   // Matched by what they wait for, the most frequent first
	Packs    []WaitingCount `json:"packs"` // the same by pack; "": requested by an operator
	// Oldest is when the first of them was requested, and NextDue when the next one that is
	// not due yet will be.
	Oldest  time.Time `json:"oldest,omitzero"`
	NextDue time.Time `json:"next_due,omitzero"`
	// Through is the newest event: POST waiting/cancel and waiting/now leave out with it what is
	// requested later.
	Through int64           `json:"through"`
	Waiting []WaitingAction `json:"waiting"` // those that are due first
}

// WaitingCount counts actions that have something in common.
type WaitingCount struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// WaitingAction is an action that waits.
type WaitingAction struct {
	ID        string    `json:"id"` // as the commands take it: SEQ.N
	Chat      string    `json:"chat"`
	Line      string    `json:"line,omitempty"`
	Kind      string    `json:"kind"`           // read, typing, react, send, notify
	Pack      string    `json:"pack,omitempty"` // "": an operator requested it
	Rule      string    `json:"rule"`
	Place     string    `json:"place"`
	Reason    string    `json:"reason,omitempty"`
	Requested time.Time `json:"requested"`
	Due       time.Time `json:"due"`            // when it may be called for, as far as times are concerned
	For       string    `json:"for"`            // a value of the table in docs/operations.md
	Until     time.Time `json:"until,omitzero"` // when that ends, if it is known
	By        string    `json:"by,omitempty"`   // of postponed: PACK/RULE; of hold: who holds the chat
	Attempts  int       `json:"attempts"`
}

// WaitingRequest is the body of POST waiting/cancel and POST waiting/now. It names actions, or chooses those that
// match a filter. What has ended, or does not match any more, stays as it is.
type WaitingRequest struct {
	IDs   []string `json:"ids,omitempty"`
	Where []string `json:"where,omitempty"` // as in WaitingQuery
	// Through leaves out what events after it have requested; 0: those after now.
	Through int64 `json:"through,omitempty"`
	// Expect, with Where, is how many actions were counted: if more match now, nothing is done.
	// Confirm is given instead if the number does not matter, or was partial.
	Expect  *int64 `json:"expect,omitempty"`
	Confirm bool   `json:"confirm,omitempty"`
	// After continues a request, from WaitingChanged.Next on.
	After string `json:"after,omitempty"`
}

// WaitingChanged is the answer to POST waiting/cancel and POST waiting/now: what one batch has done.
type WaitingChanged struct {
	Matched int64 `json:"matched"`
	Done    int64 `json:"done"`
	// TooLate counts those whose call is on its way and can't be recalled. A cancelled one
	// is not repeated if it fails.
	TooLate int64 `json:"too_late"`
	Changed int64 `json:"changed"` // have ended, or do not match any more
	Held    int64 `json:"held"`    // of now: reads of chats that are held, which stay as they are
	Through int64 `json:"through"` // of the request, or the newest event when it came
	// Next continues the request in another one, as After; "": all is done.
	Next string `json:"next,omitempty"`
}

func (a *api) waiting(r *http.Request) (any, error) {
	v := r.URL.Query()
	q := WaitingQuery{Where: v["where"]}
	if text := v.Get("limit"); text != "" {
		var err error
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > MaxWaitingShown {
			return nil, &UserError{Message: fmt.Sprintf("limit: expected 1 to %d, got %.20q", MaxWaitingShown, text)}
		}
	}
	return a.daemon.Waiting(r.Context(), q)
}

func (a *api) cancelWaiting(r *http.Request) (any, error) {
	return changeWaiting(r, a.daemon.CancelWaiting)
}

func (a *api) hurryWaiting(r *http.Request) (any, error) {
	return changeWaiting(r, a.daemon.HurryWaiting)
}

func changeWaiting(r *http.Request, do func(context.Context, WaitingRequest) (WaitingChanged, error)) (any, error) {
	var in WaitingRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	switch {
	case len(in.IDs) == 0 && len(in.Where) == 0:
		return nil, &UserError{Message: "which actions: neither ids nor where is given", Hint: "GET /api/v1/waiting lists the ids; where has KEY=VALUE pairs, such as line=+14155550100"}
	case len(in.IDs) > 0 && len(in.Where) > 0:
		return nil, &UserError{Message: "ids and where exclude each other", Hint: "name actions, or choose them by a filter"}
	case len(in.IDs) > MaxWaitingIDs:
		return nil, &UserError{Message: fmt.Sprintf("ids: at most %d, got %d", MaxWaitingIDs, len(in.IDs)), Hint: "choose them by where"}
	case len(in.Where) > 0 && in.Expect == nil && !in.Confirm:
		return nil, &UserError{Message: "the number of actions is not confirmed", Hint: "give matched of GET /api/v1/waiting as expect, or \"confirm\": true"}
	case in.Through < 0:
		return nil, &UserError{Message: fmt.Sprintf("through: expected the seq of an event, got %d", in.Through), Hint: "GET /api/v1/waiting returns it"}
	}
	return do(r.Context(), in)
}

// Waiting counts and lists what waits.
func (c *Client) Waiting(ctx context.Context, q WaitingQuery) (w Waiting, err error) {
	v := url.Values{"where": q.Where}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return w, c.ask(ctx, http.MethodGet, "/waiting?"+v.Encode(), nil, &w)
}

// CancelWaiting drops one batch of waiting actions.
func (c *Client) CancelWaiting(ctx context.Context, in WaitingRequest) (w WaitingChanged, err error) {
	return w, c.ask(ctx, http.MethodPost, "/waiting/cancel", in, &w)
}

// HurryWaiting makes one batch of waiting actions due.
func (c *Client) HurryWaiting(ctx context.Context, in WaitingRequest) (w WaitingChanged, err error) {
	return w, c.ask(ctx, http.MethodPost, "/waiting/now", in, &w)
}

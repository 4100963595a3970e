package control

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Limits of the routes of dead letters.
const (
	// DeadShown is how many dead actions GET dead returns by default, and MaxDeadShown at
	// most.
	DeadShown    = 20
	MaxDeadShown = 500
	// MaxDeadIDs is how many a request may name.
	MaxDeadIDs = 1000
)

// DeadQuery is the query of GET dead. Zero fields of it exclude none.
type DeadQuery struct {
	Chat string
	Pack string
	// Code is Chert's error code or the HTTP status of the last attempt; a pointer to 0: it
	// had no answer.
	Code     *int
	Limit    int  // 0: DeadShown
	Attempts bool // with DeadAction.FailedAttempts
}

// Dead is the answer to GET dead.
type Dead struct {
	Total  int64        `json:"total"`  // dead actions that the query chooses
	Groups []DeadGroup  `json:"groups"` // the same by their last answers, the most frequent first
	Dead   []DeadAction `json:"dead"`   // the newest events first
	// Missed are the events that packs have missed. It is left out if the query has a chat or
	// a code.
	Missed []MissedEvents `json:"missed,omitempty"`
}

// DeadGroup counts dead actions whose last attempts had the same answer.
type DeadGroup struct {
	HTTP  int   `json:"http"` // 0: no answer
	Code  int   `json:"code"` // Chert's error code; 0: none
	Count int64 `json:"count"`
}

// DeadAction is an action that Chert refused, or that failed for a day.
type DeadAction struct {
	ID       string    `json:"id"` // as the commands take it: SEQ.N
	Chat     string    `json:"chat"`
	Kind     string    `json:"kind"` // read, react, send, typing
	Pack     string    `json:"pack"`
	Rule     string    `json:"rule"`
	Version  string    `json:"version"`
	Place    string    `json:"place"`            // file and line of the rule
	Reason   string    `json:"reason,omitempty"` // as the rule gave it
	Why      string    `json:"why"`              // refused, retries_exhausted, unknown
	HTTP     int       `json:"http"`             // of the last attempt; 0: no answer
	Code     int       `json:"code"`             // Chert's error code of the last attempt; 0: none
	Error    string    `json:"error,omitempty"`
	TraceID  string    `json:"trace_id,omitempty"`
	Attempts int       `json:"attempts"`
	First    time.Time `json:"first_attempt,omitzero"` // when the first attempt failed; zero: not known
	Died     time.Time `json:"died"`                   // when the last one failed
	// Requested is when its rule requested it.
	Requested time.Time `json:"requested"`
	// FailedAttempts are the attempts in their order, if they were requested. Of very many,
	// those in the middle are not kept.
	FailedAttempts []DeadAttempt `json:"failed_attempts,omitempty"`
}

// DeadAttempt is an attempt that failed.
type DeadAttempt struct {
	N       int       `json:"n"` // which one, from 1
	At      time.Time `json:"at"`
	HTTP    int       `json:"http"`
	Code    int       `json:"code"`
	TraceID string    `json:"trace_id,omitempty"`
	Error   string    `json:"error,omitempty"`
	// CallOf is the action that the call was made for, if it was another one: reads of a
	// chat share calls.
	CallOf string `json:"call_of,omitempty"`
}

// MissedEvents counts the events that a pack has missed because it was broken, failed or
// suspended, and that have not run through it since.
type MissedEvents struct {
	Pack   string    `json:"pack"`
	Events int64     `json:"events"`
	Since  time.Time `json:"since"`
	// Earlier is how many of them it missed more than an hour ago: they do not run
	// automatically once the pack works.
	Earlier int64 `json:"earlier"`
}

// DeadRequest is the body of POST dead/retry and POST dead/drop: ids, or what all have in
// common, or all.
type DeadRequest struct {
	IDs    []string `json:"ids,omitempty"`
	Chat   string   `json:"chat,omitempty"`
	Pack   string   `json:"pack,omitempty"`
	Code   *int     `json:"code,omitempty"` // as in DeadQuery
	All    bool     `json:"all,omitempty"`
	DryRun bool     `json:"dry_run,omitempty"` // only say what would be done
	// RepeatUnknown, of a retry, also retries reactions whose answer was lost. They may be
	// made twice.
	RepeatUnknown bool `json:"repeat_unknown,omitempty"`
}

// DeadRetried is the answer to POST dead/retry.
type DeadRetried struct {
	DryRun  bool `json:"dry_run"`
	Waiting int  `json:"waiting"` // wait to be called again
	Blocked int  `json:"blocked"` // wait for a pack that may veto them
	// Dropped counts those that are not called again because of what has happened since, by
	// why: vetoed, held, superseded, already_read …
	Dropped map[string]int `json:"dropped,omitempty"`
	// Stay counts those that stay dead, by why. Those that are never repeated: tried_once for
	// typing indicators, unknown for reactions. Those that a later retry may call for:
	// pack_inactive (their pack is off, in shadow or removed), rule_gone, rule_off, line_unsupported
	// (Chert answers 4099 for their line).
	Stay map[string]int `json:"stay,omitempty"`
	// StayPacks are the packs of those with pack_inactive, rule_gone or rule_off, and StayLines the
	// phone lines of those with line_unsupported, sorted, at most DeadShown.
	StayPacks []string `json:"stay_packs,omitempty"`
	StayLines []string `json:"stay_lines,omitempty"`
	NotDead   int      `json:"not_dead"` // were named, and are not dead
	// First has the first of those that do not wait to be called again, at most DeadShown.
	First []DeadOutcome `json:"first,omitempty"`
}

// DeadOutcome is what became of an action that was dead.
type DeadOutcome struct {
	ID     string `json:"id"`
	Chat   string `json:"chat"`
	Kind   string `json:"kind"`
	Status string `json:"status"`
	Why    string `json:"why"`
}

// DeadDropped is the answer to POST dead/drop.
type DeadDropped struct {
	DryRun  bool `json:"dry_run"`
	Dropped int  `json:"dropped"`
	NotDead int  `json:"not_dead"` // were named, and are not dead
}

func (a *api) dead(r *http.Request) (any, error) {
	v := r.URL.Query()
	q := DeadQuery{Chat: v.Get("chat"), Pack: v.Get("pack"), Limit: DeadShown}
	number := func(name string, least, most int) (int, error) {
		n, err := strconv.Atoi(v.Get(name))
		if err != nil || n < least || n > most {
			return 0, &UserError{Message: fmt.Sprintf("%s: expected %d to %d, got %.20q", name, least, most, v.Get(name))}
		}
		return n, nil
	}
	var err error
	if q.Attempts, err = flag(v, "attempts", false); err != nil {
		return nil, err
	}
	if v.Has("limit") {
		if q.Limit, err = number("limit", 1, MaxDeadShown); err != nil {
			return nil, err
		}
	}
	if v.Has("code") {
		code, err := number("code", 0, MaxCode)
		if err != nil {
			return nil, err
		}
		q.Code = &code
	}
	return a.daemon.Dead(r.Context(), q)
}

// MaxCode is the largest number that can be an error code.
const MaxCode = 99999

func (a *api) retryDead(r *http.Request) (any, error) {
	in, err := deadRequest(r)
	if err != nil {
		return nil, err
	}
	return a.daemon.RetryDead(r.Context(), in)
}

func (a *api) dropDead(r *http.Request) (any, error) {
	in, err := deadRequest(r)
	if err != nil {
		return nil, err
	}
	if in.RepeatUnknown {
		return nil, &UserError{Message: "repeat_unknown: only a retry has it"}
	}
	return a.daemon.DropDead(r.Context(), in)
}

func deadRequest(r *http.Request) (in DeadRequest, err error) {
	if err := decode(r, &in); err != nil {
		return in, err
	}
	ways := 0
	for _, given := range []bool{len(in.IDs) > 0, in.Chat != "" || in.Pack != "" || in.Code != nil, in.All} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1:
		return in, &UserError{Message: "which dead actions: give their ids, or a chat, pack or code, or all", Hint: "chertd dead lists them"}
	case len(in.IDs) > MaxDeadIDs:
		return in, &UserError{Message: fmt.Sprintf("%d ids are more than %d", len(in.IDs), MaxDeadIDs), Hint: "use a chat, pack or code, or several requests"}
	case in.Code != nil && (*in.Code < 0 || *in.Code > MaxCode):
		return in, &UserError{Message: fmt.Sprintf("code: expected 0 to %d, got %d", MaxCode, *in.Code)}
	}
	return in, nil
}

// Dead returns dead actions.
func (c *Client) Dead(ctx context.Context, q DeadQuery) (d Dead, err error) {
	v := parameters(map[string]string{"chat": q.Chat, "pack": q.Pack})
	if q.Code != nil {
		v.Set("code", strconv.Itoa(*q.Code))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Attempts {
		v.Set("attempts", "1")
	}
	return d, c.ask(ctx, http.MethodGet, "/dead?"+v.Encode(), nil, &d)
}

// RetryDead makes dead actions wait again.
func (c *Client) RetryDead(ctx context.Context, in DeadRequest) (out DeadRetried, err error) {
	return out, c.ask(ctx, http.MethodPost, "/dead/retry", in, &out)
}

// DropDead ends dead actions.
func (c *Client) DropDead(ctx context.Context, in DeadRequest) (out DeadDropped, err error) {
	return out, c.ask(ctx, http.MethodPost, "/dead/drop", in, &out)
}

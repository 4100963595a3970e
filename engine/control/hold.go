package control

import (
	"context"
	"net/http"
	"time"
)

const (
	// DefaultHold is how long a chat is held by default.
	DefaultHold = 24 * time.Hour
	// Operator is Hold.By of a hold that a command set.
	Operator = "operator"
)

// HoldRequest is the body of POST hold.
type HoldRequest struct {
	Chat   string `json:"chat"`
	For    string `json:"for,omitempty"` // "2h"; "": DefaultHold
	Reason string `json:"reason,omitempty"`
	Force  bool   `json:"force,omitempty"` // also if chertd has seen no event of the chat
}

// ReleaseRequest is the body of POST release.
type ReleaseRequest struct {
	Chat string `json:"chat"`
}

// Held is the answer to POST hold: the hold that is in force now.
type Held struct {
	Hold
	// Longer is set if another hold is in force that ends later. The command did not
	// change it.
	Longer       bool `json:"longer"`
	DroppedReads int  `json:"dropped_reads"` // waiting reads of the chat, which do not return
	InFlight     bool `json:"in_flight"`     // a read call was on the wire, and can't be recalled
}

// Released is the answer to POST release.
type Released struct {
	Chat string `json:"chat"`
	Held bool   `json:"held"`           // it was held
	Hold *Hold  `json:"hold,omitempty"` // the hold that was ended
}

func (a *api) hold(r *http.Request) (any, error) {
	var in HoldRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return a.daemon.Hold(r.Context(), in)
}

func (a *api) release(r *http.Request) (any, error) {
	var in ReleaseRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return a.daemon.Release(r.Context(), in)
}

// Hold keeps a chat unread for a time.
func (c *Client) Hold(ctx context.Context, in HoldRequest) (h Held, err error) {
	return h, c.ask(ctx, http.MethodPost, "/hold", in, &h)
}

// Release ends the hold of a chat, whoever set it.
func (c *Client) Release(ctx context.Context, in ReleaseRequest) (r Released, err error) {
	return r, c.ask(ctx, http.MethodPost, "/release", in, &r)
}

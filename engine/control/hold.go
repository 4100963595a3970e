package control

import (
	"context"
	"net/http"
	"time"

	"chertd/rules/chat"
)

const (
	// DefaultHold is how long a chat is held by default.
	DefaultHold = 24 * time.Hour
	// Operator is Hold.By of a hold that a command set.
	Operator = chat.Operator
)

// HoldRequest is the body of POST hold: it holds a chat, or the chats of a selection.
type HoldRequest struct {
	Chat string `json:"chat,omitempty"`
	// Where has KEY=VALUE pairs, line and is_group, that all chats of the selection match.
	Where  []string `json:"where,omitempty"`
	For    string   `json:"for,omitempty"` // "2h"; "": DefaultHold
	Reason string   `json:"reason,omitempty"`
	Force  bool     `json:"force,omitempty"`   // also if chertd has seen no event of such a chat
	By     string   `json:"by,omitempty"`      // of a selection: the operator's name
	DryRun bool     `json:"dry_run,omitempty"` // of a selection: only count
}

// ReleaseRequest is the body of POST release: it releases a chat, or ends the hold of a selection.
type ReleaseRequest struct {
	Chat  string   `json:"chat,omitempty"`
	Where []string `json:"where,omitempty"` // as in HoldRequest
	ID    int64    `json:"id,omitempty"`    // of the hold of a selection
	By    string   `json:"by,omitempty"`    // of a selection: the operator's name
}

// SelectionHold is a hold of all chats of a selection.
type SelectionHold struct {
	ID     int64     `json:"id,omitempty"`
	Where  string    `json:"where"` // as --where takes it, with a space between pairs
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	Began  time.Time `json:"began"`
	Until  time.Time `json:"until"`
}

// HeldSelection is the answer to POST hold for a selection: the hold that is in force now.
type HeldSelection struct {
	SelectionHold
	// Longer is set if another hold of the selection is in force that ends later. The command did not
	// change it.
	Longer bool `json:"longer"`
	DryRun bool `json:"dry_run,omitempty"` // nothing was done: the hold is what it would be
	// KnownChats is how many chats of the selection chertd knows, and WaitingChats in how many
	// something waits, reads of which are dropped now; those whose line or kind is not known count,
	// too. CountedHolds: at least as many.
	KnownChats   int64 `json:"known_chats"`
	WaitingChats int64 `json:"waiting_chats"`
}

// ReleasedSelection is the answer to POST release for a selection.
type ReleasedSelection struct {
	Ended []SelectionHold `json:"ended"` // the holds that were ended, as they were
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
	// StillHeld are the holds of selections that have the chat. They stay in force.
	StillHeld []SelectionHold `json:"still_held,omitempty"`
}

func (a *api) hold(r *http.Request) (any, error) {
	var in HoldRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if len(in.Where) > 0 {
		return a.daemon.HoldSelection(r.Context(), in)
	}
	return a.daemon.Hold(r.Context(), in)
}

func (a *api) release(r *http.Request) (any, error) {
	var in ReleaseRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if len(in.Where) > 0 || in.ID != 0 {
		return a.daemon.ReleaseSelection(r.Context(), in)
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

// HoldSelection keeps the chats of a selection unread for a time.
func (c *Client) HoldSelection(ctx context.Context, in HoldRequest) (h HeldSelection, err error) {
	return h, c.ask(ctx, http.MethodPost, "/hold", in, &h)
}

// ReleaseSelection ends the hold of a selection.
func (c *Client) ReleaseSelection(ctx context.Context, in ReleaseRequest) (r ReleasedSelection, err error) {
	return r, c.ask(ctx, http.MethodPost, "/release", in, &r)
}

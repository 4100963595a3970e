package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"chertd/engine/chert"
	"chertd/rules/chat"
)

// Client puts calls on the wire with a Chert client, and keeps the clock that
// signs them right.
type Client struct {
	api   *chert.Client
	learn func(date time.Time, refused bool) bool
	log   *slog.Logger
}

// NewClient makes a Caller. learn is told of every Date of Chert's, and
// reports whether the clock had to be corrected by it; refused says that the
// answer is a refusal for clock skew.
func NewClient(api *chert.Client, learn func(date time.Time, refused bool) bool, log *slog.Logger) *Client {
	return &Client{api: api, learn: learn, log: log}
}

// Call makes one attempt. A refusal because of the clock is no attempt yet: it
// corrects the clock, and the call is signed again, once.
func (c *Client) Call(ctx context.Context, call chat.Call) (traceID string, err error) {
	reply, err := c.do(ctx, &call)
	if e := asError(err); e != nil {
		// An answer without the envelope is a proxy's, and so is its Date.
		if skew := e.Code == chert.CodeClockSkew; e.Code != 0 && c.learn(e.Date, skew) && skew {
			c.log.Warn("the clock differs from Chert's: corrected by its Date, and the call is signed again", "chat", call.Chat)
			reply, err = c.do(ctx, &call)
		}
		if e := asError(err); e != nil && e.Code == chert.CodeClockSkew {
			// The clock is still off; that concerns no single chat.
			e.Retryable = true
		}
		return reply.TraceID, err
	}
	c.learn(reply.Date, false)
	return reply.TraceID, nil
}

func (c *Client) do(ctx context.Context, call *chat.Call) (chert.Reply, error) {
	a := &call.Actions[0]
	switch call.Kind {
	case chat.Read:
		return c.api.MarkRead(ctx, call.Chat)
	case chat.Typing:
		return c.api.Typing(ctx, call.Chat, text(a.Body))
	case chat.React:
		return c.api.React(ctx, a.Target, text(a.Body))
	case chat.Send:
		// One key for every attempt, so that Chert sends it once.
		_, reply, err := c.api.Send(ctx, call.Chat, text(a.Body), "chertd-"+a.ID.String()+"-"+a.Asked.UTC().Format("20060102T150405.000"))
		return reply, err
	}
	return chert.Reply{}, &chert.Error{Message: fmt.Sprintf("no call does %q", call.Kind)}
}

// text is a body that is one JSON string.
func text(body json.RawMessage) string {
	var s string
	// A rule's wish is encoded by chertd itself; anything else is sent as empty
	// and refused by Chert with its own words.
	_ = json.Unmarshal(body, &s)
	return s
}

func asError(err error) *chert.Error {
	var e *chert.Error
	errors.As(err, &e)
	return e
}

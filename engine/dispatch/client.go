package dispatch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"chertd/engine/chert"
	"chertd/rules/chat"
)

// Client is a Caller that makes calls with a chert.Client. It corrects the clock
// that signs them by Chert's answers.
type Client struct {
	api   *chert.Client
	learn func(date time.Time, refused bool) bool
	log   *slog.Logger
}

// NewClient returns a Client. It calls learn with the Date of each answer of Chert's;
// refused says that Chert refused the call for clock skew. learn reports whether it
// corrected the clock.
func NewClient(api *chert.Client, learn func(date time.Time, refused bool) bool, log *slog.Logger) *Client {
	return &Client{api: api, learn: learn, log: log}
}

// Call makes one attempt. If Chert refuses it for clock skew, and its Date corrects
// the clock, Call signs the request again and repeats it once.
func (c *Client) Call(ctx context.Context, call chat.Call) (said Reply, err error) {
	reply, err := c.signed(func() (chert.Reply, error) {
		if call.Kind != chat.Question {
			return c.do(ctx, &call)
		}
		newest, reply, err := c.api.Newest(ctx, call.Chat, chert.Known(call.Known))
		switch newest.Direction {
		case chert.Inbound:
			said.Newest = chat.NewestInbound
		case chert.Outbound:
			said.Newest = chat.NewestOutbound
		default:
			said.Newest, said.Unclear = chat.NewestUnknown, newest.Unclear
		}
		return reply, err
	})
	said.HTTP, said.TraceID = reply.Status, reply.TraceID
	return said, err
}

// RequestOf returns the method and the path of the request that a call of a kind makes; ids in the path
// are {id}. The path of a notification is that of its target: "".
func RequestOf(kind chat.Kind) (method, path string) {
	switch kind {
	case chat.Typing:
		return http.MethodPost, "/chats/{id}/typing"
	case chat.React:
		return http.MethodPost, "/messages/{id}/react"
	case chat.Send:
		return http.MethodPost, "/chats/{id}/messages"
	case chat.Question:
		return http.MethodGet, "/chats/{id}/messages"
	case chat.Notify:
		return http.MethodPost, ""
	}
	return http.MethodPost, "/chats/{id}/mark-read"
}

// Events reads a page of the events log, in the way of Call.
func (c *Client) Events(ctx context.Context, q chert.EventQuery) (page chert.EventPage, reply chert.Reply, err error) {
	reply, err = c.signed(func() (reply chert.Reply, err error) {
		page, reply, err = c.api.Events(ctx, q)
		return reply, err
	})
	return page, reply, err
}

// Stream opens the stream of events, in the way of Call.
func (c *Client) Stream(ctx context.Context, since time.Time) (body io.ReadCloser, reply chert.Reply, err error) {
	reply, err = c.signed(func() (reply chert.Reply, err error) {
		body, reply, err = c.api.Stream(ctx, since)
		return reply, err
	})
	return body, reply, err
}

// signed makes a request, and once more if the clock that signed it was wrong.
func (c *Client) signed(do func() (chert.Reply, error)) (chert.Reply, error) {
	reply, err := do()
	if e := asError(err); e != nil {
		// An answer without the envelope is from a proxy, and so is its Date.
		if skew := e.Code == chert.CodeClockSkew; e.Code != 0 && c.learn(e.Date, skew) && skew {
			c.log.Warn("local clock differs from Chert's; adjusted to its Date header and signed the request again", "request", e.Call)
			reply, err = do()
		}
		if e := asError(err); e != nil && e.Code == chert.CodeClockSkew {
			// The clock is still wrong, which is not about this chat.
			e.Retryable = true
		}
		return reply, err
	}
	c.learn(reply.Date, false)
	return reply, nil
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
		// All attempts have one key, so that Chert sends the message once.
		key := cmp.Or(a.Target, "chertd-"+a.ID.String()+"-"+a.Requested.UTC().Format("20060102T150405.000"))
		_, reply, err := c.api.Send(ctx, call.Chat, text(a.Body), key)
		return reply, err
	}
	return chert.Reply{}, &chert.Error{Message: fmt.Sprintf("unknown action kind %q", call.Kind)}
}

// text returns a body that is one JSON string.
func text(body json.RawMessage) string {
	var s string
	// chertd encodes the bodies of actions itself. Anything else is sent as empty,
	// and Chert refuses it.
	_ = json.Unmarshal(body, &s)
	return s
}

func asError(err error) *chert.Error {
	var e *chert.Error
	errors.As(err, &e)
	return e
}

package control

import (
	"context"
	"net/http"
)

// ReadRequest is the body of POST read.
type ReadRequest struct {
	Chat   string `json:"chat"`
	By     string `json:"by,omitempty"` // who requests it
	Reason string `json:"reason,omitempty"`
}

// ReadRequested is the answer to POST read: what became of the read at first.
type ReadRequested struct {
	Chat  string `json:"chat"`
	Event string `json:"event"` // id of the entry that requests it; chertd explain shows more
	// Read is the read; nil: the events of the chat before it are not handled yet.
	Read *ExplainedAction `json:"read,omitempty"`
	// Waits is why no calls are made, if the read waits for that.
	Waits []string `json:"waits,omitempty"`
}

func (a *api) read(r *http.Request) (any, error) {
	var in ReadRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return a.daemon.Read(r.Context(), in)
}

// Read requests that a chat be marked as read.
func (c *Client) Read(ctx context.Context, in ReadRequest) (r ReadRequested, err error) {
	return r, c.ask(ctx, http.MethodPost, "/read", in, &r)
}

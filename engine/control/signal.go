package control

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
)

// SignalRequest is the body of POST signals. Its fields but Force are those of a signal in a
// file, see event.DecodeSignal.
type SignalRequest struct {
	Name string `json:"name"` // rules subscribe to "signal:<name>"
	Chat string `json:"chat"`
	// ID identifies what has happened: it is handled once, however often it is sent.
	// "": chertd makes one, and each request counts.
	ID    string          `json:"id,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"`  // any value, for the rules
	Force bool            `json:"force,omitempty"` // also if chertd has seen no event of the chat
}

// Signaled is the answer to POST signals: the signal is on disk.
type Signaled struct {
	Name      string `json:"name"`
	Chat      string `json:"chat"`
	ID        string `json:"id"`
	Event     string `json:"event"`     // id of its event, for explain
	Duplicate bool   `json:"duplicate"` // one with this id was accepted before; this one changes nothing
	Rules     int    `json:"rules"`     // live rules that subscribe to it
	Shadow    int    `json:"shadow"`    // those in shadow: their requests have no effect
	// Near are the names of signals to which rules subscribe that are near this one; empty
	// if a rule subscribes to it.
	Near []string `json:"near,omitempty"`
}

// Signals counts the signals since the start.
type Signals struct {
	Accepted    int64 `json:"accepted"`    // new ones
	Duplicates  int64 `json:"duplicates"`  // accepted before
	Unavailable int64 `json:"unavailable"` // answered 503
}

func (a *api) sendSignal(r *http.Request) (any, error) {
	var in SignalRequest
	if err := decode(r, &in); err != nil {
		return nil, notJSONType(r, err)
	}
	return a.daemon.Signal(r.Context(), in)
}

// notJSONType adds to the error of a malformed body that its Content-Type is not JSON's, which
// is then the mistake: forms are the default of many tools.
func notJSONType(r *http.Request, err error) error {
	kind := r.Header.Get("Content-Type")
	user, ok := err.(*UserError)
	if !ok || kind == "" || strings.Contains(strings.ToLower(kind), "json") {
		return err
	}
	typed := *user
	typed.Hint = strings.TrimSuffix(typed.Hint, ".") + "; the Content-Type is " + clipped(kind) + ": send application/json"
	return &typed
}

// clipped returns a header's value, not longer than a line.
func clipped(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// Signal sends a signal.
func (c *Client) Signal(ctx context.Context, in SignalRequest) (s Signaled, err error) {
	return s, c.ask(ctx, http.MethodPost, "/signals", in, &s)
}

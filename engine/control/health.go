package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"chertd/engine/event/handle"
	"chertd/luabind/diag"
)

// Health is the state of the daemon for probes.
type Health struct {
	// NotReady has the reasons why events are not taken in and handled; empty: ready.
	NotReady []string
	// NoCalls has the reasons why calls can't be made now.
	NoCalls []string
	// Blocked has the packs that block reads. Other calls are made, but somebody must
	// fix these.
	Blocked []Blocked
	// Notes has what needs attention but does not affect readiness, such as an edit that
	// is not live.
	Notes []string
	// Quoted are the texts in the fields above that rules, targets of notifications or Chert wrote, and
	// that may quote a message. Probes, which need no token, and service managers do not show them.
	Quoted []string
}

// Public returns a text of the fields above as anyone may see it: without what is Quoted, and with people masked.
func (h *Health) Public(text string) string {
	for _, quoted := range h.Quoted {
		for _, form := range []string{quoted, diag.Visible(quoted)} {
			if form != "" {
				text = strings.ReplaceAll(text, form, "[hidden]")
			}
		}
	}
	return handle.Mask(text)
}

// healthRoutes adds /-/healthy and /-/ready. Both are open to anyone who can reach the
// address: they reveal no event and no secret.
func healthRoutes(mux *http.ServeMux, health func() Health) {
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{"status": "healthy"})
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, r *http.Request) {
		h := health()
		why := slices.Clone(h.NotReady)
		if r.URL.Query().Has("calls") {
			for i := range h.Blocked {
				b := h.Blocked[i]
				b.Why = b.Cause
				why = append(why, b.String())
			}
			why = append(why, h.NoCalls...)
		}
		for i := range why {
			why[i] = h.Public(why[i])
		}
		h.Notes = slices.Clone(h.Notes)
		for i := range h.Notes {
			h.Notes[i] = h.Public(h.Notes[i])
		}
		body := map[string]any{"status": "ready"}
		code := http.StatusOK
		if len(why) > 0 {
			code, body["status"], body["why"] = http.StatusServiceUnavailable, "not ready", why
		}
		if len(h.Notes) > 0 {
			body["notes"] = h.Notes
		}
		answer(w, code, body)
	})
}

// NotReady returns why the daemon is not ready, as GET /-/ready answers; nil: it is.
func (c *Client) NotReady(ctx context.Context) (why []string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://chertd/-/ready", nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err // without the URL, which the user did not write
		}
		return nil, &UnreachableError{Socket: c.dialer.socket, Err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, &UnreachableError{Socket: c.dialer.socket, Err: err}
	}
	var body struct{ Why []string }
	err = json.Unmarshal(text, &body)
	switch {
	case err == nil && resp.StatusCode == http.StatusOK:
		return nil, nil
	case err == nil && resp.StatusCode == http.StatusServiceUnavailable && len(body.Why) > 0:
		return body.Why, nil
	}
	return nil, fmt.Errorf("the daemon answered with status %d: %.200s", resp.StatusCode, text)
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	var text bytes.Buffer
	_ = json.NewEncoder(&text).Encode(body)        // strings, numbers and times can't fail
	_, _ = w.Write(diag.VisibleJSON(text.Bytes())) // if it fails, the client has gone
}

package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Limits of the quarantine's routes.
const (
	// QuarantineShown is how many deliveries GET quarantine returns by default, and
	// MaxQuarantineShown at most.
	QuarantineShown    = 20
	MaxQuarantineShown = 1000
	// MaxQuarantineIDs is how many a request may name.
	MaxQuarantineIDs = 1000
)

// Quarantine is the answer to GET quarantine.
type Quarantine struct {
	Total      int64                 `json:"total"`
	Quarantine []QuarantinedDelivery `json:"quarantine"` // the newest first
}

// QuarantinedDelivery is a delivery with a valid signature that could not be understood.
type QuarantinedDelivery struct {
	ID       int64     `json:"id"`
	Received time.Time `json:"received"`
	Source   string    `json:"source"`
	Reason   string    `json:"reason"`
	Bytes    int       `json:"bytes"`
	// Truncated reports that the delivery was too long: only its first Bytes are stored.
	Truncated bool              `json:"truncated,omitempty"`
	Header    map[string]string `json:"header,omitempty"`
	// Body has the delivery, if it was requested and is UTF-8. Otherwise BodyBase64 has it.
	Body       string `json:"body,omitempty"`
	BodyBase64 []byte `json:"body_base64,omitempty"`
}

// QuarantineRequest is the body of POST quarantine/retry and POST quarantine/drop: ids, or
// all.
type QuarantineRequest struct {
	IDs []int64 `json:"ids,omitempty"`
	All bool    `json:"all,omitempty"`
}

// QuarantineRetried is the answer to POST quarantine/retry.
type QuarantineRetried struct {
	Events int `json:"events"` // are handled now
	Known  int `json:"known"`  // were events already
	// Stay is how many are still not understood, and Still has the first of them, with the
	// reasons, at most MaxQuarantineShown.
	Stay  int                `json:"stay"`
	Still []StillQuarantined `json:"still,omitempty"`
}

// StillQuarantined is a delivery that stays in quarantine, and why.
type StillQuarantined struct {
	ID     int64  `json:"id"`
	Reason string `json:"reason"`
}

// QuarantineDropped is the answer to POST quarantine/drop.
type QuarantineDropped struct {
	Dropped int `json:"dropped"`
}

func (a *api) quarantine(r *http.Request) (any, error) {
	q := r.URL.Query()
	limit := QuarantineShown
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > MaxQuarantineShown {
			return nil, &UserError{Message: fmt.Sprintf("limit: expected 1 to %d, got %.20q", MaxQuarantineShown, text)}
		}
		limit = n
	}
	bodies, err := flag(q, "bodies", false)
	if err != nil {
		return nil, err
	}
	return a.daemon.Quarantined(r.Context(), limit, bodies)
}

func (a *api) retryQuarantined(r *http.Request) (any, error) {
	in, err := quarantineRequest(r)
	if err != nil {
		return nil, err
	}
	return a.daemon.RetryQuarantined(r.Context(), in)
}

func (a *api) dropQuarantined(r *http.Request) (any, error) {
	in, err := quarantineRequest(r)
	if err != nil {
		return nil, err
	}
	return a.daemon.DropQuarantined(r.Context(), in)
}

func quarantineRequest(r *http.Request) (in QuarantineRequest, err error) {
	if err := decode(r, &in); err != nil {
		return in, err
	}
	switch {
	case in.All == (len(in.IDs) > 0):
		return in, &UserError{Message: "which deliveries: give their ids, or all", Hint: "chertd quarantine lists them"}
	case len(in.IDs) > MaxQuarantineIDs:
		return in, &UserError{Message: fmt.Sprintf("%d ids are more than %d", len(in.IDs), MaxQuarantineIDs), Hint: "use all, or several requests"}
	}
	return in, nil
}

// Quarantine returns the newest deliveries in quarantine.
func (c *Client) Quarantine(ctx context.Context, limit int, bodies bool) (q Quarantine, err error) {
	v := url.Values{"limit": {strconv.Itoa(limit)}}
	if bodies {
		v.Set("bodies", "1")
	}
	return q, c.ask(ctx, http.MethodGet, "/quarantine?"+v.Encode(), nil, &q)
}

// RetryQuarantined takes deliveries in again.
func (c *Client) RetryQuarantined(ctx context.Context, in QuarantineRequest) (out QuarantineRetried, err error) {
	return out, c.ask(ctx, http.MethodPost, "/quarantine/retry", in, &out)
}

// DropQuarantined removes deliveries from the quarantine.
func (c *Client) DropQuarantined(ctx context.Context, in QuarantineRequest) (out QuarantineDropped, err error) {
	return out, c.ask(ctx, http.MethodPost, "/quarantine/drop", in, &out)
}

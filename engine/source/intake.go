package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/engine/wait"
	"chertd/luabind/diag"
	"chertd/rules/turn"
)

// Delivery is one event as a source has received it: an envelope, or a row of the events
// log.
type Delivery struct {
	Body     []byte
	Hints    event.Hints // what its headers say
	Source   string      // event.SourceWebhook …
	Received time.Time

	// For the quarantine, if it can't be understood.
	Truncated bool              // Body is only the beginning of what came
	Place     string            // for people, such as "line 12"; may be empty
	Header    map[string]string // without signatures, cookies and tokens
}

// Intake takes in the deliveries of all sources: it decodes them, and stores each as an
// event or, if it can't be understood or belongs to another tenant, in quarantine. Its
// methods may be called from many goroutines.
type Intake struct {
	Tenant string // events of other tenants are quarantined; empty: none are
	// Ingest makes arrivals durable, and returns a receipt for each.
	Ingest func(context.Context, []turn.Arrival) ([]store.Receipt, error)
	// Quarantine makes a delivery durable that can't be understood. Its error is
	// store.ErrInQuarantine if that is known already.
	Quarantine func(context.Context, store.Quarantined) error
	Now        func() time.Time
	Log        *slog.Logger
	Lags       *Lags // measures how long new events were under way; nil: it is not measured
}

const (
	// maxDelivery is the largest delivery from a source without a limit of its own, in
	// bytes. A larger one is quarantined, truncated by one byte beyond it.
	maxDelivery = 1 << 20
	// maxBatch is how many deliveries are journaled together.
	maxBatch = 256
	// intakeRetry is how long to wait after the store failed.
	intakeRetry = time.Second
)

// Taken counts what became of deliveries.
type Taken struct{ Events, Known, Quarantined int }

func (t *Taken) add(u Taken) {
	t.Events += u.Events
	t.Known += u.Known
	t.Quarantined += u.Quarantined
}

// decode decodes a delivery, or returns why it must be quarantined. Then the event has an
// id if one is known.
func (in *Intake) decode(d *Delivery) (e event.Event, reason string) {
	e, err := event.Decode(d.Body, d.Hints)
	if err != nil {
		return e, err.Error()
	}
	e.Source = d.Source
	return e, OtherTenant(&e, in.Tenant)
}

// OtherTenant returns why an event is quarantined that belongs to another tenant than
// this one; "" if it does not. An event or a configuration without a tenant matches
// any.
func OtherTenant(e *event.Event, tenant string) string {
	if tenant == "" || e.Tenant == "" || e.Tenant == tenant {
		return ""
	}
	return fmt.Sprintf("partner_id: of tenant %q, this is %q", clip(e.Tenant), tenant)
}

// quarantine stores a delivery that can't be understood. One that is stored already is known.
func (in *Intake) quarantine(ctx context.Context, d *Delivery, reason string) (known bool, err error) {
	if d.Place != "" {
		reason = d.Place + ": " + reason
	}
	q := store.Quarantined{Received: d.Received, Source: d.Source, Reason: reason, Header: d.Header, Body: d.Body, Truncated: d.Truncated}
	if !d.Truncated { // another source may bring all of it
		q.Event = event.IdentityOf(d.Body, d.Hints)
	}
	err = in.Quarantine(ctx, q)
	switch {
	case errors.Is(err, store.ErrInQuarantine):
		return true, nil
	case err == nil:
		in.Log.Warn("delivery quarantined", "source", d.Source, "reason", reason)
	}
	return false, err
}

// Take stores deliveries in their order. While the store fails it retries, so that none is
// lost: its error is that of ctx.
func (in *Intake) Take(ctx context.Context, deliveries []Delivery) (taken Taken, err error) {
	for len(deliveries) > 0 {
		n := min(len(deliveries), maxBatch)
		t, err := in.takeBatch(ctx, deliveries[:n])
		taken.add(t)
		if err != nil {
			return taken, err
		}
		deliveries = deliveries[n:]
	}
	return taken, nil
}

func (in *Intake) takeBatch(ctx context.Context, deliveries []Delivery) (taken Taken, err error) {
	var arrivals []turn.Arrival
	for i := range deliveries {
		d := &deliveries[i]
		var e event.Event
		reason := fmt.Sprintf("longer than %d bytes", maxDelivery)
		if len(d.Body) <= maxDelivery {
			e, reason = in.decode(d)
		}
		if reason == "" {
			arrivals = append(arrivals, turn.Arrival{Event: e, Received: d.Received})
			continue
		}
		known := false
		err := in.insist(ctx, func() (err error) {
			known, err = in.quarantine(ctx, d, reason)
			return err
		})
		switch {
		case err != nil:
			return taken, err
		case known:
			taken.Known++
		default:
			taken.Quarantined++
		}
	}
	if len(arrivals) == 0 {
		return taken, nil
	}
	err = in.insist(ctx, func() error {
		receipts, err := in.Ingest(ctx, arrivals)
		for i, r := range receipts {
			if r.Duplicate {
				taken.Known++
			} else {
				taken.Events++
				in.Lags.note(arrivals[i].Event.At)
			}
		}
		return err
	})
	return taken, err
}

// insist retries do until it succeeds or ctx ends.
func (in *Intake) insist(ctx context.Context, do func() error) error {
	for logged := false; ; logged = true {
		err := do()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if !logged {
			in.Log.Error("could not store events; retrying every second", "err", err, "hint", diag.StoreHint)
		}
		if !wait.For(ctx, intakeRetry) {
			return ctx.Err()
		}
	}
}

package engine

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/source"
	"chertd/engine/store"
	"chertd/rules/turn"
)

// quarantineBatch is how many deliveries are taken in again together.
const quarantineBatch = 64

// Quarantined implements control.Daemon.
func (m *manager) Quarantined(ctx context.Context, limit int, bodies bool) (control.Quarantine, error) {
	out := control.Quarantine{Quarantine: []control.QuarantinedDelivery{}}
	stats, err := m.store.Stats(ctx)
	if err != nil {
		return out, err
	}
	out.Total = stats.Quarantined
	list, err := m.store.Quarantined(ctx, limit)
	if err != nil {
		return out, err
	}
	for i := range list {
		q := &list[i]
		d := control.QuarantinedDelivery{ID: q.ID, Received: q.Received, Source: q.Source, Reason: q.Reason, Bytes: len(q.Body), Truncated: q.Truncated, Header: q.Header}
		switch body := q.Body; {
		case !bodies:
		case utf8.Valid(body):
			d.Body = string(body)
		default:
			d.BodyBase64 = body
		}
		out.Quarantine = append(out.Quarantine, d)
	}
	return out, nil
}

// RetryQuarantined implements control.Daemon. What is understood now is journaled, and
// then removed from the quarantine: a crash in between journals it once.
func (m *manager) RetryQuarantined(ctx context.Context, in control.QuarantineRequest) (out control.QuarantineRetried, err error) {
	err = m.eachQuarantined(ctx, in, func(list []store.Quarantined) error {
		var arrivals []turn.Arrival
		var gone []int64
		for i := range list {
			q := &list[i]
			ev, reason := m.decodeQuarantined(q)
			if reason != "" {
				if out.Stay++; len(out.Still) < control.MaxQuarantineShown {
					out.Still = append(out.Still, control.StillQuarantined{ID: q.ID, Reason: reason})
				}
				continue
			}
			arrivals = append(arrivals, turn.Arrival{Event: ev, Received: q.Received})
			gone = append(gone, q.ID)
		}
		if len(arrivals) == 0 {
			return nil
		}
		receipts, err := m.eng.Ingest(ctx, arrivals)
		if err != nil {
			return fmt.Errorf("journal deliveries of the quarantine: %w", err)
		}
		for _, r := range receipts {
			if r.Duplicate {
				out.Known++
			} else {
				out.Events++
			}
		}
		return m.store.DropQuarantined(ctx, gone)
	})
	m.log.Info("deliveries in quarantine retried by command", "events", out.Events, "known", out.Known, "stay", out.Stay)
	return out, err
}

// decodeQuarantined decodes a delivery as its source did, or returns why it can't.
func (m *manager) decodeQuarantined(q *store.Quarantined) (event.Event, string) {
	if q.Truncated {
		return event.Event{}, q.Reason + ": only its beginning is stored"
	}
	ev, err := event.Decode(q.Body, source.HintsOf(q.Header))
	if err != nil {
		return ev, err.Error()
	}
	ev.Source = q.Source
	return ev, source.OtherTenant(&ev, m.tenant)
}

// DropQuarantined implements control.Daemon.
func (m *manager) DropQuarantined(ctx context.Context, in control.QuarantineRequest) (out control.QuarantineDropped, err error) {
	err = m.eachQuarantined(ctx, in, func(list []store.Quarantined) error {
		var ids []int64
		for i := range list {
			ids = append(ids, list[i].ID)
		}
		if err := m.store.DropQuarantined(ctx, ids); err != nil {
			return err
		}
		out.Dropped += len(ids)
		return nil
	})
	m.log.Info("deliveries dropped from the quarantine by command", "dropped", out.Dropped)
	return out, err
}

// eachQuarantined calls do with the deliveries that a request names, oldest first, in
// batches. If one of its ids is not in quarantine, it does nothing.
func (m *manager) eachQuarantined(ctx context.Context, in control.QuarantineRequest, do func([]store.Quarantined) error) error {
	if in.All {
		newest, err := m.store.Quarantined(ctx, 1) // those that come meanwhile stay
		if err != nil || len(newest) == 0 {
			return err
		}
		for after := int64(0); after < newest[0].ID; {
			list, err := m.store.QuarantinedAfter(ctx, after, quarantineBatch)
			if err != nil || len(list) == 0 {
				return err
			}
			after = list[len(list)-1].ID
			list = slices.DeleteFunc(list, func(q store.Quarantined) bool { return q.ID > newest[0].ID })
			if err := do(list); err != nil {
				return err
			}
		}
		return nil
	}
	ids := slices.Compact(slices.Sorted(slices.Values(in.IDs)))
	one := func(id int64) (store.Quarantined, bool, error) {
		list, err := m.store.QuarantinedAfter(ctx, id-1, 1)
		if err != nil || len(list) == 0 || list[0].ID != id {
			return store.Quarantined{}, false, err
		}
		return list[0], true, nil
	}
	var unknown []string
	for _, id := range ids {
		_, ok, err := one(id)
		if err != nil {
			return err
		}
		if !ok {
			unknown = append(unknown, fmt.Sprint(id))
		}
	}
	if len(unknown) > 0 {
		return &control.UserError{
			Status: http.StatusNotFound, Message: "not in quarantine: " + strings.Join(unknown[:min(len(unknown), 10)], ", ") + "; nothing was done",
			Hint: "chertd quarantine lists the ids",
		}
	}
	for _, id := range ids {
		q, ok, err := one(id)
		if err != nil {
			return err
		}
		if ok {
			if err := do([]store.Quarantined{q}); err != nil {
				return err
			}
		}
	}
	return nil
}

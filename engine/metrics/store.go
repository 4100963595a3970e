package metrics

import (
	"context"
	"time"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// timed is a store whose writes are timed.
type timed struct {
	store.Store
	m *Metrics
}

// Timed returns a store that does the same, and times what it makes durable.
func (m *Metrics) Timed(s store.Store) store.Store { return &timed{s, m} }

// Append implements store.Store.
func (t *timed) Append(ctx context.Context, arrivals []turn.Arrival) ([]store.Receipt, error) {
	began := time.Now()
	receipts, err := t.Store.Append(ctx, arrivals)
	t.m.append.Observe(time.Since(began).Seconds())
	return receipts, err
}

// Commit implements store.Store.
func (t *timed) Commit(ctx context.Context, transitions []turn.Transition) error {
	began := time.Now()
	err := t.Store.Commit(ctx, transitions)
	t.m.write.Observe(time.Since(began).Seconds())
	return err
}

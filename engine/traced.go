package engine

import (
	"context"
	"math/rand/v2"
	"time"

	"chertd/engine/tracing"
	"chertd/rules/turn"
)

// How long a stop waits for traces: until they are complete, while the store is open, and until they
// are sent, while servers shut down.
const (
	finishTraces = 500 * time.Millisecond
	sendTraces   = closeTime
)

// startTraces starts the recorder of traces, if they are on. stop completes what is recorded, as long
// as the store is open, and returns what sends it.
func (d *Daemon) startTraces(m *manager) (stop func() (send func())) {
	if d.Traces.URL == "" {
		return func() func() { return func() {} }
	}
	c := d.Traces
	c.Tenant, c.BaseURL, c.Version, c.Now, c.Jitter, c.Log = d.API.Tenant, d.API.BaseURL, d.Version, d.Now, rand.Float64, d.Log
	m.traces = tracing.Start(c, m.store)
	return func() func() {
		ctx, cancel := context.WithTimeout(context.Background(), finishTraces)
		defer cancel()
		m.traces.Finish(ctx)
		return func() {
			ctx, cancel := context.WithTimeout(context.Background(), sendTraces)
			defer cancel()
			m.traces.Close(ctx)
		}
	}
}

// journaled reports entries that are durable to the recorder of traces.
func (m *manager) journaled(entries []turn.Entry) {
	if m.traces != nil {
		m.traces.Journaled(entries)
	}
}

// traced reports an observation to the recorder of traces.
func (m *manager) traced(o Observation) {
	switch {
	case o.Handled != nil:
		h := o.Handled
		m.traces.Handled(h.Entry, h.Decision, h.Actions, func() string { return outcomeOf(h) })
	case o.Rerun != nil:
		m.traces.Rerun(o.Rerun.Entry, o.Rerun.Decision, o.Rerun.Actions)
	case o.Attempt != nil:
		m.traces.Called(o.Attempt)
	case o.Ended != nil:
		m.traces.Ended(o.Ended)
	}
}

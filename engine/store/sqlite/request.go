package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// request is what one call changes, encoded.
type request struct {
	doing  string // for errors
	weight int    // rows
	bytes  int    // in them, about
	steps  []step
	state  atomic.Int32 // requestWaits, then one of the others
	answer chan error   // holds one
	tries  bool         // it first tests whether the store accepts events
	late   bool         // it writes all that is late
	ticks  bool         // it is made every second

	receipts []store.Receipt // of the first step's arrivals or its delivery for the quarantine, once answered
}

const (
	requestWaits int32 = iota
	requestBegun
	requestWithdrawn
)

// step is one transition of a request, or all of a request of another method.
type step struct {
	reads    []turn.KV
	writes   []turn.KV
	quotas   []turn.Quota
	changes  []change
	decision *decisionRow  // nil: it handles no event
	actions  []chat.Action // of events that were handled before
	chat     *chatRow      // nil: it changes none
	arrivals []arrival
	early    []earlyRow
}

// change is one statement to run.
type change struct {
	what   *statement
	args   []driver.Value
	counts count // what the rows that it adds are; countNone: they are not counted
}

func newRequest(doing string, steps ...step) *request {
	r := &request{doing: doing, steps: steps, answer: make(chan error, 1)}
	for i := range steps {
		s := &steps[i]
		r.weight += len(s.changes) + len(s.actions) + len(s.writes) + 2*len(s.arrivals) + len(s.early)
		if s.decision != nil {
			r.weight++
			r.bytes += bytesIn(s.decision.args)
		}
		if s.chat != nil {
			r.weight++
			r.bytes += len(s.chat.state)
		}
		for j := range s.changes {
			r.bytes += bytesIn(s.changes[j].args)
		}
		for j := range s.writes {
			r.bytes += len(s.writes[j].Key) + len(s.writes[j].Value)
		}
		for j := range s.early {
			r.bytes += bytesIn(s.early[j].row)
		}
		for j := range s.arrivals {
			r.bytes += bytesIn(s.arrivals[j].row)
		}
	}
	return r
}

// bytesIn returns the total length of the strings among arguments.
func bytesIn(args []driver.Value) (n int) {
	for _, v := range args {
		switch v := v.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		}
	}
	return n
}

// takesIn reports whether a request stores a delivery.
func (r *request) takesIn() bool {
	return slices.ContainsFunc(r.steps, func(s step) bool {
		return len(s.arrivals)+len(s.early) > 0 || slices.ContainsFunc(s.changes, func(c change) bool { return c.what == insertQuarantine })
	})
}

// writes reports whether a group has anything to write.
func writes(group []*request) bool {
	return slices.ContainsFunc(group, func(r *request) bool { return r.weight > 0 })
}

// arrivals returns how many entries a group can add to the journal.
func arrivals(group []*request) (n int) {
	for _, r := range group {
		for i := range r.steps {
			n += len(r.steps[i].arrivals)
		}
	}
	return n
}

func (r *request) failed(err error) error {
	if err == nil || errors.Is(err, store.ErrConflict) {
		return err
	}
	return fmt.Errorf("%s: %w", r.doing, err)
}

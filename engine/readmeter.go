package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/turn"
)

// readMeters enforces limits.reads over all shards. A call takes a place in the
// batch that hands it out, and the place is durable before the call is on the wire, so
// that no crash makes the count smaller. Counts are numbered, as a call that ends in the
// millisecond in which another count begins could belong to either by its time.
type readMeters struct {
	mu     sync.Mutex
	limits turn.Limits
	meters map[rules.Meter]*readMeter

	// withLimit are the meters that have a limit. It is read without mu, as reserve holds
	// that during writes to the store.
	withLimit atomic.Pointer[map[rules.Meter]bool]
}

type readMeter struct {
	name   rules.Meter
	meter  *rules.ReadMeter
	count  int64 // number of the current count, from 0
	loaded bool  // the meter has the calls that an earlier process counted
	begins bool  // the next count has begun, and the store does not have it yet

	out map[rules.Place]bool // of calls in flight
	// awaited are the calls that were in flight when a read found no place. The limit counts
	// as reached once they have ended: shadow mode drops what is not on the wire yet, and
	// they are within the limit. nil: none are awaited.
	awaited map[rules.Place]bool
}

func (m *readMeters) of(name rules.Meter) *readMeter {
	if m.meters == nil {
		m.meters = map[rules.Meter]*readMeter{}
	}
	if m.meters[name] == nil {
		m.meters[name] = &readMeter{name: name, meter: m.limits.Meter(name), out: map[rules.Place]bool{}}
	}
	return m.meters[name]
}

// limit sets the limit of a meter. If it was raised, a count begins: see begin.
func (m *readMeters) limit(name rules.Meter, limit rules.Rate) (raised bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if limit.N == 0 && m.meters[name] == nil {
		return false
	}
	r := m.of(name)
	was := r.meter.Limit
	r.meter.Limit = limit
	if limit.N == 0 {
		r.awaited = nil
	}
	m.noteLimited(name, limit.N > 0)
	if raised = was.N > 0 && limit.N > 0 && limit.Raised(was); raised {
		r.forget()
	}
	return raised
}

// limited reports whether one of the meters has a limit.
func (m *readMeters) limited(meters []rules.Meter) bool {
	with := m.withLimit.Load()
	return with != nil && slices.ContainsFunc(meters, func(name rules.Meter) bool { return (*with)[name] })
}

// noteLimited notes for limited whether a meter has a limit. It is called with mu held.
func (m *readMeters) noteLimited(name rules.Meter, limited bool) {
	with := map[rules.Meter]bool{}
	if was := m.withLimit.Load(); was != nil {
		maps.Copy(with, *was)
	}
	with[name] = limited
	m.withLimit.Store(&with)
}

// forget resets a count to zero: another count begins, see begin.
func (m *readMeters) forget(name rules.Meter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.meters[name]; r != nil && r.meter.Limit.N > 0 {
		r.forget()
	}
}

// begin stores that a count begins. Until it has succeeded, reserve tries it before it
// hands out a place.
func (m *readMeters) begin(ctx context.Context, st store.Store, name rules.Meter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.meters[name]; r != nil && r.meter.Limit.N > 0 {
		return r.load(ctx, st)
	}
	return nil
}

// current reports whether the count of a meter is still the one with a number.
func (m *readMeters) current(name rules.Meter, count int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.meters[name]
	return r != nil && r.count == count && !r.begins
}

// reserve takes a place for a call in each of the meters, or in none. It returns the places,
// the meters that have none left, and the rows to store.
func (m *readMeters) reserve(ctx context.Context, st store.Store, meters []rules.Meter, now time.Time) (got []turn.Place, full []turn.Full, keep []rules.ReadCall, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range meters {
		if m.limits.Limited(name) {
			if err := m.of(name).load(ctx, st); err != nil {
				return nil, nil, nil, err
			}
		}
	}
	got, full = m.limits.Reserve(meters, now)
	for _, p := range got {
		r := m.of(p.Meter)
		r.out[p.At] = true
		keep = append(keep, r.kept(p, now))
	}
	return got, full, keep, nil
}

// reached notes that a read found no place. It returns the limit if it is reached now; else
// ended returns it.
func (m *readMeters) reached(name rules.Meter) *Limited {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(name)
	if r.awaited != nil || r.meter.Limit.N == 0 {
		return nil
	}
	r.awaited = maps.Clone(r.out)
	return r.limited()
}

// kept returns the rows to store for places whose call has ended.
func (m *readMeters) kept(places []turn.Place, now time.Time, made bool) (keep []rules.ReadCall) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range places {
		call := m.of(p.Meter).kept(p, now)
		if !made {
			call.At = time.Time{}
		}
		keep = append(keep, call)
	}
	return keep
}

// ended notes that the call of the places has ended, or was not handed out. It returns the
// limits that are reached by that.
func (m *readMeters) ended(places []turn.Place, now time.Time, made bool) (reached []*Limited) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limits.Ended(places, now, made)
	for _, p := range places {
		r := m.of(p.Meter)
		delete(r.out, p.At)
		if r.awaited == nil {
			continue
		}
		delete(r.awaited, p.At)
		if l := r.limited(); l != nil {
			reached = append(reached, l)
		}
	}
	return reached
}

// limited returns the limit if no call is awaited any more.
func (r *readMeter) limited() *Limited {
	if len(r.awaited) > 0 {
		return nil
	}
	r.awaited = nil
	return &Limited{Meter: r.name, Limit: r.meter.Limit, count: r.count}
}

// forget begins another count in memory. Calls in flight count in it.
func (r *readMeter) forget() {
	r.meter.Forget()
	r.begins, r.awaited = true, nil
}

// load reads the count of an earlier process from the store, and stores a count that
// begins.
func (r *readMeter) load(ctx context.Context, st store.Store) error {
	known := true
	if !r.loaded {
		was, err := st.ReadCount(ctx, r.name.Key())
		if err != nil {
			return fmt.Errorf("read the count of the reads of pack %q: %w", r.name.Key(), err)
		}
		r.count = was.Count
		known = was.Limit != (rules.Rate{})
		r.begins = r.begins || known && r.meter.Limit.Raised(was.Limit) // while no process ran
		for _, call := range was.Calls {
			if call.Count == r.count && !r.begins {
				r.meter.Restore(call.Place, call.At)
			}
		}
	}
	if r.begins || !known {
		next := rules.ReadCount{Pack: r.name.Key(), Count: r.count, Limit: r.meter.Limit}
		if r.begins {
			next.Count++
		}
		if err := st.Commit(ctx, []turn.Transition{{ReadCounts: []rules.ReadCount{next}}}); err != nil {
			return fmt.Errorf("store the limit of the reads of pack %q: %w", r.name.Key(), err)
		}
		r.count, r.begins = next.Count, false
	}
	r.loaded = true
	return nil
}

// kept returns the row to store for a place whose call was made, or has ended, now.
func (r *readMeter) kept(p turn.Place, now time.Time) rules.ReadCall {
	return rules.ReadCall{Pack: r.name.Key(), Place: p.At, Count: r.count, At: now}
}

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

// readMeters enforces limits.reads of packs over all shards. A call takes a place in the
// batch that hands it out, and the place is durable before the call is on the wire, so
// that no crash makes the count smaller. Counts are numbered, as a call that ends in the
// millisecond in which another count begins could belong to either by its time.
type readMeters struct {
	mu     sync.Mutex
	limits turn.Limits
	packs  map[string]*readMeter

	// withLimit are the packs that have a limit. It is read without mu, as reserve holds
	// that during writes to the store.
	withLimit atomic.Pointer[map[string]bool]
}

type readMeter struct {
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

func (m *readMeters) of(pack string) *readMeter {
	if m.packs == nil {
		m.packs = map[string]*readMeter{}
	}
	if m.packs[pack] == nil {
		m.packs[pack] = &readMeter{meter: m.limits.Meter(pack), out: map[rules.Place]bool{}}
	}
	return m.packs[pack]
}

// limit sets a pack's limit. If it was raised, a count begins: see begin.
func (m *readMeters) limit(pack string, limit rules.Rate) (raised bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if limit.N == 0 && m.packs[pack] == nil {
		return false
	}
	r := m.of(pack)
	was := r.meter.Limit
	r.meter.Limit = limit
	if limit.N == 0 {
		r.awaited = nil
	}
	m.noteLimited(pack, limit.N > 0)
	if raised = was.N > 0 && limit.N > 0 && limit.Raised(was); raised {
		r.forget()
	}
	return raised
}

// limited reports whether one of the packs has a limit.
func (m *readMeters) limited(packs []string) bool {
	with := m.withLimit.Load()
	return with != nil && slices.ContainsFunc(packs, func(pack string) bool { return (*with)[pack] })
}

// noteLimited notes for limited whether a pack has a limit. It is called with mu held.
func (m *readMeters) noteLimited(pack string, limited bool) {
	with := map[string]bool{}
	if was := m.withLimit.Load(); was != nil {
		maps.Copy(with, *was)
	}
	with[pack] = limited
	m.withLimit.Store(&with)
}

// forget resets the count of a pack to zero: another count begins, see begin.
func (m *readMeters) forget(pack string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.packs[pack]; r != nil && r.meter.Limit.N > 0 {
		r.forget()
	}
}

// begin stores that a count of a pack begins. Until it has succeeded, reserve tries it
// before it hands out a place.
func (m *readMeters) begin(ctx context.Context, st store.Store, pack string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.packs[pack]; r != nil && r.meter.Limit.N > 0 {
		return r.load(ctx, st, pack)
	}
	return nil
}

// current reports whether a pack's count is still the one with a number.
func (m *readMeters) current(pack string, count int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.packs[pack]
	return r != nil && r.count == count && !r.begins
}

// reserve takes a place for a call in the meter of each of the packs, or in none. It
// returns the places, the packs that have none left, and the rows to store.
func (m *readMeters) reserve(ctx context.Context, st store.Store, packs []string, now time.Time) (got []turn.Place, full []turn.Full, keep []rules.ReadCall, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pack := range packs {
		if m.limits.Limited(pack) {
			if err := m.of(pack).load(ctx, st, pack); err != nil {
				return nil, nil, nil, err
			}
		}
	}
	got, full = m.limits.Reserve(packs, now)
	for _, p := range got {
		r := m.of(p.Pack)
		r.out[p.At] = true
		keep = append(keep, r.kept(p, now))
	}
	return got, full, keep, nil
}

// reached notes that a read of a pack found no place. It returns the limit if it is reached
// now; else ended returns it.
func (m *readMeters) reached(pack string) *Limited {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(pack)
	if r.awaited != nil || r.meter.Limit.N == 0 {
		return nil
	}
	r.awaited = maps.Clone(r.out)
	return r.limited(pack)
}

// kept returns the rows to store for places whose call has ended.
func (m *readMeters) kept(places []turn.Place, now time.Time, made bool) (keep []rules.ReadCall) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range places {
		call := m.of(p.Pack).kept(p, now)
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
		r := m.of(p.Pack)
		delete(r.out, p.At)
		if r.awaited == nil {
			continue
		}
		delete(r.awaited, p.At)
		if l := r.limited(p.Pack); l != nil {
			reached = append(reached, l)
		}
	}
	return reached
}

// limited returns the limit if no call is awaited any more.
func (r *readMeter) limited(pack string) *Limited {
	if len(r.awaited) > 0 {
		return nil
	}
	r.awaited = nil
	return &Limited{Pack: pack, Limit: r.meter.Limit, count: r.count}
}

// forget begins another count in memory. Calls in flight count in it.
func (r *readMeter) forget() {
	r.meter.Forget()
	r.begins, r.awaited = true, nil
}

// load reads the count of an earlier process from the store, and stores a count that
// begins.
func (r *readMeter) load(ctx context.Context, st store.Store, pack string) error {
	known := true
	if !r.loaded {
		was, err := st.ReadCount(ctx, pack)
		if err != nil {
			return fmt.Errorf("read the count of the reads of pack %q: %w", pack, err)
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
		next := rules.ReadCount{Pack: pack, Count: r.count, Limit: r.meter.Limit}
		if r.begins {
			next.Count++
		}
		if err := st.Commit(ctx, []turn.Transition{{ReadCounts: []rules.ReadCount{next}}}); err != nil {
			return fmt.Errorf("store the limit of the reads of pack %q: %w", pack, err)
		}
		r.count, r.begins = next.Count, false
	}
	r.loaded = true
	return nil
}

// kept returns the row to store for a place whose call was made, or has ended, now.
func (r *readMeter) kept(p turn.Place, now time.Time) rules.ReadCall {
	return rules.ReadCall{Pack: p.Pack, Place: p.At, Count: r.count, At: now}
}

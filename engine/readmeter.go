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
}

func (m *readMeters) of(pack string) *readMeter {
	if m.packs == nil {
		m.packs = map[string]*readMeter{}
	}
	if m.packs[pack] == nil {
		m.packs[pack] = &readMeter{meter: m.limits.Meter(pack)}
	}
	return m.packs[pack]
}

// limit sets a pack's limit, and reports whether it was raised.
func (m *readMeters) limit(pack string, limit rules.Rate) (raised bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if limit.N == 0 && m.packs[pack] == nil {
		return false
	}
	r := m.of(pack)
	was := r.meter.Limit
	r.meter.Limit = limit
	m.noteLimited(pack, limit.N > 0)
	return was.N > 0 && limit.N > 0 && limit.Raised(was)
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

// forget resets the count of a pack to zero.
func (m *readMeters) forget(ctx context.Context, st store.Store, pack string, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.packs[pack]
	if r == nil || r.meter.Limit.N == 0 {
		return nil
	}
	err := r.load(ctx, st, pack, now) // for the number of the count that ends
	r.meter.Forget()
	r.loaded = true
	r.count++
	if err == nil {
		err = st.Commit(ctx, []turn.Transition{{ReadCounts: []rules.ReadCount{r.state(pack)}}})
	}
	if err != nil {
		return fmt.Errorf("reset the count of the reads of pack %q: %w", pack, err)
	}
	return nil
}

// reserve takes a place for a call in the meter of each of the packs, or in none. It
// returns the places, the packs that have none left, and the rows to store.
func (m *readMeters) reserve(ctx context.Context, st store.Store, packs []string, now time.Time) (got []turn.Place, full []turn.Full, keep []rules.ReadCall, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pack := range packs {
		if m.limits.Limited(pack) {
			if err := m.of(pack).load(ctx, st, pack, now); err != nil {
				return nil, nil, nil, err
			}
		}
	}
	got, full = m.limits.Reserve(packs, now)
	for _, p := range got {
		keep = append(keep, m.of(p.Pack).kept(p, now))
	}
	return got, full, keep, nil
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

// ended notes that the call of the places has ended, or was not handed out.
func (m *readMeters) ended(places []turn.Place, now time.Time, made bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limits.Ended(places, now, made)
}

// load reads the count of an earlier process from the store.
func (r *readMeter) load(ctx context.Context, st store.Store, pack string, now time.Time) error {
	if r.loaded {
		return nil
	}
	was, err := st.ReadCount(ctx, pack)
	if err != nil {
		return fmt.Errorf("read the count of the reads of pack %q: %w", pack, err)
	}
	r.count = was.Count
	known := was.Limit != (rules.Rate{})
	raised := known && r.meter.Limit.Raised(was.Limit)
	if raised {
		r.count++ // while no process ran
	}
	for _, call := range was.Calls {
		if call.Count == r.count {
			r.meter.Restore(call.Place, call.At)
		}
	}
	if !known || raised {
		if err := st.Commit(ctx, []turn.Transition{{ReadCounts: []rules.ReadCount{r.state(pack)}}}); err != nil {
			return fmt.Errorf("store the limit of the reads of pack %q: %w", pack, err)
		}
	}
	r.loaded = true
	return nil
}

func (r *readMeter) state(pack string) rules.ReadCount {
	return rules.ReadCount{Pack: pack, Count: r.count, Limit: r.meter.Limit}
}

// kept returns the row to store for a place whose call was made, or has ended, now.
func (r *readMeter) kept(p turn.Place, now time.Time) rules.ReadCall {
	return rules.ReadCall{Pack: p.Pack, Place: p.At, Count: r.count, At: now}
}

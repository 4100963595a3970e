package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"chertd/engine/store"
	"chertd/rules"
)

// readMeters hold packs to their limits.reads over all shards. A place is taken
// in the batch that hands the call out, and is durable before the call is on
// the wire, so that no crash makes the count smaller. Counts are numbered: by
// their times alone, a call that ended in the millisecond in which another count
// began would be of either.
type readMeters struct {
	mu    sync.Mutex
	packs map[string]*readMeter
}

type readMeter struct {
	meter  rules.ReadMeter
	count  int64 // which is on, from 0
	loaded bool  // what an earlier process counted is in the meter
}

// taken is a place that a call has in a pack's meter.
type taken struct {
	pack  string
	place rules.Place
}

// fullMeter is one that has no place.
type fullMeter struct {
	limit rules.Rate
	until time.Time // then it may have one
}

func (m *readMeters) of(pack string) *readMeter {
	if m.packs == nil {
		m.packs = map[string]*readMeter{}
	}
	if m.packs[pack] == nil {
		m.packs[pack] = &readMeter{}
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
	return was.N > 0 && limit.N > 0 && limit.Raised(was)
}

// forget starts a pack's count again.
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
		err = st.Commit(ctx, []store.Transition{{ReadCounts: []store.ReadCount{r.state(pack)}}})
	}
	if err != nil {
		return fmt.Errorf("start the count of the reads of pack %q again: %w", pack, err)
	}
	return nil
}

// reserve takes a place for a call in the meter of each of the packs, or in
// none. It says which packs have none left, and what is to be kept.
func (m *readMeters) reserve(ctx context.Context, st store.Store, packs []string, now time.Time) (got []taken, full map[string]fullMeter, keep []store.ReadCall, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pack := range packs {
		r := m.packs[pack]
		if r == nil || r.meter.Limit.N == 0 {
			continue
		}
		if err = r.load(ctx, st, pack, now); err != nil {
			break
		}
		p, ok := r.meter.Reserve(now)
		if !ok {
			if full == nil {
				full = map[string]fullMeter{}
			}
			full[pack] = fullMeter{r.meter.Limit, r.meter.Free(now)}
			continue
		}
		got = append(got, taken{pack, p})
		keep = append(keep, r.kept(pack, p, now))
	}
	if len(full) > 0 || err != nil {
		m.giveBack(got, now)
		return nil, full, nil, err
	}
	return got, nil, keep, nil
}

// release gives places back whose call was not handed out.
func (m *readMeters) release(places []taken, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.giveBack(places, now)
}

func (m *readMeters) giveBack(places []taken, now time.Time) {
	for _, t := range places {
		m.of(t.pack).meter.Ended(t.place, now, false)
	}
}

// kept is what is to be kept of places whose call has ended.
func (m *readMeters) kept(places []taken, now time.Time, made bool) (keep []store.ReadCall) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range places {
		call := m.of(t.pack).kept(t.pack, t.place, now)
		if !made {
			call.At = time.Time{}
		}
		keep = append(keep, call)
	}
	return keep
}

// ended says that the call of the places has ended.
func (m *readMeters) ended(places []taken, now time.Time, made bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range places {
		m.of(t.pack).meter.Ended(t.place, now, made)
	}
}

// load reads what an earlier process has counted.
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
		if err := st.Commit(ctx, []store.Transition{{ReadCounts: []store.ReadCount{r.state(pack)}}}); err != nil {
			return fmt.Errorf("note the limit of the reads of pack %q: %w", pack, err)
		}
	}
	r.loaded = true
	return nil
}

func (r *readMeter) state(pack string) store.ReadCount {
	return store.ReadCount{Pack: pack, Count: r.count, Limit: r.meter.Limit}
}

// kept is a place as it is kept: its call was made, or has ended, now.
func (r *readMeter) kept(pack string, p rules.Place, now time.Time) store.ReadCall {
	return store.ReadCall{Pack: pack, Place: p, Count: r.count, At: now}
}

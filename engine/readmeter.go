package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
)

// readMeters hold packs to their limits.reads over all shards. A place is taken
// in the batch that hands the call out, and is durable before the call is on
// the wire, so that no crash makes the count smaller. What is kept stands in the
// kv of the pack "", which no pack can have: under "reads/PACK/N" when the call
// of place N was made, and under "reads/PACK" since when calls count.
type readMeters struct {
	mu    sync.Mutex
	packs map[string]*readMeter
}

type readMeter struct {
	meter  rules.ReadMeter
	loaded bool // what an earlier process counted is in the meter
}

// meterState is since when a pack's calls count, and under which limit they did.
type meterState struct {
	Since time.Time `json:"since"`
	Limit string    `json:"limit"`
	N     int       `json:"n"`
	Per   string    `json:"per"`
}

// taken is a place that a call has in a pack's meter.
type taken struct {
	pack  string
	place rules.Place
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
	r.meter.Forget()
	r.loaded = true
	err := st.Commit(ctx, []store.Transition{{Writes: []store.KV{r.state(pack, now)}}})
	if err != nil {
		return fmt.Errorf("start the count of the reads of pack %q again: %w", pack, err)
	}
	return nil
}

// reserve takes a place for a call in the meter of each of the packs, or in
// none. It says which packs have none left, and what is to be kept.
func (m *readMeters) reserve(ctx context.Context, st store.Store, packs []string, now time.Time) (got []taken, spent map[string]string, keep []store.KV, err error) {
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
			if spent == nil {
				spent = map[string]string{}
			}
			spent[pack] = r.meter.Reached()
			continue
		}
		got = append(got, taken{pack, p})
		keep = append(keep, keptPlace(pack, p, now, r.meter.Limit))
	}
	if len(spent) > 0 || err != nil {
		m.giveBack(got, now)
		return nil, spent, nil, err
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
func (m *readMeters) kept(places []taken, now time.Time, reached bool) (keep []store.KV) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range places {
		kv := keptPlace(t.pack, t.place, now, m.of(t.pack).meter.Limit)
		if !reached {
			kv.Value, kv.Expires = nil, time.Time{}
		}
		keep = append(keep, kv)
	}
	return keep
}

// ended says that the call of the places has ended.
func (m *readMeters) ended(places []taken, now time.Time, reached bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range places {
		m.of(t.pack).meter.Ended(t.place, now, reached)
	}
}

// reached reports whether the call of an answer may have reached someone: one
// that Chert refused did not.
func reached(a chat.Answer) bool { return !a.Unmade && (a.OK || a.Unknown) }

// load reads what an earlier process has counted.
func (r *readMeter) load(ctx context.Context, st store.Store, pack string, now time.Time) error {
	if r.loaded {
		return nil
	}
	var since time.Time
	state, err := st.KV(ctx, "", meterKey(pack), now)
	if err != nil {
		return fmt.Errorf("read the count of the reads of pack %q: %w", pack, err)
	}
	var was meterState
	if state.Value != nil && json.Unmarshal(state.Value, &was) == nil {
		since = was.Since
		per, _ := time.ParseDuration(was.Per)
		if r.meter.Limit.Raised(rules.Rate{N: was.N, Per: per}) {
			since = now // raised while no process ran
		}
	}
	list, err := st.KVList(ctx, "", meterKey(pack)+"/", now, 1<<20)
	if err != nil {
		return fmt.Errorf("read the reads of pack %q that count: %w", pack, err)
	}
	for _, kv := range list {
		var at time.Time
		var n int
		if _, err := fmt.Sscanf(strings.TrimPrefix(kv.Key, meterKey(pack)+"/"), "%d", &n); err != nil || n < 0 || n > 1<<20 {
			continue
		}
		if json.Unmarshal(kv.Value, &at) != nil || at.Before(since) {
			continue
		}
		r.meter.Restore(rules.Place(n), at)
	}
	if since.IsZero() || since.Equal(now) {
		if err := st.Commit(ctx, []store.Transition{{Writes: []store.KV{r.state(pack, since)}}}); err != nil {
			return fmt.Errorf("note the limit of the reads of pack %q: %w", pack, err)
		}
	}
	r.loaded = true
	return nil
}

func (r *readMeter) state(pack string, since time.Time) store.KV {
	l := r.meter.Limit
	value, err := json.Marshal(meterState{Since: since.UTC(), Limit: l.Words(), N: l.N, Per: l.Per.String()})
	if err != nil {
		panic(err) // no year beyond 9999 is reached
	}
	return store.KV{Key: meterKey(pack), Value: value}
}

func meterKey(pack string) string { return "reads/" + pack }

// keptPlace is a place as it is kept: a call that was made, or ended, now.
func keptPlace(pack string, p rules.Place, now time.Time, limit rules.Rate) store.KV {
	value, err := json.Marshal(now.UTC())
	if err != nil {
		panic(err)
	}
	return store.KV{Key: fmt.Sprintf("%s/%07d", meterKey(pack), p), Value: value, Expires: now.Add(limit.Per)}
}

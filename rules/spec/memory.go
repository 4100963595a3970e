package spec

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"chertd/rules"
)

// memory is what the packs of a World remember. It implements rules.Memory.
type memory struct {
	now    time.Time // of the event that is handled
	states map[stateKey]json.RawMessage
	kvs    map[kvKey]rules.Entry
	bytes  int64 // of kvs
	prune  int   // how many entries there may be before those that are over go
}

type stateKey struct{ pack, chat string }
type kvKey struct{ pack, key string }

// State implements rules.Memory.
func (m *memory) State(pack, chat string) (json.RawMessage, error) {
	return m.states[stateKey{pack, chat}], nil
}

// Get implements rules.Memory.
func (m *memory) Get(pack, key string) (rules.Entry, error) {
	e := m.kvs[kvKey{pack, key}]
	if m.over(e) {
		e = rules.Entry{}
	}
	e.Key = key
	return e, nil
}

// List implements rules.Memory.
func (m *memory) List(pack, prefix, after string, limit, bytes int) (page []rules.Entry, next string, err error) {
	for k, e := range m.kvs {
		if k.pack == pack && k.key > after && strings.HasPrefix(k.key, prefix) && !m.over(e) {
			page = append(page, e)
		}
	}
	slices.SortFunc(page, func(a, b rules.Entry) int { return strings.Compare(a.Key, b.Key) })
	size := 0
	for i := range page {
		if i == limit || i > 0 && size >= bytes {
			return page[:i], page[i-1].Key, nil
		}
		size += len(page[i].Value)
	}
	return page, "", nil
}

// Usage implements rules.Memory.
func (m *memory) Usage(pack string, without []string) (int64, error) {
	if len(without) == 0 {
		return m.bytes, nil // of all packs, and what is over: the most it can be
	}
	n := int64(0)
	for k, e := range m.kvs {
		if k.pack == pack && !m.over(e) && !slices.Contains(without, k.key) {
			n += e.Size()
		}
	}
	return n, nil
}

// keep remembers what a handler wrote.
func (m *memory) keep(o *rules.Outcome, chat string) {
	if o.StateSet && chat != "" {
		if m.states == nil {
			m.states = map[stateKey]json.RawMessage{}
		}
		m.states[stateKey{o.MemoryPack(), chat}] = o.State
	}
	for _, e := range o.Writes {
		if m.kvs == nil {
			m.kvs = map[kvKey]rules.Entry{}
		}
		k := kvKey{o.MemoryPack(), e.Key}
		old := m.kvs[k]
		m.bytes += e.Size() - old.Size()
		if e.Value == nil {
			delete(m.kvs, k)
			continue
		}
		e.Version = m.kvs[k].Version + 1
		m.kvs[k] = e
	}
	if len(m.kvs) > m.prune {
		maps.DeleteFunc(m.kvs, func(_ kvKey, e rules.Entry) bool {
			if m.over(e) {
				m.bytes -= e.Size()
			}
			return m.over(e)
		})
		m.prune = 2*len(m.kvs) + 1000
	}
}

func (m *memory) over(e rules.Entry) bool { return !e.Expires.IsZero() && !m.now.Before(e.Expires) }

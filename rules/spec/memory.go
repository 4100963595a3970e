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
	prune  int // how many entries there may be before those that are over go
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
func (m *memory) List(pack, prefix string, limit int) ([]rules.Entry, error) {
	var list []rules.Entry
	for k, e := range m.kvs {
		if k.pack == pack && strings.HasPrefix(k.key, prefix) && !m.over(e) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b rules.Entry) int { return strings.Compare(a.Key, b.Key) })
	return list[:min(len(list), limit)], nil
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
		if e.Value == nil {
			delete(m.kvs, k)
			continue
		}
		e.Version = m.kvs[k].Version + 1
		m.kvs[k] = e
	}
	if len(m.kvs) > m.prune {
		maps.DeleteFunc(m.kvs, func(_ kvKey, e rules.Entry) bool { return m.over(e) })
		m.prune = 2*len(m.kvs) + 1000
	}
}

func (m *memory) over(e rules.Entry) bool { return !e.Expires.IsZero() && !m.now.Before(e.Expires) }

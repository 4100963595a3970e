package spec

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"chertd/rules"
)

// memory is what the packs of a World remember. It implements rules.Memory.
type memory struct {
	states map[stateKey]json.RawMessage
	kvs    map[kvKey]rules.Entry
}

type stateKey struct{ pack, chat string }
type kvKey struct{ pack, key string }

// State implements rules.Memory.
func (m *memory) State(pack, chat string) (json.RawMessage, error) {
	return m.states[stateKey{pack, chat}], nil
}

// Get implements rules.Memory. Entries whose time is over are blanked by the
// rule set itself, which knows the time of the event.
func (m *memory) Get(pack, key string) (rules.Entry, error) {
	e := m.kvs[kvKey{pack, key}]
	e.Key = key
	return e, nil
}

// List implements rules.Memory.
func (m *memory) List(pack, prefix string, limit int) ([]rules.Entry, error) {
	var list []rules.Entry
	for k, e := range m.kvs {
		if k.pack == pack && strings.HasPrefix(k.key, prefix) {
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
		m.states[stateKey{o.Pack, chat}] = o.State
	}
	for _, e := range o.Writes {
		if m.kvs == nil {
			m.kvs = map[kvKey]rules.Entry{}
		}
		k := kvKey{o.Pack, e.Key}
		e.Version = m.kvs[k].Version + 1
		m.kvs[k] = e
	}
}

// forget drops what is deleted or over, so that kv.list is not full of it.
func (m *memory) forget(now time.Time) {
	for k, e := range m.kvs {
		if e.Value == nil || !e.Expires.IsZero() && !now.Before(e.Expires) {
			delete(m.kvs, k)
		}
	}
}

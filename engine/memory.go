package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"chertd/engine/store"
	"chertd/rules"
)

// memory is what packs remember, as a batch sees it: what its own handlers
// have written, over what the store has.
type memory struct {
	store  store.Store
	now    func() time.Time
	states map[stateKey]json.RawMessage
	kvs    map[kvKey]rules.Entry
	err    error // the first failure to read the store
}

type stateKey struct{ pack, chat string }
type kvKey struct{ pack, key string }

// of gives the memory to the rules for the time of one event.
func (m *memory) of(ctx context.Context) rules.Memory { return &reading{m, ctx} }

// setState stages a state for the events that follow in the batch.
func (m *memory) setState(pack, chat string, value json.RawMessage) store.State {
	if m.states == nil {
		m.states = map[stateKey]json.RawMessage{}
	}
	m.states[stateKey{pack, chat}] = value
	return store.State{Pack: pack, Chat: chat, Value: value}
}

// kv stages what a handler wrote, and returns what is to be validated and kept.
func (m *memory) kv(o *rules.Outcome) (reads, writes []store.KV) {
	pack := o.MemoryPack()
	for _, r := range o.Reads {
		// What this batch wrote itself is validated where it was first read.
		if _, own := m.kvs[kvKey{pack, r.Key}]; !own {
			reads = append(reads, store.KV{Pack: pack, Key: r.Key, Version: r.Version})
		}
	}
	for _, w := range o.Writes {
		if m.kvs == nil {
			m.kvs = map[kvKey]rules.Entry{}
		}
		m.kvs[kvKey{pack, w.Key}] = w
		writes = append(writes, store.KV{Pack: pack, Key: w.Key, Value: w.Value, Expires: w.Expires})
	}
	return reads, writes
}

// reading implements rules.Memory for one event.
type reading struct {
	m   *memory
	ctx context.Context
}

func (r *reading) State(pack, chat string) (json.RawMessage, error) {
	if v, ok := r.m.states[stateKey{pack, chat}]; ok {
		return v, nil
	}
	v, err := r.m.store.State(r.ctx, pack, chat)
	return v, r.m.note(err)
}

func (r *reading) Get(pack, key string) (rules.Entry, error) {
	if e, ok := r.m.kvs[kvKey{pack, key}]; ok {
		return r.m.alive(e), nil
	}
	kv, err := r.m.store.KV(r.ctx, pack, key, r.m.now())
	return rules.Entry{Key: key, Value: kv.Value, Expires: kv.Expires, Version: kv.Version}, r.m.note(err)
}

func (r *reading) List(pack, prefix string, limit int) ([]rules.Entry, error) {
	var own []rules.Entry
	for k, e := range r.m.kvs {
		if k.pack == pack && strings.HasPrefix(k.key, prefix) {
			own = append(own, r.m.alive(e))
		}
	}
	// As many more as the batch may have deleted.
	kept, err := r.m.store.KVList(r.ctx, pack, prefix, r.m.now(), limit+len(own))
	if err != nil {
		return nil, r.m.note(err)
	}
	list := own
	for _, kv := range kept {
		if _, changed := r.m.kvs[kvKey{pack, kv.Key}]; !changed {
			list = append(list, rules.Entry{Key: kv.Key, Value: kv.Value, Expires: kv.Expires, Version: kv.Version})
		}
	}
	list = slices.DeleteFunc(list, func(e rules.Entry) bool { return e.Value == nil })
	slices.SortFunc(list, func(a, b rules.Entry) int { return strings.Compare(a.Key, b.Key) })
	return list[:min(len(list), limit)], nil
}

// alive blanks an entry whose time is over.
func (m *memory) alive(e rules.Entry) rules.Entry {
	if !e.Expires.IsZero() && !m.now().Before(e.Expires) {
		e.Value = nil
	}
	return e
}

// note keeps the first failure: the handler that met it may have caught it,
// but its outcome does not count.
func (m *memory) note(err error) error {
	if err != nil && m.err == nil {
		m.err = err
	}
	return err
}

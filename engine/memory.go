package engine

import (
	"context"
	"encoding/json"
	"time"

	"chertd/engine/store"
	"chertd/rules"
)

// memory is what packs remember, as a batch sees it: what its own handlers
// have written, over what the store has. Each pack has its own, so that nothing
// of one can be taken for another's.
type memory struct {
	store  store.Store
	states map[stateKey]json.RawMessage
	packs  map[string]*packMemory
	bytes  int64     // of what was written
	now    time.Time // of the event that runs, or ran last
	err    error     // the first failure to read the store
}

type stateKey struct{ pack, chat string }

// packMemory is what a batch has written of one pack's kv, and knows of the rest.
type packMemory struct {
	written rules.Overlay
	usage   int64 // bytes in the store, when it was looked at
	looked  bool
}

// of gives the memory to the rules for the time of one event, as it is then.
func (m *memory) of(ctx context.Context, now time.Time) rules.Memory {
	m.now = now
	return &reading{m, ctx, now}
}

// pack is what the batch has of a pack.
func (m *memory) pack(name string) *packMemory {
	p := m.packs[name]
	if p == nil {
		if m.packs == nil {
			m.packs = map[string]*packMemory{}
		}
		p = &packMemory{}
		m.packs[name] = p
	}
	return p
}

// setState stages a state for the events that follow in the batch.
func (m *memory) setState(pack, chat string, value json.RawMessage) store.State {
	if m.states == nil {
		m.states = map[stateKey]json.RawMessage{}
	}
	m.states[stateKey{pack, chat}] = value
	m.bytes += int64(len(value))
	return store.State{Pack: pack, Chat: chat, Value: value}
}

// stage stages what a handler wrote, and notes on the transition what is to be
// validated and kept.
func (m *memory) stage(o *rules.Outcome, t *store.Transition) {
	pack := o.MemoryPack()
	p := m.pack(pack)
	for _, r := range o.Reads {
		// What this batch wrote itself is validated where it was first read.
		if _, own := p.written.Get(r.Key); !own {
			t.Reads = append(t.Reads, store.KV{Pack: pack, Key: r.Key, Version: r.Version})
		}
	}
	for _, w := range o.Writes {
		p.written.Set(w)
		m.bytes += w.Size()
		t.Writes = append(t.Writes, store.KV{Pack: pack, Key: w.Key, Value: w.Value, Expires: w.Expires})
	}
	if len(o.Writes) > 0 && o.KVLimit > 0 {
		t.Quotas = append(t.Quotas, store.Quota{Pack: pack, Bytes: o.KVLimit, At: m.now})
	}
}

// reading implements rules.Memory for one event.
type reading struct {
	m   *memory
	ctx context.Context
	now time.Time
}

func (r *reading) State(pack, chat string) (json.RawMessage, error) {
	if v, ok := r.m.states[stateKey{pack, chat}]; ok {
		return v, nil
	}
	v, err := r.m.store.State(r.ctx, pack, chat)
	return v, r.m.note(err)
}

func (r *reading) Get(pack, key string) (rules.Entry, error) {
	if e, ok := r.m.pack(pack).written.Get(key); ok {
		return e.At(r.now), nil
	}
	kv, err := r.m.store.KV(r.ctx, pack, key, r.now)
	return entryOf(&kv), r.m.note(err)
}

func (r *reading) List(pack, prefix, after string, limit, bytes int) ([]rules.Entry, string, error) {
	return r.m.pack(pack).written.List(stored{r, pack}, r.now, prefix, after, limit, bytes)
}

func (r *reading) Usage(pack string, without []string) (int64, error) {
	p := r.m.pack(pack)
	if len(without) > 0 {
		return p.written.Usage(stored{r, pack}, r.now, without)
	}
	if !p.looked {
		n, err := stored{r, pack}.Usage(nil)
		if err != nil {
			return 0, err
		}
		p.usage, p.looked = n, true
	}
	return p.usage + p.written.Bytes(), nil
}

// stored is what the store has of one pack's kv: what the batch's writes lie over.
type stored struct {
	r    *reading
	pack string
}

func (s stored) List(prefix, after string, limit, bytes int) ([]rules.Entry, string, error) {
	kvs, next, err := s.r.m.store.KVList(s.r.ctx, s.pack, prefix, after, s.r.now, limit, bytes)
	if err != nil {
		return nil, "", s.r.m.note(err)
	}
	page := make([]rules.Entry, len(kvs))
	for i := range kvs {
		page[i] = entryOf(&kvs[i])
	}
	return page, next, nil
}

func (s stored) Usage(without []string) (int64, error) {
	n, err := s.r.m.store.KVUsage(s.r.ctx, s.pack, s.r.now, without)
	return n, s.r.m.note(err)
}

func entryOf(kv *store.KV) rules.Entry {
	return rules.Entry{Key: kv.Key, Value: kv.Value, Expires: kv.Expires, Version: kv.Version}
}

// note keeps the first failure: the handler that met it may have caught it,
// but its outcome does not count.
func (m *memory) note(err error) error {
	if err != nil && m.err == nil {
		m.err = err
	}
	return err
}

package turn

import (
	"context"
	"encoding/json"
	"time"

	"chertd/rules"
)

// Base is what packs remember beneath a Memory: a store.
type Base interface {
	// State returns a pack's state of a chat as JSON; nil if there is none.
	State(ctx context.Context, pack, chat string) (json.RawMessage, error)
	// KV returns a pack's entry; one that never was, or has expired by now, has
	// a nil Value. Its Version is what Transition.Reads are validated by.
	KV(ctx context.Context, pack, key string, now time.Time) (KV, error)
	// KVList returns a pack's live entries whose keys begin with prefix, in key
	// order, those after a key: at most limit, and no more once their values come to
	// bytes (one is always given). next is what the following page is after; "":
	// there is none.
	KVList(ctx context.Context, pack, prefix, after string, now time.Time, limit, bytes int) (page []KV, next string, err error)
	// KVUsage returns how many bytes the keys and values of a pack's live entries
	// come to, those under the given keys left out.
	KVUsage(ctx context.Context, pack string, now time.Time, without []string) (int64, error)
}

// Memory is what packs remember as turns see it: what handlers have written, over
// what Base has. Each pack has its own, so that nothing of one can be taken for
// another's. It serves one goroutine. The zero value is an empty memory that keeps
// all that is written.
type Memory struct {
	Base Base // nil: nothing lies beneath

	states map[stateKey]json.RawMessage
	packs  map[string]*packMemory
	bytes  int64 // of what was written
	err    error // the first failure to read Base
}

type stateKey struct{ pack, chat string }

// packMemory is what was written of one pack's kv, and what is known of the rest.
type packMemory struct {
	written rules.Overlay
	usage   int64 // bytes in Base, when it was looked at
	looked  bool
}

// Bytes returns how much was written.
func (m *Memory) Bytes() int64 { return m.bytes }

// State returns a pack's state of a chat that was written; nil if none was.
func (m *Memory) State(pack, chatID string) json.RawMessage { return m.states[stateKey{pack, chatID}] }

// SetState writes a state over what Base has; nil deletes it.
func (m *Memory) SetState(pack, chatID string, value json.RawMessage) {
	if m.states == nil {
		m.states = map[stateKey]json.RawMessage{}
	}
	m.bytes += int64(len(value))
	if value == nil && m.Base == nil {
		delete(m.states, stateKey{pack, chatID})
		return
	}
	m.states[stateKey{pack, chatID}] = value
}

// Set writes an entry of a pack's kv over what Base has; one without a value deletes.
func (m *Memory) Set(pack string, e rules.Entry) {
	m.pack(pack).written.Set(e)
	m.bytes += e.Size()
}

// pack returns what the memory has of a pack.
func (m *Memory) pack(name string) *packMemory {
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

// keep writes what a handler wrote on an event of a chat ("": of none), and notes
// on the transition what is to be validated and kept.
func (m *Memory) keep(o *rules.Outcome, chatID string, now time.Time, t *Transition) {
	pack := o.MemoryPack()
	if o.StateSet && chatID != "" {
		m.SetState(pack, chatID, o.State)
		t.States = append(t.States, State{Pack: pack, Chat: chatID, Value: o.State})
	}
	if len(o.Reads)+len(o.Writes) == 0 {
		return
	}
	p := m.pack(pack)
	for _, r := range o.Reads {
		// What was written here is validated where it was first read.
		if _, own := p.written.Get(r.Key); !own {
			t.Reads = append(t.Reads, KV{Pack: pack, Key: r.Key, Version: r.Version})
		}
	}
	for _, w := range o.Writes {
		m.Set(pack, w)
		t.Writes = append(t.Writes, KV{Pack: pack, Key: w.Key, Value: w.Value, Expires: w.Expires})
	}
	if len(o.Writes) > 0 && o.KVLimit > 0 {
		t.Quotas = append(t.Quotas, Quota{Pack: pack, Bytes: o.KVLimit, At: now})
	}
	if m.Base == nil {
		p.written.Prune(now)
	}
}

// At gives the memory to the rules for the time of one event, as it is then.
func (m *Memory) At(ctx context.Context, now time.Time) rules.Memory { return &reading{m, ctx, now} }

// reading implements rules.Memory for one event.
type reading struct {
	m   *Memory
	ctx context.Context
	now time.Time
}

func (r *reading) State(pack, chatID string) (json.RawMessage, error) {
	if v, ok := r.m.states[stateKey{pack, chatID}]; ok || r.m.Base == nil {
		return v, nil
	}
	v, err := r.m.Base.State(r.ctx, pack, chatID)
	return v, r.m.note(err)
}

func (r *reading) Get(pack, key string) (rules.Entry, error) {
	if e, ok := r.m.pack(pack).written.Get(key); ok || r.m.Base == nil {
		return e.At(r.now), nil
	}
	kv, err := r.m.Base.KV(r.ctx, pack, key, r.now)
	return entryOf(&kv), r.m.note(err)
}

func (r *reading) List(pack, prefix, after string, limit, bytes int) ([]rules.Entry, string, error) {
	return r.m.pack(pack).written.List(beneath{r, pack}, r.now, prefix, after, limit, bytes)
}

func (r *reading) Usage(pack string, without []string) (int64, error) {
	p := r.m.pack(pack)
	if len(without) > 0 {
		return p.written.Usage(beneath{r, pack}, r.now, without)
	}
	if !p.looked {
		n, err := beneath{r, pack}.Usage(nil)
		if err != nil {
			return 0, err
		}
		p.usage, p.looked = n, true
	}
	return p.usage + p.written.Bytes(), nil
}

// beneath is what Base has of one pack's kv: what was written lies over it.
type beneath struct {
	r    *reading
	pack string
}

func (b beneath) List(prefix, after string, limit, bytes int) ([]rules.Entry, string, error) {
	if b.r.m.Base == nil {
		return nil, "", nil
	}
	kvs, next, err := b.r.m.Base.KVList(b.r.ctx, b.pack, prefix, after, b.r.now, limit, bytes)
	if err != nil {
		return nil, "", b.r.m.note(err)
	}
	page := make([]rules.Entry, len(kvs))
	for i := range kvs {
		page[i] = entryOf(&kvs[i])
	}
	return page, next, nil
}

func (b beneath) Usage(without []string) (int64, error) {
	if b.r.m.Base == nil {
		return 0, nil
	}
	n, err := b.r.m.Base.KVUsage(b.r.ctx, b.pack, b.r.now, without)
	return n, b.r.m.note(err)
}

func entryOf(kv *KV) rules.Entry {
	return rules.Entry{Key: kv.Key, Value: kv.Value, Expires: kv.Expires, Version: kv.Version}
}

// note keeps the first failure: the handler that met it may have caught it,
// but its outcome does not count.
func (m *Memory) note(err error) error {
	if err != nil && m.err == nil {
		m.err = err
	}
	return err
}

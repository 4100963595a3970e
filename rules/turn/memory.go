package turn

import (
	"context"
	"encoding/json"
	"time"

	"chertd/rules"
)

// Base is the store beneath a Memory.
type Base interface {
	// State returns a pack's state of a chat as JSON; nil if there is none.
	State(ctx context.Context, pack, chat string) (json.RawMessage, error)
	// KV returns a pack's entry. If it was never written or has expired by now, its
	// Value is nil. Transition.Reads are validated by its Version.
	KV(ctx context.Context, pack, key string, now time.Time) (KV, error)
	// KVList returns a page of a pack's live entries whose keys begin with prefix, in
	// key order, from the first key after the given one. A page has at most limit
	// entries and ends once their values reach bytes; it has at least one if there is
	// one. next is the after of the following page; "": there is none.
	KVList(ctx context.Context, pack, prefix, after string, now time.Time, limit, bytes int) (page []KV, next string, err error)
	// KVUsage returns the total bytes of the keys and values of a pack's live entries,
	// without those under the given keys.
	KVUsage(ctx context.Context, pack string, now time.Time, without []string) (int64, error)
}

// Memory is the memory of packs in a turn: the writes of handlers over the content of
// Base. It keeps that of each pack separately. It serves one goroutine. The zero value
// is an empty memory that keeps all writes.
type Memory struct {
	Base Base // nil: the memory is empty but for the writes

	states map[stateKey]json.RawMessage
	packs  map[string]*packMemory
	bytes  int64 // of all writes
	err    error // the first failure to read Base
}

type stateKey struct{ pack, chat string }

// packMemory has the writes to one pack's kv, and what is known of the rest.
type packMemory struct {
	written rules.Overlay
	usage   int64 // bytes in Base, if looked
	looked  bool
}

// Bytes returns the total bytes of all writes.
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

// pack returns the memory of a pack.
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

// keep takes over the writes of a handler on an event of a chat ("": of none), and adds
// to the transition what has to be validated and stored.
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

// beneath is one pack's kv in Base, beneath the writes.
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

// note keeps the first failure. Its handler's outcome does not count, even if the handler
// caught the error.
func (m *Memory) note(err error) error {
	if err != nil && m.err == nil {
		m.err = err
	}
	return err
}

package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"chertd/luabind"
)

// packMemory is a pack's memory during one event: the writes of its handlers that
// succeeded, over its memory before the event.
type packMemory struct {
	pack    string
	limit   int64  // limit of its kv in bytes; 0: no limit
	before  Memory // nil: empty
	state   json.RawMessage
	hasRead bool // state is that of the chat
	broken  bool // before could not be read
	written Overlay

	usage    int64 // bytes in kv before the event, at most
	measured bool  // usage is known
}

// draft records the reads and writes of one handler. It implements luabind.Memory. Its
// writes join the pack's memory when keep is called.
type draft struct {
	memory *packMemory
	chat   string
	now    time.Time

	state    json.RawMessage
	stateSet bool
	reads    []Entry // without their values
	seen     map[string]bool
	writes   Overlay
}

// State implements luabind.Memory.
func (d *draft) State() (json.RawMessage, error) {
	if d.stateSet {
		return d.state, nil
	}
	m := d.memory
	if !m.hasRead && m.before != nil && d.chat != "" {
		v, err := m.before.State(m.pack, d.chat)
		if err != nil {
			m.broken = true
			return nil, err
		}
		m.state = v
	}
	m.hasRead = true
	return m.state, nil
}

// SetState implements luabind.Memory.
func (d *draft) SetState(v json.RawMessage) error {
	if d.chat == "" {
		return errors.New("this event has no chat: there is no ev.state to keep")
	}
	d.state, d.stateSet = v, true
	return nil
}

// Get implements luabind.Memory.
func (d *draft) Get(key string) (json.RawMessage, error) {
	e, err := d.current(key)
	return e.At(d.now).Value, err
}

// current returns an entry as the handler sees it, even if it has expired.
func (d *draft) current(key string) (Entry, error) {
	if e, ok := d.own(key); ok {
		return e, nil
	}
	e, err := d.storedEntry(key)
	if err == nil && d.memory.before != nil {
		d.noteRead(e)
	}
	return e, err
}

// storedEntry returns an entry from before the event.
func (d *draft) storedEntry(key string) (Entry, error) {
	if d.memory.before == nil {
		return Entry{}, nil
	}
	e, err := d.memory.before.Get(d.memory.pack, key)
	if err != nil {
		d.memory.broken = true
		return Entry{}, err
	}
	e.Key = key
	return e, nil
}

// Set implements luabind.Memory.
func (d *draft) Set(key string, value json.RawMessage, ttl time.Duration) error {
	e := Entry{Key: key, Value: value}
	switch {
	case ttl > 0:
		e.Expires = d.now.Add(ttl)
	case ttl == luabind.KeepTTL:
		old, err := d.current(key)
		if err != nil {
			return err
		}
		if old.At(d.now).Value != nil {
			e.Expires = old.Expires
		}
	}
	if err := d.room(e); err != nil {
		return err
	}
	d.writes.Set(e)
	return nil
}

// Delete implements luabind.Memory.
func (d *draft) Delete(key string) error {
	d.writes.Set(Entry{Key: key})
	return nil
}

// room returns an error if an entry does not fit within the pack's limit. A smaller value
// for an entry always fits, even if the pack is over a lowered limit.
func (d *draft) room(e Entry) error {
	m := d.memory
	if m.limit <= 0 {
		return nil
	}
	if !m.measured && m.before != nil {
		n, err := m.before.Usage(m.pack, nil)
		if err != nil {
			m.broken = true
			return err
		}
		m.usage, m.measured = n, true
	}
	if m.usage+m.written.Bytes()+d.writes.Bytes()+e.Size() <= m.limit {
		return nil // whatever it replaces
	}
	used, err := d.writes.Usage(overBase{d}, d.now, []string{e.Key})
	if err != nil {
		return err
	}
	old, own := d.own(e.Key)
	if !own {
		if old, err = d.storedEntry(e.Key); err != nil {
			return err
		}
	}
	old = old.At(d.now)
	if used+e.Size() <= m.limit || e.Size() <= old.Size() {
		return nil
	}
	return &KVFullError{Pack: m.pack, Key: e.Key, Size: e.Size(), Used: used + old.Size(), Limit: m.limit}
}

// KVFullError is the error of an entry that would take a pack over its limits.kv.
type KVFullError struct {
	Pack, Key         string
	Size, Used, Limit int64 // bytes: of the entry, of all entries, and the limit
}

func (e *KVFullError) Error() string {
	return fmt.Sprintf("%q (%s) does not fit: pack %q keeps %s in kv and may keep %s (limits.kv)",
		e.Key, sizeText(e.Size), e.Pack, sizeText(e.Used), sizeText(e.Limit))
}

// Hint returns how to free space, or raise the limit.
func (e *KVFullError) Hint() string {
	return "give entries a ttl, delete those that are not needed with kv.delete, or raise it: `limits: {kv: " +
		sizeOption(2*e.Limit) + "}` in pack.yaml"
}

// List implements luabind.Memory.
func (d *draft) List(prefix, after string, limit, bytes int) ([]luabind.Entry, string, error) {
	entries, next, err := d.writes.List(overBase{d}, d.now, prefix, after, limit, bytes)
	if err != nil {
		return nil, "", err
	}
	pairs := make([]luabind.Entry, len(entries))
	for i, e := range entries {
		pairs[i] = luabind.Entry{Key: e.Key, Value: e.Value}
	}
	return pairs, next, nil
}

// overBase is the Base of a handler's writes: the writes of earlier handlers of the
// event, over the pack's memory before it.
type overBase struct{ d *draft }

func (b overBase) List(prefix, after string, limit, bytes int) ([]Entry, string, error) {
	return b.d.memory.written.List(stored(b), b.d.now, prefix, after, limit, bytes)
}

func (b overBase) Usage(without []string) (int64, error) {
	return b.d.memory.written.Usage(stored(b), b.d.now, without)
}

// stored is the Base of packMemory.written: the pack's memory before the event. It
// records what the handler reads of it.
type stored struct{ d *draft }

func (b stored) List(prefix, after string, limit, bytes int) ([]Entry, string, error) {
	d := b.d
	if d.memory.before == nil {
		return nil, "", nil
	}
	entries, next, err := d.memory.before.List(d.memory.pack, prefix, after, limit, bytes)
	if err != nil {
		d.memory.broken = true
		return nil, "", err
	}
	live := entries[:0:0]
	for _, e := range entries {
		if _, own := d.own(e.Key); !own {
			d.noteRead(e)
		}
		if e = e.At(d.now); e.Value != nil {
			live = append(live, e)
		}
	}
	return live, next, nil
}

func (b stored) Usage(without []string) (int64, error) {
	d := b.d
	if d.memory.before == nil {
		return 0, nil
	}
	n, err := d.memory.before.Usage(d.memory.pack, without)
	d.memory.broken = d.memory.broken || err != nil
	return n, err
}

// keep adds the handler's writes to its pack's memory and to the outcome.
func (d *draft) keep(o *Outcome) {
	if d.stateSet {
		o.State, o.StateSet = d.state, true
		d.memory.state, d.memory.hasRead = d.state, true
	}
	o.Reads, o.KVLimit = d.reads, d.memory.limit
	for _, k := range d.writes.Keys() {
		e, _ := d.writes.Get(k)
		o.Writes = append(o.Writes, e)
		d.memory.written.Set(e)
	}
}

// own returns an entry that the event has written.
func (d *draft) own(key string) (Entry, bool) {
	if e, ok := d.writes.Get(key); ok {
		return e, true
	}
	return d.memory.written.Get(key)
}

// noteRead records the version of an entry that the handler has read, once.
func (d *draft) noteRead(e Entry) {
	if d.seen[e.Key] {
		return
	}
	if d.seen == nil {
		d.seen = map[string]bool{}
	}
	d.seen[e.Key] = true
	e.Value = nil // up to 1 MiB, and not needed
	d.reads = append(d.reads, e)
}

package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"chertd/luabind"
)

// packMemory is what a pack remembers as its handlers of one event see it: what
// those that succeeded have written, over what was there before the event.
type packMemory struct {
	pack    string
	limit   int64  // bytes that it may keep in kv; 0: no limit
	before  Memory // nil: nothing was
	state   json.RawMessage
	hasRead bool // state holds what is remembered of the chat
	broken  bool // before could not be read
	written Overlay

	usage    int64 // bytes in kv before the event, at most
	measured bool  // usage is known
}

// draft is what one handler reads and writes. It implements luabind.Memory.
// What it holds is the pack's only once keep is called.
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
	e, err := d.stands(key)
	return e.At(d.now).Value, err
}

// stands is an entry as the handler sees it, expired or not.
func (d *draft) stands(key string) (Entry, error) {
	if e, ok := d.own(key); ok {
		return e, nil
	}
	e, err := d.storedEntry(key)
	if err == nil && d.memory.before != nil {
		d.saw(e)
	}
	return e, err
}

// storedEntry is an entry as it was before the event.
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
		stands, err := d.stands(key)
		if err != nil {
			return err
		}
		if stands.At(d.now).Value != nil {
			e.Expires = stands.Expires
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

// room reports that an entry does not fit within the pack's limit. Whatever makes
// an entry smaller fits, also where the limit was lowered below what is kept.
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
		return nil // without looking at what it replaces
	}
	used, err := d.writes.Usage(overBase{d}, d.now, []string{e.Key})
	if err != nil {
		return err
	}
	stands, own := d.own(e.Key)
	if !own {
		if stands, err = d.storedEntry(e.Key); err != nil {
			return err
		}
	}
	stands = stands.At(d.now)
	if used+e.Size() <= m.limit || e.Size() <= stands.Size() {
		return nil
	}
	return &KVFullError{Pack: m.pack, Key: e.Key, Size: e.Size(), Used: used + stands.Size(), Limit: m.limit}
}

// KVFullError says that an entry would take a pack over its limits.kv.
type KVFullError struct {
	Pack, Key         string
	Size, Used, Limit int64 // bytes: of the entry, of all that is kept, and the limit
}

func (e *KVFullError) Error() string {
	return fmt.Sprintf("%q (%s) does not fit: pack %q keeps %s in kv and may keep %s (limits.kv)",
		e.Key, sizeText(e.Size), e.Pack, sizeText(e.Used), sizeText(e.Limit))
}

// Hint says what to do about it.
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

// overBase is what a handler's writes lie over: what was written for the event
// before, over what the pack remembered before it.
type overBase struct{ d *draft }

func (b overBase) List(prefix, after string, limit, bytes int) ([]Entry, string, error) {
	return b.d.memory.written.List(stored(b), b.d.now, prefix, after, limit, bytes)
}

func (b overBase) Usage(without []string) (int64, error) {
	return b.d.memory.written.Usage(stored(b), b.d.now, without)
}

// stored is what the pack remembered before the event. What of it a handler was
// shown is noted.
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
			d.saw(e)
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

// keep makes what the handler wrote its pack's, and notes it in the outcome.
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

// own is an entry that this event has written.
func (d *draft) own(key string) (Entry, bool) {
	if e, ok := d.writes.Get(key); ok {
		return e, true
	}
	return d.memory.written.Get(key)
}

// saw notes which version of an entry the handler has acted on, once.
func (d *draft) saw(e Entry) {
	if d.seen[e.Key] {
		return
	}
	if d.seen == nil {
		d.seen = map[string]bool{}
	}
	d.seen[e.Key] = true
	e.Value = nil // up to 1 MiB, and not needed to tell
	d.reads = append(d.reads, e)
}

package rules

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"chertd/luabind"
)

// packMemory is what a pack remembers as its handlers of one event see it: what
// those that succeeded have written, over what was there before the event.
type packMemory struct {
	pack    string
	before  Memory // nil: nothing was
	state   json.RawMessage
	hasRead bool // state holds what is remembered of the chat
	broken  bool // before could not be read
	written map[string]Entry
}

// draft is what one handler reads and writes. It implements luabind.Memory.
// What it holds is the pack's only once keep is called.
type draft struct {
	memory *packMemory
	chat   string
	now    time.Time

	state    json.RawMessage
	stateSet bool
	reads    []Entry
	writes   map[string]Entry
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
	return d.alive(e), err
}

// stands is an entry as the handler sees it, expired or not.
func (d *draft) stands(key string) (Entry, error) {
	if e, ok := d.own(key); ok {
		return e, nil
	}
	if d.memory.before == nil {
		return Entry{}, nil
	}
	e, err := d.memory.before.Get(d.memory.pack, key)
	if err != nil {
		d.memory.broken = true
		return Entry{}, err
	}
	e.Key = key
	d.saw(e)
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
		if d.alive(stands) != nil {
			e.Expires = stands.Expires
		}
	}
	d.write(e)
	return nil
}

// Delete implements luabind.Memory.
func (d *draft) Delete(key string) error {
	d.write(Entry{Key: key})
	return nil
}

// List implements luabind.Memory.
func (d *draft) List(prefix string, limit int) ([]luabind.Pair, error) {
	own := maps.Clone(d.memory.written)
	if own == nil {
		own = map[string]Entry{}
	}
	maps.Copy(own, d.writes)
	maps.DeleteFunc(own, func(k string, _ Entry) bool { return !strings.HasPrefix(k, prefix) })
	var pairs []luabind.Pair
	if d.memory.before != nil {
		// As many more as may turn out to be deleted.
		entries, err := d.memory.before.List(d.memory.pack, prefix, limit+len(own))
		if err != nil {
			d.memory.broken = true
			return nil, err
		}
		for _, e := range entries {
			if _, ok := own[e.Key]; ok {
				continue
			}
			d.saw(e)
			if v := d.alive(e); v != nil {
				pairs = append(pairs, luabind.Pair{Key: e.Key, Value: v})
			}
		}
	}
	for k, e := range own {
		if v := d.alive(e); v != nil {
			pairs = append(pairs, luabind.Pair{Key: k, Value: v})
		}
	}
	slices.SortFunc(pairs, func(a, b luabind.Pair) int { return cmp.Compare(a.Key, b.Key) })
	return pairs[:min(len(pairs), limit)], nil
}

// keep makes what the handler wrote its pack's, and notes it in the outcome.
func (d *draft) keep(o *Outcome) {
	if d.stateSet {
		o.State, o.StateSet = d.state, true
		d.memory.state, d.memory.hasRead = d.state, true
	}
	o.Reads = d.reads
	if len(d.writes) == 0 {
		return
	}
	if d.memory.written == nil {
		d.memory.written = map[string]Entry{}
	}
	for _, k := range slices.Sorted(maps.Keys(d.writes)) {
		o.Writes = append(o.Writes, d.writes[k])
		d.memory.written[k] = d.writes[k]
	}
}

// own is an entry that this event has written.
func (d *draft) own(key string) (Entry, bool) {
	if e, ok := d.writes[key]; ok {
		return e, true
	}
	e, ok := d.memory.written[key]
	return e, ok
}

// saw notes which version of an entry the handler has acted on, once.
func (d *draft) saw(e Entry) {
	for i := range d.reads {
		if d.reads[i].Key == e.Key {
			return
		}
	}
	d.reads = append(d.reads, e)
}

func (d *draft) write(e Entry) {
	if d.writes == nil {
		d.writes = map[string]Entry{}
	}
	d.writes[e.Key] = e
}

// alive is the entry's value, nil if it has none any more.
func (d *draft) alive(e Entry) json.RawMessage {
	if !e.Expires.IsZero() && !d.now.Before(e.Expires) {
		return nil
	}
	return e.Value
}

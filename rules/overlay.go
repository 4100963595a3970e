package rules

import (
	"slices"
	"strings"
	"time"
)

// Overlay keeps the uncommitted writes to one pack's kv, over a Base. There is one for
// the writes of a handler, one for those of earlier handlers of the event, and one for
// the batch; each has the next as its Base. The zero value is empty.
type Overlay struct {
	entries map[string]Entry
	bytes   int64 // keys and values of entries
	kept    int   // how many entries the last Prune left
}

// Base is the memory of one pack beneath an Overlay.
type Base interface {
	// List is Memory.List.
	List(prefix, after string, limit, bytes int) (page []Entry, next string, err error)
	// Usage is Memory.Usage.
	Usage(without []string) (int64, error)
}

// Size returns what an entry counts for limits.kv: the bytes of its key and of its value
// as JSON, 0 if it has no value.
func (e *Entry) Size() int64 {
	if e.Value == nil {
		return 0
	}
	return int64(len(e.Key) + len(e.Value))
}

// At returns the entry at a time: without a value once it has expired.
func (e Entry) At(now time.Time) Entry {
	if !e.Expires.IsZero() && !now.Before(e.Expires) {
		e.Value = nil
	}
	return e
}

// Get returns the entry written under a key; ok is false if there is none.
func (o *Overlay) Get(key string) (e Entry, ok bool) {
	e, ok = o.entries[key]
	return e, ok
}

// Set writes an entry. One without a value deletes the key.
func (o *Overlay) Set(e Entry) {
	if o.entries == nil {
		o.entries = map[string]Entry{}
	}
	old := o.entries[e.Key]
	o.bytes += e.Size() - old.Size()
	o.entries[e.Key] = e
}

// Prune removes entries that are deleted or have expired, once there are many. It is for
// an overlay over an empty Base.
func (o *Overlay) Prune(now time.Time) {
	if len(o.entries) <= 2*o.kept+1000 {
		return
	}
	for k, e := range o.entries {
		if e.At(now).Value == nil {
			o.bytes -= e.Size()
			delete(o.entries, k)
		}
	}
	o.kept = len(o.entries)
}

// Keys returns the written keys, sorted.
func (o *Overlay) Keys() []string {
	keys := make([]string, 0, len(o.entries))
	for k := range o.entries {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// List returns a page of the entries of the overlay over its base at a time: those with
// the prefix and a key after the given one, sorted by key.
func (o *Overlay) List(base Base, now time.Time, prefix, after string, limit, bytes int) (page []Entry, next string, err error) {
	if limit <= 0 {
		return nil, "", nil
	}
	below, next, err := base.List(prefix, after, limit, bytes)
	if err != nil {
		return nil, "", err
	}
	// Written keys beyond the end of the base's page belong to a later page.
	for k, e := range o.entries {
		if strings.HasPrefix(k, prefix) && k > after && (next == "" || k <= next) {
			if e = e.At(now); e.Value != nil {
				page = append(page, e)
			}
		}
	}
	for _, e := range below {
		if _, written := o.entries[e.Key]; !written {
			page = append(page, e)
		}
	}
	slices.SortFunc(page, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	size := 0
	for i := range page {
		if i == limit || i > 0 && size >= bytes {
			return page[:i], page[i-1].Key, nil
		}
		size += len(page[i].Value)
	}
	return page, next, nil
}

// Usage returns the size of the overlay over its base at a time in bytes, without the
// entries under the given keys.
func (o *Overlay) Usage(base Base, now time.Time, without []string) (int64, error) {
	n, err := base.Usage(slices.Concat(o.Keys(), without))
	if err != nil {
		return 0, err
	}
	for k, e := range o.entries {
		if !slices.Contains(without, k) {
			e = e.At(now)
			n += e.Size()
		}
	}
	return n, nil
}

// Bytes returns the most that the overlay may add to the size of its base.
func (o *Overlay) Bytes() int64 { return o.bytes }

package rules

import (
	"slices"
	"strings"
	"time"
)

// Overlay is what was written to one pack's kv and is not committed: it lies over
// what was there before. A handler's writes are one, those of the event's handlers
// before it another, and those of the batch a third; each lies over the next.
// The zero value is empty.
type Overlay struct {
	entries map[string]Entry
	bytes   int64 // keys and values of entries
	kept    int   // how many entries the last Prune has left
}

// Base is what an Overlay lies over: the Memory of one pack.
type Base interface {
	// List is Memory.List.
	List(prefix, after string, limit, bytes int) (page []Entry, next string, err error)
	// Usage is Memory.Usage.
	Usage(without []string) (int64, error)
}

// Size is what an entry counts for limits.kv: the bytes of its key, and of its
// value as JSON. One without a value counts nothing.
func (e *Entry) Size() int64 {
	if e.Value == nil {
		return 0
	}
	return int64(len(e.Key) + len(e.Value))
}

// At is the entry as it is at a time: without a value once it has expired.
func (e Entry) At(now time.Time) Entry {
	if !e.Expires.IsZero() && !now.Before(e.Expires) {
		e.Value = nil
	}
	return e
}

// Get is what was written under a key; ok is false if nothing was.
func (o *Overlay) Get(key string) (e Entry, ok bool) {
	e, ok = o.entries[key]
	return e, ok
}

// Set writes an entry over what was there; one without a value deletes.
func (o *Overlay) Set(e Entry) {
	if o.entries == nil {
		o.entries = map[string]Entry{}
	}
	old := o.entries[e.Key]
	o.bytes += e.Size() - old.Size()
	o.entries[e.Key] = e
}

// Prune forgets entries that were deleted or have expired by a time, once there
// are many. It is for an overlay that lies over nothing.
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

// Keys are the keys that were written, in order.
func (o *Overlay) Keys() []string {
	keys := make([]string, 0, len(o.entries))
	for k := range o.entries {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// List is a page of the overlay over its base, as it is at a time: entries with
// the prefix and a key after the given one, in the order of their keys.
func (o *Overlay) List(base Base, now time.Time, prefix, after string, limit, bytes int) (page []Entry, next string, err error) {
	if limit <= 0 {
		return nil, "", nil
	}
	below, next, err := base.List(prefix, after, limit, bytes)
	if err != nil {
		return nil, "", err
	}
	// What was written behind the end of the base's page belongs to a later one.
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

// Usage is how many bytes the base and the overlay come to at a time, entries
// under the given keys left out.
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

// Bytes is what the overlay adds at most to what its base comes to.
func (o *Overlay) Bytes() int64 { return o.bytes }

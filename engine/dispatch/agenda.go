package dispatch

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"chertd/engine/store"
)

// Agenda orders chats by the time at which each is due. It keeps the earliest
// entries in memory, up to its capacity. Later ones stay in the store, beyond a
// horizon, and are fetched when the agenda gets there. So memory is bounded
// however many reads wait.
//
// An entry is a hint. The caller reads the chat itself before it acts, so an outdated
// entry does no harm. Times are whole milliseconds, as in the store. Its methods may be
// called from many goroutines.
type Agenda struct {
	fetch    Fetch
	capacity func() int
	except   func(store.Due) bool // selects entries of the store that do not belong here; nil: none do

	mu   sync.Mutex
	heap entries
	at   map[string]*entry
	// horizon is the last entry that is known to be in memory. Later ones may be in
	// the store only. nil: none is, or a refill is reading them.
	horizon *store.Due
	changed chan struct{}
}

// Fetch reads the entries after a cursor from the store, in order, at most limit.
type Fetch func(ctx context.Context, after store.Due, limit int) ([]store.Due, error)

// NewAgenda returns an agenda of what the store has. A capacity of 0 is about 65,000 entries.
func NewAgenda(fetch Fetch, capacity int) *Agenda {
	if capacity <= 0 {
		capacity = defaultCapacity
	}
	return newAgenda(fetch, nil, func() int { return capacity }, &store.Due{})
}

// newAgenda returns an agenda whose capacity may change, of what the store has
// after the horizon, apart from what except selects. With a nil horizon the
// store has nothing.
func newAgenda(fetch Fetch, except func(store.Due) bool, capacity func() int, horizon *store.Due) *Agenda {
	return &Agenda{
		fetch: fetch, except: except, capacity: capacity,
		at:      map[string]*entry{},
		horizon: horizon,
		changed: make(chan struct{}, 1),
	}
}

// Set sets when a chat is due; zero removes its entry. Call it after the chat was
// committed, so that an entry beyond the horizon can be fetched from the store.
func (a *Agenda) Set(chat string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.at[chat]
	if e != nil && e.due.At.Equal(at) {
		return
	}
	due := store.Due{Chat: chat, At: at}
	if at.IsZero() || a.beyond(due) {
		if e != nil {
			heap.Remove(&a.heap, e.index)
			delete(a.at, chat)
		}
		return
	}
	if e != nil {
		e.due = due
		heap.Fix(&a.heap, e.index)
	} else {
		a.push(due)
	}
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// Changed is signalled when an entry was set, as the earliest may have changed.
func (a *Agenda) Changed() <-chan struct{} { return a.changed }

// Next returns the earliest entry and keeps it; ok is false if there is none. Only
// one goroutine may call it. It may read the store.
func (a *Agenda) Next(ctx context.Context) (next store.Due, ok bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.horizon != nil && (len(a.heap) == 0 || a.beyond(a.heap[0].due)) {
		if err := a.refill(ctx); err != nil {
			return store.Due{}, false, err
		}
	}
	if len(a.heap) == 0 {
		return store.Due{}, false, nil
	}
	return a.heap[0].due, true, nil
}

// find returns the first entry in memory that is due and wanted, or the last one.
func (a *Agenda) find(now time.Time, want func(chat string) bool, last bool) (found store.Due, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.heap {
		if e.due.At.After(now) || ok && (compare(e.due, found) > 0) != last || !want(e.due.Chat) {
			continue
		}
		found, ok = e.due, true
	}
	return found, ok
}

// Take removes the entry of a chat and reports whether there was one.
func (a *Agenda) Take(chat string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.at[chat]
	if e == nil {
		return false
	}
	heap.Remove(&a.heap, e.index)
	delete(a.at, chat)
	return true
}

// skip drops the entries before a time, in memory and in the store.
func (a *Agenda) skip(before time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.heap) > 0 && a.heap[0].due.At.Before(before) {
		delete(a.at, heap.Pop(&a.heap).(*entry).due.Chat)
	}
	if a.horizon != nil && a.horizon.At.Before(before) {
		a.horizon = &store.Due{At: before}
	}
}

// complete reports whether all entries of the store are in memory.
func (a *Agenda) complete() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.horizon == nil
}

// has reports whether a chat has an entry in memory.
func (a *Agenda) has(chat string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at[chat] != nil
}

// Len returns the number of entries in memory.
func (a *Agenda) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.heap)
}

// refill moves the horizon further by half the capacity. It is called with mu held,
// and releases it while it reads the store.
func (a *Agenda) refill(ctx context.Context) error {
	before, limit := a.horizon, max(a.capacity()/2, 1)
	a.horizon = nil
	a.mu.Unlock()
	fetched, err := a.fetch(ctx, *before, limit)
	a.mu.Lock()
	if err != nil {
		a.draw(*before)
		return fmt.Errorf("read what is due after %v: %w", before.At, err)
	}
	if len(fetched) == limit {
		a.draw(fetched[limit-1])
	}
	for _, due := range fetched {
		// An entry that was set meanwhile is newer than what was read.
		if a.at[due.Chat] == nil && !a.beyond(due) && (a.except == nil || !a.except(due)) {
			a.push(due)
		}
	}
	return nil
}

// beyond reports whether a time is after the horizon.
func (a *Agenda) beyond(due store.Due) bool {
	return a.horizon != nil && compare(due, *a.horizon) > 0
}

// draw moves the horizon nearer. Only a refill moves it further, as the entries in
// between must be read.
func (a *Agenda) draw(horizon store.Due) {
	if a.horizon == nil || compare(horizon, *a.horizon) < 0 {
		a.horizon = &horizon
	}
}

func (a *Agenda) push(due store.Due) {
	e := &entry{due: due}
	heap.Push(&a.heap, e)
	a.at[due.Chat] = e
	if len(a.heap) > a.capacity() {
		a.trim()
	}
}

// trim drops the later half from memory; the store has it.
func (a *Agenda) trim() {
	slices.SortFunc(a.heap, func(x, y *entry) int { return compare(x.due, y.due) })
	keep := len(a.heap) / 2
	for _, e := range a.heap[keep:] {
		delete(a.at, e.due.Chat)
	}
	clear(a.heap[keep:])
	a.heap = a.heap[:keep] // sorted, so a heap
	for i, e := range a.heap {
		e.index = i
	}
	a.draw(a.heap[keep-1].due)
}

func compare(x, y store.Due) int {
	return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.Chat, y.Chat))
}

type entry struct {
	due   store.Due
	index int
}

// entries is a heap by time, then chat.
type entries []*entry

func (h entries) Len() int           { return len(h) }
func (h entries) Less(i, j int) bool { return compare(h[i].due, h[j].due) < 0 }
func (h entries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *entries) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}
func (h *entries) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}

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

// Agenda knows which chat wants attention next. It keeps the earliest entries
// in memory, up to its capacity; the later ones stay in the store, beyond a
// horizon, and are fetched when the agenda gets there. So memory is bounded
// however many reads wait.
//
// An entry is a hint: whoever acts on it asks the chat itself, so one that is
// out of date does no harm. Times are whole milliseconds, as the store keeps
// them. Its methods may be called from many goroutines.
type Agenda struct {
	fetch    Fetch
	capacity func() int
	skip     func(store.Due) bool // chooses entries of the store that the agenda is not for; nil: none

	mu   sync.Mutex
	heap entries
	at   map[string]*entry
	// Of the entries after the horizon some or all are in the store only; nil:
	// none is, or a refill is reading them and may miss what is set meanwhile.
	horizon *store.Due
	changed chan struct{}
}

// Fetch reads the entries after a cursor from the store, in order.
type Fetch func(ctx context.Context, after store.Due, limit int) ([]store.Due, error)

// DefaultCapacity of an agenda: about 8 MB of entries.
const DefaultCapacity = 1 << 16

// NewAgenda makes an agenda of what the store has. Capacity 0 is DefaultCapacity.
func NewAgenda(fetch Fetch, capacity int) *Agenda {
	if capacity <= 0 {
		capacity = DefaultCapacity
	}
	return newAgenda(fetch, nil, func() int { return capacity }, &store.Due{})
}

// newAgenda makes an agenda whose capacity may change, of what the store has
// after the horizon, apart from what skip chooses. A nil horizon says that the
// store has nothing.
func newAgenda(fetch Fetch, skip func(store.Due) bool, capacity func() int, horizon *store.Due) *Agenda {
	return &Agenda{
		fetch: fetch, skip: skip, capacity: capacity,
		at:      map[string]*entry{},
		horizon: horizon,
		changed: make(chan struct{}, 1),
	}
}

// Set says when a chat wants attention; zero is never. It is called after the
// chat was committed, so that what falls beyond the horizon can be fetched.
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

// Changed is signalled when an entry was set: the earliest may be another.
func (a *Agenda) Changed() <-chan struct{} { return a.changed }

// Next returns the earliest entry and leaves it; ok is false if there is none.
// One goroutine calls it: it may read the store.
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

// find returns the first entry in memory that is due and wanted, or the last.
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

// Take removes a chat's entry, and reports whether it was still there.
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

// Skip forgets the entries before a time, in memory and in the store.
func (a *Agenda) Skip(before time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.heap) > 0 && a.heap[0].due.At.Before(before) {
		delete(a.at, heap.Pop(&a.heap).(*entry).due.Chat)
	}
	if a.horizon != nil && a.horizon.At.Before(before) {
		a.horizon = &store.Due{At: before}
	}
}

// Complete reports whether all there is, in the store too, is in memory.
func (a *Agenda) Complete() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.horizon == nil
}

// Has reports whether a chat has an entry in memory.
func (a *Agenda) Has(chat string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at[chat] != nil
}

// Len is the number of entries in memory.
func (a *Agenda) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.heap)
}

// refill moves the horizon on by half the capacity. It is called with mu held
// and reads the store without it.
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
		// One that was set meanwhile is newer than what was read.
		if a.at[due.Chat] == nil && !a.beyond(due) && (a.skip == nil || !a.skip(due)) {
			a.push(due)
		}
	}
	return nil
}

// beyond reports whether a time is after the horizon.
func (a *Agenda) beyond(due store.Due) bool {
	return a.horizon != nil && compare(due, *a.horizon) > 0
}

// draw draws the horizon nearer; it moves on by a refill alone, as what is
// between here and there has to be read.
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

// trim leaves the later half to the store.
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

package dispatch

import (
	"cmp"
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
// entry does no harm. Times are whole microseconds, as in the store. Its methods may be
// called from many goroutines.
type Agenda struct {
	fetch    Fetch
	group    func(chat string) int // nil: all are one group
	capacity func() int
	except   func(store.Due) bool // selects entries of the store that do not belong here; nil: none do

	mu     sync.Mutex
	at     map[string]*entry
	groups []*groupHeap // a few, made when first needed
	added  uint64       // entries so far
	// horizon is the last entry that is known to be in memory. Later ones may be in
	// the store only. nil: none is, or a refill is reading them.
	horizon *store.Due
	changed chan struct{}

	// short is set by next if entries of groups without room take the memory, so that it
	// did not read as far as it should. Only for the goroutine that calls next.
	short bool
}

// Fetch reads the entries after a cursor from the store, in order, at most limit.
type Fetch func(ctx context.Context, after store.Due, limit int) ([]store.Due, error)

// groupHeap has the entries of one group, so that those of a group that is not wanted now
// are not in the way.
type groupHeap struct {
	dueHeap
	group int
}

// NewAgenda returns an agenda of what the store has. A capacity of 0 is about 65,000 entries.
func NewAgenda(fetch Fetch, capacity int) *Agenda {
	if capacity <= 0 {
		capacity = defaultCapacity
	}
	return newAgenda(fetch, func() int { return capacity }, &store.Due{})
}

// newAgenda returns an agenda whose capacity may change, of what the store has
// after the horizon. With a nil horizon the store has nothing.
func newAgenda(fetch Fetch, capacity func() int, horizon *store.Due) *Agenda {
	return &Agenda{
		fetch: fetch, capacity: capacity,
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
	if e != nil {
		a.remove(e)
	}
	due := store.Due{Chat: chat, At: at}
	if at.IsZero() || a.beyond(due) {
		return
	}
	a.push(due)
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
	return a.next(ctx, func(int) bool { return true })
}

// next is Next for the groups for which room is true. Entries of the others stay in memory.
// Once they take most of it, the store is read no further until some of them have gone.
func (a *Agenda) next(ctx context.Context, room func(group int) bool) (next store.Due, ok bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.short = false
	for {
		var first *slot
		others := 0 // entries of groups without room
		for _, g := range a.groups {
			s := g.first()
			if s == nil {
				continue
			}
			if !room(g.group) {
				others += g.len()
			} else if first == nil || s.before(first) {
				first = s
			}
		}
		if a.horizon != nil && (first == nil || a.beyond(first.e.due)) {
			if limit := a.space(others); limit > 0 {
				if err := a.refill(ctx, limit); err != nil {
					return store.Due{}, false, err
				}
				continue
			}
			a.short = true
		}
		if first == nil {
			return store.Due{}, false, nil
		}
		return first.e.due, true, nil
	}
}

// space returns how many entries a refill may read; 0: it must not, as those of others take
// the memory. It leaves room for what is set, or each of the next would trim what was read.
func (a *Agenda) space(others int) int {
	capacity := a.capacity()
	switch {
	case others == 0:
		return max(capacity/2, 1)
	case len(a.at) <= capacity/3:
		return capacity / 3
	}
	return 0
}

// find returns, of the groups for which room is true, the first entry in memory that is due
// and wanted, or the last one.
func (a *Agenda) find(now time.Time, room func(group int) bool, want func(chat string) bool, last bool) (found store.Due, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, g := range a.groups {
		if !room(g.group) {
			continue
		}
		for _, s := range g.slots {
			due := s.e.due
			if s.e.gone || due.At.After(now) || ok && (compare(due, found) > 0) != last || !want(due.Chat) {
				continue
			}
			found, ok = due, true
		}
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
	a.remove(e)
	return true
}

// skip drops the entries before a time, in memory and in the store. It calls dropped with
// those that were in memory.
func (a *Agenda) skip(before time.Time, dropped func(store.Due)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, g := range a.groups {
		for s := g.first(); s != nil && s.e.due.At.Before(before); s = g.first() {
			due := s.e.due
			delete(a.at, due.Chat)
			g.pop()
			dropped(due)
		}
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
	return len(a.at)
}

// refill moves the horizon further, by at most limit entries. It is called with mu held,
// and releases it while it reads the store.
func (a *Agenda) refill(ctx context.Context, limit int) error {
	before := a.horizon
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
	a.added++
	a.heapOf(due.Chat).add(e, a.added)
	a.at[due.Chat] = e
	if len(a.at) > a.capacity() {
		a.trim()
	}
}

func (a *Agenda) remove(e *entry) {
	delete(a.at, e.due.Chat)
	e.heap.remove(e)
}

// heapOf returns the heap of a chat's group.
func (a *Agenda) heapOf(chat string) *dueHeap {
	group := 0
	if a.group != nil {
		group = a.group(chat)
	}
	for _, g := range a.groups {
		if g.group == group {
			return &g.dueHeap
		}
	}
	g := &groupHeap{group: group}
	a.groups = append(a.groups, g)
	return &g.dueHeap
}

// trim drops the later half from memory; the store has it.
func (a *Agenda) trim() {
	all := make([]store.Due, 0, len(a.at))
	for _, e := range a.at {
		all = append(all, e.due)
	}
	slices.SortFunc(all, compare)
	last := all[len(all)/2-1]
	for chat, e := range a.at {
		if compare(e.due, last) > 0 {
			delete(a.at, chat)
			e.gone = true
		}
	}
	for _, g := range a.groups {
		g.compact()
	}
	a.draw(last)
}

// compare orders entries as the store does.
func compare(x, y store.Due) int {
	if c := cmp.Compare(x.At.UnixMicro(), y.At.UnixMicro()); c != 0 {
		return c
	}
	return cmp.Compare(x.Chat, y.Chat)
}

package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/store"
)

// Queue knows which chat's call is to be made next. It is fair between phone
// lines, and makes fresh calls before old ones:
//
//   - A call is fresh for freshFor from when it is due, unless an earlier attempt
//     failed. Of the fresh ones of a line the first that was due goes first. All
//     others are old, and go in the order they are due.
//   - Fresh calls of any line go before old ones of any line, but every
//     oldShare-th call that goes out is an old one if there is one.
//   - Of the lines that have such a call, the one with the fewest calls in flight
//     is served, of equals the one that was served longest ago.
//
// So a backlog, after an outage say, delays no new chat, and is worked off in
// its order with whatever is left, at least an eighth; retries of a line that
// fails yield to what is new on others.
//
// Its memory is bounded: each line has an agenda of all its calls and one of
// the fresh, and what does not fit waits in the store. Its methods may be called
// from many goroutines, Next and Took from one.
type Queue struct {
	calls    Calls
	capacity int // entries of all lines together, about

	mu      sync.Mutex
	lines   map[string]*line
	missing *string // lines from this one on may be in the store only; nil: none is
	skipped bool    // some may be before it, too
	reading bool    // Next reads missing lines from the store
	stale   bool    // order is not all lines
	changed chan struct{}
	known   atomic.Int64 // how many lines there are

	// Of the goroutine that calls Next.
	order []*line // lines, by name
	count int64   // of calls that were taken
}

// Calls is what a store knows of calls that are due.
type Calls interface {
	// CallLines returns the phone lines with calls due at any time, in order,
	// from one on (inclusive), at most limit.
	CallLines(ctx context.Context, from string, limit int) ([]string, error)
	// CallsDue returns a line's chats in the order of the time their next call is
	// due: those after the cursor, at most limit.
	CallsDue(ctx context.Context, line string, after store.Due, limit int) ([]store.Due, error)
}

// Pick is a chat whose call is due.
type Pick struct {
	Chat  string
	Line  string
	Due   time.Time
	Retry bool // it is not fresh: an earlier attempt failed, or it is long due
}

type line struct {
	name   string
	all    *Agenda
	fresh  *Agenda
	served int64 // the count when a call of it was taken last
}

// NewQueue makes a queue of what the store has. Capacity is how many entries it
// keeps in memory, about; 0 is DefaultCapacity.
func NewQueue(calls Calls, capacity int) *Queue {
	if capacity <= 0 {
		capacity = DefaultCapacity
	}
	return &Queue{calls: calls, capacity: capacity, lines: map[string]*line{}, missing: new(string), changed: make(chan struct{}, 1)}
}

// Set says when a chat's next call is due; zero is never. It is called after
// the chat was committed.
func (q *Queue) Set(p Pick) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[p.Line]
	if l == nil {
		if p.Due.IsZero() {
			return
		}
		if l = q.add(p.Line); l == nil {
			return
		}
	}
	l.all.Set(p.Chat, p.Due)
	if p.Retry {
		l.fresh.Set(p.Chat, time.Time{})
	} else {
		l.fresh.Set(p.Chat, p.Due)
	}
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// add makes a line, or leaves it to the store if there are too many. It is
// called with mu held.
func (q *Queue) add(name string) *line {
	if len(q.lines) >= maxLines && !q.evict() {
		q.skipped = true
		if q.missing == nil {
			q.missing = new(string)
		}
		return nil
	}
	// If every line of the store is known, a new one has nothing there.
	known := q.missing == nil && !q.reading
	horizon := func() *store.Due {
		if known {
			return nil
		}
		return &store.Due{}
	}
	fetch := func(ctx context.Context, after store.Due, limit int) ([]store.Due, error) {
		return q.calls.CallsDue(ctx, name, after, limit)
	}
	l := &line{
		name:  name,
		all:   newAgenda(fetch, nil, q.share, horizon()),
		fresh: newAgenda(fetch, func(d store.Due) bool { return d.Retry }, q.share, horizon()),
	}
	q.lines[name] = l
	q.linesChanged()
	return l
}

func (q *Queue) linesChanged() {
	q.stale = true
	q.known.Store(int64(len(q.lines)))
}

// share is how many entries an agenda may keep.
func (q *Queue) share() int { return max(q.capacity/max(int(q.known.Load()), 1), minCapacity) }

// evict forgets a line that has no calls; false if all have some.
func (q *Queue) evict() bool {
	for name, l := range q.lines {
		if l.all.Len() == 0 && l.all.Complete() {
			delete(q.lines, name)
			q.linesChanged()
			return true
		}
	}
	return false
}

// Changed is signalled when a call was set: the next may be another.
func (q *Queue) Changed() <-chan struct{} { return q.changed }

// Next returns the call to make now and leaves it in the queue; ok is false if
// there is none, and wait then how long until one is due (negative: until
// Changed, or until may says otherwise). may tells whether a line's calls may
// go out now, used how many of it are in flight.
func (q *Queue) Next(ctx context.Context, now time.Time, may func(line string) bool, used func(line string) int) (next Pick, wait time.Duration, ok bool, err error) {
	if err := q.read(ctx); err != nil {
		return Pick{}, 0, false, err
	}
	wait = -1
	var fresh, old choice
	for _, l := range q.order {
		first, some, err := l.all.Next(ctx)
		if err != nil {
			return Pick{}, 0, false, err
		}
		if !some {
			continue
		}
		if until := first.At.Sub(now); until > 0 {
			if wait < 0 || until < wait {
				wait = until
			}
			continue
		}
		if !may(l.name) {
			continue
		}
		n := used(l.name)
		old.offer(l, n, first)
		l.fresh.Skip(now.Add(-freshFor))
		newest, some, err := l.fresh.Next(ctx)
		if err != nil {
			return Pick{}, 0, false, err
		}
		if some && !newest.At.After(now) {
			fresh.offer(l, n, newest)
		}
	}
	chosen := &fresh
	if fresh.line == nil || q.count%oldShare == oldShare-1 {
		chosen = &old
	}
	if chosen.line == nil {
		return Pick{}, wait, false, nil
	}
	l := chosen.line
	return Pick{Chat: chosen.due.Chat, Line: l.name, Due: chosen.due.At, Retry: !l.fresh.Has(chosen.due.Chat)}, 0, true, nil
}

// Find returns the call of a chat that is wanted, the one that is due first or
// the one that is due last, of those in memory. It leaves it in the queue.
func (q *Queue) Find(now time.Time, may func(line string) bool, want func(chat string) bool, last bool) (found Pick, ok bool) {
	var best store.Due
	for _, l := range q.order {
		if !may(l.name) {
			continue
		}
		// With a long backlog a fresh call is not among those all has in memory.
		for _, a := range []*Agenda{l.all, l.fresh} {
			due, some := a.find(now, want, last)
			if some && (!ok || (compare(due, best) > 0) == last) {
				best, ok = due, true
				found = Pick{Chat: due.Chat, Line: l.name, Due: due.At, Retry: !l.fresh.Has(due.Chat)}
			}
		}
	}
	return found, ok
}

// choice is the best of the calls that were offered.
type choice struct {
	line *line
	used int
	due  store.Due
}

func (c *choice) offer(l *line, used int, due store.Due) {
	if c.line == nil || cmp.Or(cmp.Compare(used, c.used), cmp.Compare(l.served, c.line.served)) < 0 {
		*c = choice{l, used, due}
	}
}

// Take removes a call that Next returned, to be made, and reports whether it
// was still there.
func (q *Queue) Take(p Pick) bool {
	if !q.Remove(p) {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count++
	if l := q.lines[p.Line]; l != nil {
		l.served = q.count
	}
	return true
}

// Remove removes a call, and reports whether it was still there.
func (q *Queue) Remove(p Pick) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[p.Line]
	if l == nil {
		return false
	}
	// With a long backlog a fresh call is not among those all has in memory.
	inAll, inFresh := l.all.Take(p.Chat), l.fresh.Take(p.Chat)
	return inAll || inFresh
}

// Len is the number of calls in memory.
func (q *Queue) Len() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lines {
		n += l.all.Len()
	}
	return n
}

// read finds the lines that only the store knows, as far as there is room, and
// lists all.
func (q *Queue) read(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.missing != nil {
		if len(q.lines) >= maxLines {
			q.evict()
		}
		if room := maxLines - len(q.lines); room > 0 {
			from := *q.missing
			q.missing, q.reading = nil, true
			q.mu.Unlock()
			names, err := q.calls.CallLines(ctx, from, room)
			q.mu.Lock()
			if err != nil {
				q.missing, q.reading = &from, false
				return fmt.Errorf("read the phone lines with calls that are due: %w", err)
			}
			switch {
			case len(names) == room:
				next := names[room-1] + "\x00"
				q.missing = &next
			case q.skipped:
				q.missing, q.skipped = new(string), false
			}
			for _, name := range names {
				if q.lines[name] == nil {
					q.add(name)
				}
			}
			q.reading = false
		}
	}
	if !q.stale {
		return nil
	}
	q.stale = false
	q.order = q.order[:0]
	for _, l := range q.lines {
		q.order = append(q.order, l)
	}
	slices.SortFunc(q.order, func(a, b *line) int { return cmp.Compare(a.name, b.name) })
	return nil
}

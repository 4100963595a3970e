package dispatch

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/store"
)

// Queue orders the calls that are due. It is fair between phone lines, and lets fresh
// calls go before old ones:
//
//   - A call is fresh for two seconds from when it is due, unless an earlier attempt
//     failed, or all it does was applied to past messages. All others are old. Each kind goes in the order in which it is due.
//   - Fresh calls of any line go before old calls of any line, but every eighth call
//     is an old one if there is one.
//   - While calls have stopped, new ones wait for the next probe, though Chert may have
//     returned before. Those that came due since the last probe that failed go next after
//     the fresh ones, the newest first.
//   - Among the lines that have such a call, the one with the fewest calls in flight
//     is served; among equals, the one that was served longest ago.
//
// So a backlog, such as after an outage, delays no new chat, and drains in its order
// with at least an eighth of the calls. Retries of a line that fails yield to new
// calls of other lines.
//
// Calls of a group that has no room in flight are passed over, and cost nothing meanwhile.
// Where more calls of a line wait than fit into memory, and a third of it is taken by such
// calls, the old ones after them wait until they have gone; fresh ones still go out.
//
// Its memory is bounded: each line has an agenda of all its calls and one of the
// fresh ones, and what does not fit stays in the store. Set and Len may be called
// from many goroutines, the other methods by one at a time.
type Queue struct {
	calls    Calls
	group    func(chat string) int
	capacity int // entries of all lines together, about

	mu      sync.Mutex
	lines   map[string]*line
	missing *string // this line and those after it may be in the store only; nil: none is
	skipped bool    // so may some before it
	reading bool    // Next reads missing lines from the store
	stale   bool    // order does not list all lines
	changed chan struct{}
	lull    func(line string) lull // the last one of a line; nil: there are none
	known   atomic.Int64           // len(lines)

	// Only for the goroutine that calls Next.
	order []*line // lines, by name
	count int64   // of calls taken
}

// Calls is the part of a store that has the calls that are due.
type Calls interface {
	// CallLines returns the phone lines that have calls due at any time, in order,
	// beginning with from, at most limit.
	CallLines(ctx context.Context, from string, limit int) ([]string, error)
	// CallsDue returns the chats of a line in the order in which their next calls are
	// due: those after the cursor, at most limit.
	CallsDue(ctx context.Context, line string, after store.Due, limit int) ([]store.Due, error)
}

// Pick is a chat whose call is due.
type Pick struct {
	Chat  string
	Line  string
	Due   time.Time
	Retry bool // it is old: an earlier attempt failed, an operator applied it to past messages, or it is overdue
}

type line struct {
	name   string
	all    *Agenda
	fresh  *Agenda
	recent recents
	served int64 // count when its last call was taken
}

// NewQueue returns a queue of what the store has. group returns the group of a chat: chats
// of one group are asked through one goroutine, which also makes their answers durable. nil:
// all are one group. The queue keeps about capacity entries in memory; 0 is about 65,000.
func NewQueue(calls Calls, group func(chat string) int, capacity int) *Queue {
	if capacity <= 0 {
		capacity = defaultCapacity
	}
	if group == nil {
		group = func(string) int { return 0 }
	}
	return &Queue{calls: calls, group: group, capacity: capacity, lines: map[string]*line{}, missing: new(string), changed: make(chan struct{}, 1)}
}

// Set sets when the next call of a chat is due; a zero Due removes it. Call it after
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
	l.recent.remove(p.Chat)
	if p.Retry {
		l.fresh.Set(p.Chat, time.Time{})
	} else {
		l.fresh.Set(p.Chat, p.Due)
	}
	if p.Due.IsZero() {
		return
	}
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// Changed is signalled when a call was set, as the next call may have changed.
func (q *Queue) Changed() <-chan struct{} { return q.changed }

// Next returns the call to make now and keeps it in the queue. If there is none, ok
// is false, and wait is how long it is until one is due; negative: until Changed is
// signalled, or may or room returns something else. may reports whether calls of a line
// may go out now, used returns how many of them are in flight, and room reports whether a
// group may have another call in flight.
func (q *Queue) Next(ctx context.Context, now time.Time, may func(line string) bool, used func(line string) int, room func(group int) bool) (next Pick, wait time.Duration, ok bool, err error) {
	if err := q.read(ctx); err != nil {
		return Pick{}, 0, false, err
	}
	wait = -1
	var fresh, recent, old choice
	for _, l := range q.order {
		first, some, err := l.all.next(ctx, room)
		if err != nil {
			return Pick{}, 0, false, err
		}
		if !some && l.all.Len() > 0 {
			may(l.name) // no group has room: a line that fills it must see that it is not alone
		}
		due := some && !first.At.After(now)
		if some && !due {
			wait = sooner(wait, first.At.Sub(now))
		}
		// If it is short of memory, a fresh call may be in memory in fresh only.
		if !due && !l.all.short || !may(l.name) {
			continue
		}
		n := used(l.name)
		if due {
			old.offer(l, n, first)
		}
		var pause lull
		if q.lull != nil {
			pause = q.lull(l.name)
		}
		l.fresh.skip(now.Add(-freshFor), func(due store.Due) {
			if pause.has(due.At) {
				l.recent.add(due, q.share())
			}
		})
		l.recent.prune(pause.from)
		if last, some := l.recent.newest(room, q.group); some {
			recent.offer(l, n, last)
		}
		newest, some, err := l.fresh.next(ctx, room)
		switch {
		case err != nil:
			return Pick{}, 0, false, err
		case some && !newest.At.After(now):
			fresh.offer(l, n, newest)
		case some:
			wait = sooner(wait, newest.At.Sub(now))
		}
	}
	chosen := &fresh
	if fresh.line == nil {
		chosen = &recent
	}
	if chosen.line == nil || old.line != nil && q.count%oldShare == oldShare-1 {
		chosen = &old
	}
	if chosen.line == nil {
		return Pick{}, wait, false, nil
	}
	l := chosen.line
	return Pick{Chat: chosen.due.Chat, Line: l.name, Due: chosen.due.At, Retry: l.old(chosen.due.Chat)}, 0, true, nil
}

// sooner returns the shorter of two waits; a negative one is without end.
func sooner(wait, other time.Duration) time.Duration {
	if wait < 0 {
		return other
	}
	return min(wait, other)
}

// find returns, among the calls in memory that are due and for which may and room are true,
// the first one or the last one of a chat that is wanted. It keeps it in the queue.
func (q *Queue) find(now time.Time, may func(line string) bool, room func(group int) bool, want func(chat string) bool, last bool) (found Pick, ok bool) {
	var best store.Due
	for _, l := range q.order {
		if !may(l.name) {
			continue
		}
		// With a long backlog, a fresh call may be in memory in fresh only.
		for _, a := range []*Agenda{l.all, l.fresh} {
			due, some := a.find(now, room, want, last)
			if some && (!ok || (compare(due, best) > 0) == last) {
				best, ok = due, true
				found = Pick{Chat: due.Chat, Line: l.name, Due: due.At, Retry: l.old(due.Chat)}
			}
		}
	}
	return found, ok
}

// old reports whether the call of a chat yields to new ones.
func (l *line) old(chat string) bool { return !l.fresh.has(chat) && !l.recent.has(chat) }

// choice is the best call that was offered.
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

// Take removes a call that is to be made, and reports whether it was still there.
func (q *Queue) Take(p Pick) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[p.Line]
	if l == nil {
		return false
	}
	// With a long backlog, a fresh call may be in memory in fresh only.
	inAll, inFresh, inRecent := l.all.Take(p.Chat), l.fresh.Take(p.Chat), l.recent.remove(p.Chat)
	if !inAll && !inFresh && !inRecent {
		return false
	}
	q.count++
	l.served = q.count
	return true
}

// Len returns the number of calls in memory.
func (q *Queue) Len() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lines {
		n += l.all.Len()
	}
	return n
}

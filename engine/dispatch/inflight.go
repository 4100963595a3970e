package dispatch

import "sync"

// inFlight counts the calls in flight, by group: from when a call is picked until its
// answer is durable. A crash repeats at most these. A group takes another call only
// while it has fewer than are free, so that a group whose chats do not answer, or whose
// answers do not become durable, leaves half of them to the others.
//
// A group also takes no other call while asks of its chats are asked or wait for a place:
// calls of the queue, which may be fresher, would wait behind them.
//
// Calls of a group that has no room are parked in their order, and return to the queue
// as calls end. No more are parked than the queue may have in memory.
type inFlight struct {
	limit int
	asks  int

	mu     sync.Mutex
	total  int
	groups map[int]*callGroup
	parked int // in all groups
}

type callGroup struct {
	calls  int
	asked  int // of these, those that were asked for and have no place on the wire
	parked []Pick
}

func newInFlight(limit, asks int) *inFlight {
	return &inFlight{limit: limit, asks: asks, groups: map[int]*callGroup{}}
}

// count returns how many calls are in flight.
func (f *inFlight) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.total
}

// room reports whether a group may have another call in flight. Only the goroutine that
// calls enter may rely on it.
func (f *inFlight) room(group int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.free(f.groups[group]) > 0
}

// free returns how many more calls a group may have. It is called with mu held.
func (f *inFlight) free(g *callGroup) int {
	if g == nil {
		g = &callGroup{}
	}
	// Each call that is added takes one away from what is free, too.
	return min((f.limit-f.total-g.calls+1)/2, f.asks-g.asked)
}

// enter counts a call of a group.
func (f *inFlight) enter(group int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.group(group).calls++
	f.total++
}

// ask notes that a chat of a group is asked for its call.
func (f *inFlight) ask(group int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups[group].asked++
}

// asked notes that a call that was asked for has got its place, or goes without.
func (f *inFlight) asked(group int, q *Queue) {
	f.mu.Lock()
	f.groups[group].asked--
	back := f.unpark()
	f.mu.Unlock()
	for _, p := range back {
		q.Set(p)
	}
}

// group returns a group, new if it has no calls. It is called with mu held.
func (f *inFlight) group(group int) *callGroup {
	g := f.groups[group]
	if g == nil {
		g = &callGroup{}
		f.groups[group] = g
	}
	return g
}

// leave notes that a call of a group has ended. Parked calls for which there is room now
// return to the queue.
func (f *inFlight) leave(group int, q *Queue) {
	f.mu.Lock()
	g := f.groups[group]
	g.calls--
	f.total--
	back := f.unpark()
	if g.calls == 0 && len(g.parked) == 0 {
		delete(f.groups, group)
	}
	f.mu.Unlock()
	for _, p := range back {
		q.Set(p)
	}
}

// unpark removes the parked calls for which there is room, and returns them. It is called
// with mu held.
func (f *inFlight) unpark() (back []Pick) {
	if f.parked == 0 {
		return nil
	}
	for _, g := range f.groups {
		n := max(min(f.free(g), len(g.parked)), 0)
		back = append(back, g.parked[:n]...)
		g.parked = g.parked[n:]
	}
	f.parked -= len(back)
	return back
}

// park takes a call from the queue, unless its group has room by now. It returns false if
// too many are parked already.
func (f *inFlight) park(group int, p Pick, q *Queue) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.parked >= defaultCapacity {
		return false
	}
	if f.free(f.groups[group]) <= 0 && q.Remove(p) {
		g := f.group(group)
		g.parked = append(g.parked, p)
		f.parked++
	}
	return true
}

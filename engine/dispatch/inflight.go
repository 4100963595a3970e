package dispatch

import "sync"

// inFlight counts the calls in flight, by group: from when a call is picked until its
// answer is durable. A crash repeats at most these. A group takes another call only
// while it has fewer than are free, so that a group whose chats do not answer, or whose
// answers do not become durable, leaves half of them to the others.
//
// A group also takes no other call while asks of its chats are asked or wait for a place:
// calls of the queue, which may be fresher, would wait behind them.
type inFlight struct {
	limit int
	asks  int
	freed func() // called when a group that was refused may have room

	mu      sync.Mutex
	total   int
	groups  map[int]*callGroup
	refused bool // since freed was called
}

type callGroup struct {
	calls int
	asked int // of these, those that were asked for and have no place on the wire
}

func newInFlight(limit, asks int, freed func()) *inFlight {
	return &inFlight{limit: limit, asks: asks, freed: freed, groups: map[int]*callGroup{}}
}

// count returns how many calls are in flight.
func (f *inFlight) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.total
}

// room reports whether a group may have another call in flight. If not, freed is called
// later. Only the goroutine that calls enter may rely on it.
func (f *inFlight) room(group int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.groups[group]
	if g == nil {
		g = &callGroup{}
	}
	// Each call that is added takes one away from what is free, too.
	ok := g.calls < f.limit-f.total && g.asked < f.asks
	f.refused = f.refused || !ok
	return ok
}

// enter counts a call of a group.
func (f *inFlight) enter(group int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.groups[group]
	if g == nil {
		g = &callGroup{}
		f.groups[group] = g
	}
	g.calls++
	f.total++
}

// ask notes that a chat of a group is asked for its call.
func (f *inFlight) ask(group int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups[group].asked++
}

// asked notes that a call that was asked for has got its place, or goes without.
func (f *inFlight) asked(group int) {
	f.mu.Lock()
	f.groups[group].asked--
	f.tell()
}

// leave notes that a call of a group has ended.
func (f *inFlight) leave(group int) {
	f.mu.Lock()
	g := f.groups[group]
	g.calls--
	f.total--
	if g.calls == 0 {
		delete(f.groups, group)
	}
	f.tell()
}

// tell calls freed if a group was refused. It is called with mu held, and releases it.
func (f *inFlight) tell() {
	refused := f.refused
	f.refused = false
	f.mu.Unlock()
	if refused {
		f.freed()
	}
}

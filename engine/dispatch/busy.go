package dispatch

import "sync"

// busyGroups are groups of chats of which one takes long to say what it is due.
// Meanwhile others of the group are asked without a place on the wire; as many
// as there are places, so that all can be taken when the group answers. Further
// calls of theirs are set aside, in their order, and return to the queue as it
// does. They are at most as many as the queue may have in memory.
type busyGroups struct {
	mu     sync.Mutex
	groups map[int]*busyGroup
	aside  int
}

type busyGroup struct {
	waiting int // chats that were asked, and have no place on the wire
	aside   []Pick
}

type ask int

const (
	askNow ask = iota
	askWithoutPlace
	askLater
)

// admit says how a chat of a group may be asked. With askWithoutPlace it counts
// as asked, until leave.
func (b *busyGroups) admit(group, limit int) ask {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch g := b.groups[group]; {
	case g == nil:
		return askNow
	case g.waiting < limit:
		g.waiting++
		return askWithoutPlace
	}
	return askLater
}

// enter notes that a chat of the group takes long.
func (b *busyGroups) enter(group int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.groups == nil {
		b.groups = map[int]*busyGroup{}
	}
	g := b.groups[group]
	if g == nil {
		g = &busyGroup{}
		b.groups[group] = g
	}
	g.waiting++
}

// leave notes that a chat of the group has answered. Another that was set aside
// returns to the queue; with the last one all do.
func (b *busyGroups) leave(group int, q *Queue) {
	b.mu.Lock()
	g := b.groups[group]
	g.waiting--
	back := g.aside[:min(1, len(g.aside))]
	if g.waiting == 0 {
		back = g.aside
		delete(b.groups, group)
	}
	g.aside = g.aside[len(back):]
	b.aside -= len(back)
	b.mu.Unlock()
	for _, p := range back {
		q.Set(p)
	}
}

// setAside takes a call from the queue, unless its group has just answered;
// false if too many are set aside already.
func (b *busyGroups) setAside(group int, p Pick, q *Queue) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.aside >= DefaultCapacity {
		return false
	}
	if g := b.groups[group]; g != nil && q.Remove(p) {
		g.aside = append(g.aside, p)
		b.aside++
	}
	return true
}

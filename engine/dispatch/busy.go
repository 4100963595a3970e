package dispatch

import "sync"

// busyGroups are the groups of chats in which a chat takes long to answer Ready. As
// long as one does, other chats of its group are asked without a place on the wire:
// as many as there are places, so that all places are used once the group answers.
// Further calls of the group are parked in their order, and return to the queue as
// the group answers. No more are parked than the queue may have in memory.
type busyGroups struct {
	mu     sync.Mutex
	groups map[int]*busyGroup
	parked int // in all groups
}

type busyGroup struct {
	asking int // chats that were asked and have no place on the wire
	parked []Pick
}

// ask is how a chat may be asked for its call.
type ask int

const (
	askNow          ask = iota // with a place on the wire
	askWithoutPlace            // its group is busy
	askLater                   // enough of its group are asked already
)

// admit returns how a chat of a group may be asked. With askWithoutPlace it counts
// as asked, until leave.
func (b *busyGroups) admit(group, limit int) ask {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch g := b.groups[group]; {
	case g == nil:
		return askNow
	case g.asking < limit:
		g.asking++
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
	g.asking++
}

// leave notes that a chat of the group has answered. One parked call returns to the
// queue, and all do when no other chat of the group is being asked.
func (b *busyGroups) leave(group int, q *Queue) {
	b.mu.Lock()
	g := b.groups[group]
	g.asking--
	back := g.parked[:min(1, len(g.parked))]
	if g.asking == 0 {
		back = g.parked
		delete(b.groups, group)
	}
	g.parked = g.parked[len(back):]
	b.parked -= len(back)
	b.mu.Unlock()
	for _, p := range back {
		q.Set(p)
	}
}

// park takes a call from the queue, unless its group has just answered. It returns
// false if too many are parked already.
func (b *busyGroups) park(group int, p Pick, q *Queue) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.parked >= defaultCapacity {
		return false
	}
	if g := b.groups[group]; g != nil && q.Remove(p) {
		g.parked = append(g.parked, p)
		b.parked++
	}
	return true
}

package dispatch

import "sync"

// busyGroups are groups of chats of which one takes long to say what it is due.
// Calls of theirs that come up meanwhile are set aside, and return to the queue
// once the group answers. They are at most as many as the queue may have in memory.
type busyGroups struct {
	mu     sync.Mutex
	groups map[int]*busyGroup
	aside  int
}

type busyGroup struct {
	waiting int // chats that were asked and have not answered in time
	aside   []Pick
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

// leave notes that a chat of the group has answered. With the last one, the
// calls that were set aside return to the queue.
func (b *busyGroups) leave(group int, q *Queue) {
	b.mu.Lock()
	g := b.groups[group]
	g.waiting--
	var back []Pick
	if g.waiting == 0 {
		back = g.aside
		b.aside -= len(back)
		delete(b.groups, group)
	}
	b.mu.Unlock()
	for _, p := range back {
		q.Set(p)
	}
}

// setAside takes a call from the queue if its group is busy. Where too many
// are set aside already, the call is left to wait for its place instead.
func (b *busyGroups) setAside(group int, p Pick, q *Queue) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[group]
	if g == nil || b.aside >= DefaultCapacity {
		return false
	}
	if q.Remove(p) {
		g.aside = append(g.aside, p)
		b.aside++
	}
	return true
}

package spec

import (
	"cmp"
	"container/heap"
	"time"
)

// Kinds of what stands on the agenda, in the order in which they happen at one
// moment.
const (
	takeAnswer = iota
	runSchedule
	fireTimers
	makeCall
)

// key is one thing on the agenda: what is done, and the chat or schedule.
type key struct {
	what int
	name string
}

// agenda is what is due when: each key at most once. Times that were changed
// stay in the heap until they come up, and are passed over then.
type agenda struct {
	at   map[key]time.Time
	heap dues
}

type due struct {
	at  time.Time
	key key
}

// set changes when something is due; the zero time takes it off.
func (a *agenda) set(k key, at time.Time) {
	if a.at == nil {
		a.at = map[key]time.Time{}
	}
	if at.IsZero() {
		delete(a.at, k)
		return
	}
	if was, ok := a.at[k]; ok && was.Equal(at) {
		return
	}
	a.at[k] = at
	heap.Push(&a.heap, due{at, k})
}

// first is what is due next.
func (a *agenda) first() (key, time.Time, bool) {
	for len(a.heap) > 0 {
		d := a.heap[0]
		if at, ok := a.at[d.key]; ok && at.Equal(d.at) {
			return d.key, d.at, true
		}
		heap.Pop(&a.heap)
	}
	return key{}, time.Time{}, false
}

// dues orders by time, then kind, then name: the same each time.
type dues []due

func (h dues) Len() int      { return len(h) }
func (h dues) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h dues) Less(i, j int) bool {
	return cmp.Or(h[i].at.Compare(h[j].at), cmp.Compare(h[i].key.what, h[j].key.what), cmp.Compare(h[i].key.name, h[j].key.name)) < 0
}
func (h *dues) Push(x any) { *h = append(*h, x.(due)) }
func (h *dues) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

package spec

import (
	"cmp"
	"container/heap"
	"time"
)

// Kinds of due things, in the order in which they happen at one moment.
const (
	takeAnswer = iota
	runSchedule
	fireTimers
	makeCall
)

// key identifies one thing that is due: its kind, and the chat or schedule.
type key struct {
	what int
	name string
}

// agenda orders keys by when they are due. Each key has at most one time; earlier times
// of a key stay in the heap until they are at its top, and are skipped then.
type agenda struct {
	at   map[key]time.Time
	heap dues
}

type due struct {
	at  time.Time
	key key
}

// set changes when a key is due; the zero time removes it.
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

// first returns the key that is due next; ok is false if there is none.
func (a *agenda) first() (k key, at time.Time, ok bool) {
	for len(a.heap) > 0 {
		d := a.heap[0]
		if at, ok := a.at[d.key]; ok && at.Equal(d.at) {
			return d.key, d.at, true
		}
		heap.Pop(&a.heap)
	}
	return key{}, time.Time{}, false
}

// dues is a heap ordered by time, then kind, then name.
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

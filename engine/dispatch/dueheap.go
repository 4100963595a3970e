package dispatch

import (
	"slices"

	"chertd/engine/store"
)

// dueHeap orders entries by when they are due, and those of one time as they were added.
// An entry that is removed stays in its slot, marked, until it comes first or most slots
// are such: so removing an entry costs the same however many there are.
type dueHeap struct {
	slots []slot
	gone  int // slots whose entry was removed
}

// entry is a call or a timer that is due.
type entry struct {
	due  store.Due
	heap *dueHeap
	gone bool // it was removed
}

// fewGone slots without an entry are not worth a pass.
const fewGone = 64

// slot has what is compared, so that a comparison follows no pointer.
type slot struct {
	at    int64 // Unix microseconds, as in the store
	added uint64
	e     *entry
}

func (s *slot) before(other *slot) bool {
	return s.at < other.at || s.at == other.at && s.added < other.added
}

// first returns the first entry, or nil.
func (h *dueHeap) first() *slot {
	for len(h.slots) > 0 {
		if !h.slots[0].e.gone {
			return &h.slots[0]
		}
		h.gone--
		h.pop()
	}
	return nil
}

// add adds an entry. Each call has a higher added than those before.
func (h *dueHeap) add(e *entry, added uint64) {
	e.heap = h
	h.slots = append(h.slots, slot{e.due.At.UnixMicro(), added, e})
	h.up(len(h.slots) - 1)
}

// remove removes an entry that is in the heap.
func (h *dueHeap) remove(e *entry) {
	e.gone = true
	h.gone++
	if h.gone > fewGone && h.gone > len(h.slots)/2 {
		h.compact()
	}
}

// compact drops the slots of entries that were removed.
func (h *dueHeap) compact() {
	h.slots = slices.DeleteFunc(h.slots, func(s slot) bool { return s.e.gone })
	h.gone = 0
	for i := len(h.slots)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

// len returns the number of entries.
func (h *dueHeap) len() int { return len(h.slots) - h.gone }

// pop drops the first slot.
func (h *dueHeap) pop() {
	last := len(h.slots) - 1
	h.slots[0] = h.slots[last]
	h.slots[last] = slot{}
	h.slots = h.slots[:last]
	h.down(0)
}

func (h *dueHeap) up(i int) {
	s := h.slots[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !s.before(&h.slots[parent]) {
			break
		}
		h.slots[i] = h.slots[parent]
		i = parent
	}
	h.slots[i] = s
}

func (h *dueHeap) down(i int) {
	if i >= len(h.slots) {
		return
	}
	s := h.slots[i]
	for {
		child := 2*i + 1
		if child >= len(h.slots) {
			break
		}
		if child+1 < len(h.slots) && h.slots[child+1].before(&h.slots[child]) {
			child++
		}
		if !h.slots[child].before(&s) {
			break
		}
		h.slots[i] = h.slots[child]
		i = child
	}
	h.slots[i] = s
}

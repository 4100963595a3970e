package dispatch

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/store"
)

// A heap gives out what was added and not removed, by time and then as it was added. It
// keeps fewer removed entries than others, but for a few.
func TestDueHeapGivesAllInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		type added struct {
			e *entry
			n uint64
		}
		var h dueHeap
		var have []added
		check := func() {
			if h.len() != len(have) || len(h.slots) > 2*len(have)+fewGone+1 {
				rt.Fatalf("%d entries in %d slots, want %d", h.len(), len(h.slots), len(have))
			}
			first := h.first()
			if len(have) == 0 {
				if first != nil {
					rt.Fatalf("%v is left", first.e.due)
				}
				return
			}
			want := slices.MinFunc(have, func(x, y added) int { return cmp.Or(x.e.due.At.Compare(y.e.due.At), cmp.Compare(x.n, y.n)) })
			if first == nil || first.e != want.e {
				rt.Fatalf("first is %+v, want %v", first, want.e.due)
			}
		}
		n := uint64(0)
		for range rapid.IntRange(1, 20).Draw(rt, "rounds") {
			for range rapid.IntRange(0, 40).Draw(rt, "more") {
				n++
				at := epoch.Add(time.Duration(rapid.IntRange(0, 9).Draw(rt, "at")) * time.Microsecond)
				have = append(have, added{&entry{due: store.Due{At: at}}, n})
				h.add(have[len(have)-1].e, n)
				check()
			}
			for range min(rapid.IntRange(0, 80).Draw(rt, "fewer"), len(have)) {
				i := rapid.IntRange(0, len(have)-1).Draw(rt, "which")
				if have[i].e.heap != &h {
					rt.Fatal("an entry does not know its heap")
				}
				h.remove(have[i].e)
				have = slices.Delete(have, i, i+1)
				check()
			}
		}
	})
}

// Calls that come and go behind one that stays leave nothing in memory.
func TestAgendaForgetsWhatWasTaken(t *testing.T) {
	t.Parallel()
	a := newAgenda(shelf{}.fetch, func() int { return 10 }, nil)
	a.Set("stays", epoch)
	for i := range 10_000 {
		a.Set("c", epoch.Add(time.Duration(i+1)*time.Millisecond))
		if i%2 == 0 && !a.Take("c") {
			t.Fatal("what was set can't be taken")
		}
	}
	if n := len(a.groups[0].slots); n > fewGone+4 || a.Len() != 2 {
		t.Errorf("%d slots for %d entries", n, a.Len())
	}
}

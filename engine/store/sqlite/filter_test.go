package sqlite

import (
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

func TestFilterAffirmsAllThatWasAdded(t *testing.T) {
	t.Parallel()
	f := newFilter()
	if f.Has("") || f.Has("a") {
		t.Error("an empty filter affirms a key")
	}
	const n = 5_000
	for i := range n {
		addSoonFull(f, i)
	}
	for i := range n {
		if !f.Has(strconv.Itoa(i)) {
			t.Fatalf("key %d is denied after %d were added", i, n)
		}
	}
	f.Add("")
	if segments := *f.segments.Load(); !f.Has("") || f.Len() != n+1 || len(segments) != n/soonFull {
		t.Errorf("it has %d keys in %d segments, and the empty one: %t", f.Len(), len(segments), f.Has(""))
	}
}

// A full segment affirms 0.4 % of the keys that were not added.
func TestFilterDeniesMostOthers(t *testing.T) {
	t.Parallel()
	const part = 16 // of a segment, with the same room for each key
	s := make(segment, segmentBlocks/part)
	for i := range segmentKeys / part {
		s.add(hashOf(strconv.Itoa(i)))
	}
	const asked = 100_000
	wrong := 0
	for i := range asked {
		if s.has(hashOf("x" + strconv.Itoa(i))) {
			wrong++
		}
	}
	if wrong > asked*6/1000 { // 8 standard deviations
		t.Errorf("%d of %d keys that were not added are affirmed", wrong, asked)
	}
}

// Beyond its limit a filter denies nothing, and needs no memory.
func TestFullFilterAffirmsAll(t *testing.T) {
	t.Parallel()
	f := newFilter()
	f.limit = 1
	for i := range small[0].keys {
		f.Add(strconv.Itoa(i))
	}
	if f.full.Load() {
		t.Fatal("it is full too early")
	}
	f.Add("one more")
	f.Add("and another")
	if !f.Has("one more") || !f.Has("0") || !f.Has("never added") {
		t.Error("a full filter denies a key")
	}
	if segments := *f.segments.Load(); len(segments) != 0 || f.Len() != small[0].keys+2 {
		t.Errorf("it has %d segments and %d keys", len(segments), f.Len())
	}
}

// What was added before Has began is affirmed, while others are added and while the filter
// becomes full.
func TestFilterServesManyGoroutines(t *testing.T) {
	t.Parallel()
	f := newFilter()
	f.limit = 4
	total := f.limit*soonFull + 100
	var added atomic.Int64
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for i := added.Load(); i < int64(total); i = added.Load() {
				for j := max(0, i-50); j < i; j++ {
					if !f.Has(strconv.Itoa(int(j))) {
						t.Errorf("key %d is denied after %d were added", j, i)
						return
					}
				}
			}
		})
	}
	for i := range total {
		addSoonFull(f, i)
		added.Store(int64(i + 1))
	}
	all.Wait()
	if !f.full.Load() {
		t.Error("it is not full")
	}
}

const soonFull = 1_000

// addSoonFull adds the i-th key. A segment has room for soonFull of them.
func addSoonFull(f *filter, i int) {
	if i%soonFull == 0 {
		f.room = 0
	}
	f.Add(strconv.Itoa(i))
}

func BenchmarkFilter(b *testing.B) {
	id := func(i int) string { return fmt.Sprintf("chert:msg:%024x", i) }
	others := make([]string, 1<<16)
	for i := range others {
		others[i] = id(-i - 1)
	}
	for _, n := range []int{1_000, 1_000_000, 10_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			f, before := newFilter(), heapNow()
			for i := range n {
				f.Add(id(i))
			}
			grown := heapNow() - before
			affirmed := 0
			for _, key := range others {
				if f.Has(key) {
					affirmed++
				}
			}
			b.Run("has", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					f.Has(others[i%len(others)])
				}
				b.ReportMetric(float64(grown)/float64(n), "B/key")
				b.ReportMetric(100*float64(affirmed)/float64(len(others)), "%false")
			})
			b.Run("has-parallel", func(b *testing.B) {
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						f.Has(others[i%len(others)])
					}
				})
			})
			b.Run("add", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					f.Add(others[i%len(others)])
				}
			})
		})
	}
}

// heapNow returns the bytes that are reachable.
func heapNow() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

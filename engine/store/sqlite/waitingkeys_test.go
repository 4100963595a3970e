package sqlite

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestWaitingKeysCountsTheEventsOfAChat(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var w waitingKeys
		want := map[string]int{}
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			key := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "key")
			if want[key] == 0 || rapid.Bool().Draw(t, "add") {
				w.add(key)
				want[key]++
			} else {
				w.done(key)
				want[key]--
			}
			for key, n := range want {
				if w.has(key) != (n > 0) {
					t.Fatalf("%q is said to wait: %t, with %d events", key, w.has(key), n)
				}
			}
		}
	})
}

// The maps shrink with the number of chats, so a backlog leaves no memory behind.
func TestWaitingKeysGivesMemoryBack(t *testing.T) {
	t.Parallel()
	var w waitingKeys
	const n = 50_000
	for i := range n {
		w.add(strconv.Itoa(i))
	}
	if most := mostOf(&w); most < n-5 {
		t.Errorf("there was room for %d chats of %d", most, n)
	}
	for i := range n - 1 {
		w.done(strconv.Itoa(i))
	}
	if most := mostOf(&w); most > n/4 || !w.has(strconv.Itoa(n-1)) {
		t.Errorf("there is room for %d chats after %d were handled, and the last one waits: %t", most, n-1, w.has(strconv.Itoa(n-1)))
	}
}

// mostOf returns how many entries the maps have had since they were made.
func mostOf(w *waitingKeys) (most int) {
	for i := range w.parts {
		most += w.parts[i].most
	}
	return most
}

func TestWaitingKeysServesManyGoroutines(t *testing.T) {
	t.Parallel()
	var w waitingKeys
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 2_000 {
				key := fmt.Sprint(g, "/", i)
				w.add(key)
				w.add("all")
				if !w.has(key) || !w.has("all") {
					t.Errorf("%s does not wait", key)
				}
				w.done(key)
				w.done("all")
				if w.has(key) {
					t.Errorf("%s waits", key)
				}
			}
		})
	}
	all.Wait()
	if w.has("all") {
		t.Error("events wait after all were handled")
	}
}

func BenchmarkWaitingKeys(b *testing.B) {
	keys := make([]string, 1<<16)
	for i := range keys {
		keys[i] = fmt.Sprintf("17f6e9ed-1f0c-4f3e-9a77-%012x", i)
	}
	for _, n := range []int{0, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			w, before := &waitingKeys{}, heapNow()
			for i := range n {
				w.add(strconv.Itoa(i))
			}
			grown := heapNow() - before
			b.Run("add+done", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					w.add(keys[i%len(keys)])
					w.done(keys[i%len(keys)])
				}
				b.ReportMetric(float64(grown)/float64(max(n, 1)), "B/chat")
			})
			b.Run("has", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					w.has(keys[i%len(keys)])
				}
			})
			if n == 0 {
				return
			}
			for i := range n {
				w.done(strconv.Itoa(i))
			}
			b.Logf("%d bytes are left of %d", heapNow()-before, grown)
		})
	}
}

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
		want := map[string][]int64{}
		for seq := range int64(rapid.IntRange(0, 100).Draw(t, "steps")) {
			key := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "key")
			if len(want[key]) == 0 || rapid.Bool().Draw(t, "add") {
				w.add(key, seq+1)
				want[key] = append(want[key], seq+1)
			} else {
				w.done(key)
				want[key] = want[key][1:]
			}
			for key, seqs := range want {
				newest := int64(0)
				if len(seqs) > 0 {
					newest = seqs[len(seqs)-1]
				}
				if got := w.newest(key); got != newest {
					t.Fatalf("newest of %q is %d, want %d", key, got, newest)
				}
			}
		}
		w.done("never added")
		if got := w.newest("never added"); got != 0 {
			t.Fatalf("event %d waits of a key that has none", got)
		}
	})
}

// The maps shrink with the number of chats, so a backlog leaves no memory behind.
func TestWaitingKeysGivesMemoryBack(t *testing.T) {
	t.Parallel()
	var w waitingKeys
	const n = 50_000
	for i := range n {
		w.add(strconv.Itoa(i), int64(i))
	}
	if most := mostOf(&w); most < n-5 {
		t.Errorf("there was room for %d chats of %d", most, n)
	}
	for i := range n - 1 {
		w.done(strconv.Itoa(i))
	}
	if most := mostOf(&w); most > n/4 || w.newest(strconv.Itoa(n-1)) != n-1 {
		t.Errorf("there is room for %d chats after %d were handled, and the last one waits: %t", most, n-1, w.newest(strconv.Itoa(n-1)) != 0)
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
				w.add(key, int64(i)+1)
				w.add("all", int64(i)+1)
				if w.newest(key) != int64(i)+1 || w.newest("all") == 0 {
					t.Errorf("%s does not wait", key)
				}
				w.done(key)
				w.done("all")
				if w.newest(key) != 0 {
					t.Errorf("%s waits", key)
				}
			}
		})
	}
	all.Wait()
	if w.newest("all") != 0 {
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
				w.add(strconv.Itoa(i), int64(i))
			}
			grown := heapNow() - before
			b.Run("add+done", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					w.add(keys[i%len(keys)], int64(i)+1)
					w.done(keys[i%len(keys)])
				}
				b.ReportMetric(float64(grown)/float64(max(n, 1)), "B/chat")
			})
			b.Run("newest", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					w.newest(keys[i%len(keys)])
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

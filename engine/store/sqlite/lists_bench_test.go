package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"chertd/engine/store"
)

// BenchmarkListImport imports 100,000 members, which delays what is to be written meanwhile,
// and adds one to that list. It needs TMPDIR on a disk.
func BenchmarkListImport(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s, err := Open(b.Context(), filepath.Join(b.TempDir(), "chertd.db"), Options{})
		if err != nil {
			b.Fatal(err)
		}
		c := store.ListChange{List: "vips", Version: 1, At: someTime, By: "ana"}
		for i := range 100_000 {
			c.Set = append(c.Set, store.MemberSet{Member: fmt.Sprintf("+1415%07d", i), Reason: "season pass", Until: someTime})
		}
		b.StartTimer()
		if err := s.ChangeList(b.Context(), c); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		began := time.Now()
		if err := s.ChangeList(b.Context(), store.ListChange{List: "vips", Version: 2, At: someTime, By: "ana", Set: c.Set[:1]}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(began).Microseconds()), "µs/add")
		began = time.Now()
		if _, err := s.Lists(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/start")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

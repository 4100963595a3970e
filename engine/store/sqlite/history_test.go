package sqlite

import (
	goflag "flag"
	"path/filepath"
	"testing"
	"time"
)

var history = goflag.Int("history", 20_000, "events in the store of BenchmarkHistory")

// BenchmarkHistory is how long a store with a history takes to open, and to
// tell its stats. With a million events (-history 1000000) either has a second,
// and 50 ms.
func BenchmarkHistory(b *testing.B) {
	path := filepath.Join(b.TempDir(), "chertd.db")
	// Without a tick: the writer's connection is filled here, and is nobody else's.
	s, err := Open(b.Context(), path, Options{tick: make(chan time.Time)})
	if err != nil {
		b.Fatal(err)
	}
	fill(b, s.writer.conn, *history)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	var opened, counted time.Duration
	for b.Loop() {
		began := time.Now()
		s, err := Open(b.Context(), path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		opened += time.Since(began)
		began = time.Now()
		if st, err := s.Stats(b.Context()); err != nil || st.Bytes == 0 {
			b.Fatal(st, err)
		}
		counted += time.Since(began)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(opened.Microseconds())/1000/float64(b.N), "ms-open")
	b.ReportMetric(float64(counted.Microseconds())/1000/float64(b.N), "ms-stats")
}

package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/rules/turn"
)

// BenchmarkAppendDuringBackup measures acknowledgements while a store of 160 MB is copied, over
// those of the same time without: p50 and p99 of their times, and their number. Copies that
// are not paced, and by VACUUM INTO, are there to compare with. It needs TMPDIR on a disk.
func BenchmarkAppendDuringBackup(b *testing.B) {
	s, err := Open(b.Context(), filepath.Join(b.TempDir(), "chertd.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	text := []byte(`"` + strings.Repeat("x", 4000) + `"`)
	for i := range 100 {
		batch := make([]turn.Arrival, 400)
		for n := range batch {
			batch[n] = inChat(fmt.Sprint("old ", i, " ", n), fmt.Sprint("c", n))
			batch[n].Event.Raw = text
		}
		if _, err := s.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	copies := map[string]func(to string) error{
		"paced": func(to string) error { return paced(b.Context(), s.path, to, copyShare) },
		"whole": func(to string) error { return paced(b.Context(), s.path, to, 1) },
		"vacuum": func(to string) error {
			c, err := connect(b.Context(), s.path, "ro", busyTimeout)
			if err != nil {
				return err
			}
			defer c.close()
			return c.script("VACUUM INTO '" + to + "'")
		},
	}
	round := 0
	for _, name := range []string{"paced", "whole", "vacuum"} {
		b.Run(name, func(b *testing.B) {
			var with, without []time.Duration
			var copying time.Duration
			for b.Loop() {
				round++
				to := filepath.Join(b.TempDir(), fmt.Sprint(round))
				ctx, cancel := context.WithCancel(b.Context())
				began := time.Now()
				ended := make(chan []time.Duration)
				go func() { ended <- appending(ctx, b, s, fmt.Sprint(round, " with ")) }()
				if err := copies[name](to); err != nil {
					b.Fatal(err)
				}
				took := time.Since(began)
				copying += took
				cancel()
				with = append(with, <-ended...)
				alone, stop := context.WithTimeout(b.Context(), took)
				without = append(without, appending(alone, b, s, fmt.Sprint(round, " without "))...)
				stop()
			}
			slices.Sort(with)
			slices.Sort(without)
			at := func(list []time.Duration, part float64) float64 { return float64(list[int(part*float64(len(list)-1))]) }
			b.ReportMetric(at(with, 0.5)/at(without, 0.5), "p50-ratio")
			b.ReportMetric(at(with, 0.99)/at(without, 0.99), "p99-ratio")
			b.ReportMetric(float64(len(with))/float64(len(without)), "acks-ratio")
			b.ReportMetric(copying.Seconds()/float64(b.N), "s/copy")
		})
	}
}

// paced copies a store at a share of the time.
func paced(ctx context.Context, path, to string, share float64) error {
	s, err := openOutside(ctx, path)
	if err != nil {
		return err
	}
	defer s.close()
	f, err := createPartial(to)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.copyTo(ctx, f, share, time.Now)
}

// appending appends events at 400 a second, by 8 senders, and returns how long each took.
func appending(ctx context.Context, b *testing.B, s *Store, prefix string) []time.Duration {
	var mu sync.Mutex
	var all []time.Duration
	var senders sync.WaitGroup
	for i := range 8 {
		senders.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				began := time.Now()
				if _, err := s.Append(b.Context(), []turn.Arrival{inChat(fmt.Sprint(prefix, i, " ", n), fmt.Sprint("c", i))}); err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				all = append(all, time.Since(began))
				mu.Unlock()
			}
		})
	}
	senders.Wait()
	return all
}

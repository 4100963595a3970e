package sqlite

import (
	"bytes"
	"chertd/rules/turn"
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestHealthyStoreLogsNothing: a store that is opened, used, checked and closed logs nothing.
func TestHealthyStoreLogsNothing(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	tick := make(chan time.Time)
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "chertd.db"), Options{tick: tick, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	for _, act := range acts {
		if err := act.do(s); err != nil {
			t.Fatal(act.name, err)
		}
		tick <- time.Time{}
	}
	s.writer.grown <- struct{}{}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 {
		t.Errorf("logged:\n%s", log.String())
	}
}

// TestFailedCheckpointAtCloseIsLogged: a checkpoint that fails in Close is logged, and not an error of Close.
func TestFailedCheckpointAtCloseIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "chertd.db"), Options{tick: make(chan time.Time), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), []turn.Arrival{simple("e1")}); err != nil {
		t.Fatal(err)
	}
	if err := s.catchUp(t.Context()); err != nil { // Close does it otherwise
		t.Fatal(err)
	}
	sab := &saboteur{with: errInjected}
	sab.aim(1)
	s.writer.conn.faults = sab
	if err := s.Close(); err != nil || sab.struck() != truncateWAL {
		t.Errorf("close: %v", err)
	}
	if got := log.String(); strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "injected") {
		t.Errorf("logged:\n%s", got)
	}
	again, err := Open(t.Context(), s.path, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, ok, err := again.Event(t.Context(), "e1"); !ok || err != nil {
		t.Errorf("e1 is there: %t, %v", ok, err)
	}
}

// TestCheckpointRunsAfterManyRows: a checkpoint runs after each checkpointRows rows, and once more if that
// many were written during one.
func TestCheckpointRunsAfterManyRows(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		weights    []int
		room, want int
		rest       int
	}{
		{"too few", []int{checkpointRows - 1}, 9, 0, checkpointRows - 1},
		{"just enough", []int{checkpointRows - 1, 1}, 9, 1, 0},
		{"each time", slices.Repeat([]int{checkpointRows / 2}, 7), 9, 3, checkpointRows / 2},
		{"one is late", []int{checkpointRows, 1, checkpointRows - 2}, 9, 1, checkpointRows - 1},
		{"while it is busy", []int{checkpointRows, checkpointRows, checkpointRows}, 1, 1, 2 * checkpointRows},
	} {
		w := &writer{queue: make(chan *request, len(tc.weights)), grown: make(chan struct{}, tc.room), syncer: newSyncer(nil)}
		for _, n := range tc.weights {
			r := &request{weight: n, bytes: maxBytes} // each is a transaction of its own
			r.state.Store(requestWithdrawn)           // and none is made
			w.queue <- r
		}
		close(w.queue)
		w.run()
		if len(w.grown) != tc.want || w.written != tc.rest {
			t.Errorf("%s: %d notices, and %d rows since the last one; want %d and %d", tc.name, len(w.grown), w.written, tc.want, tc.rest)
		}
	}
}

// TestCheckpointRunsAgainAfterAFailure: a checkpoint that fails is logged, and the next one runs.
func TestCheckpointRunsAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	c, err := connect(context.Background(), s.path, "rw")
	if err != nil {
		t.Fatal(err)
	}
	sab := &saboteur{with: errInjected}
	sab.aim(2)
	c.faults = sab
	var log bytes.Buffer
	grown := make(chan struct{}, 3)
	for range 3 {
		grown <- struct{}{}
	}
	close(grown)
	cp := &checkpointer{conn: c, path: s.path, log: slog.New(slog.NewTextHandler(&log, nil))}
	cp.run(grown)
	if !slices.Equal(sab.ran, []*statement{copyWAL, copyWAL, copyWAL}) {
		t.Errorf("it ran %d statements", len(sab.ran))
	}
	if got := log.String(); strings.Count(got, "level=") != 1 || !strings.Contains(got, "injected") {
		t.Errorf("logged:\n%s", got)
	}
}

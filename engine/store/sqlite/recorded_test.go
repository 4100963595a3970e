package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/turn"
)

// recordedStore is a store with ten events, one each minute, of which every third is chertd's
// own, and a pack. It stays open.
func recordedStore(t *testing.T) (s *Store, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "chertd.db")
	s, err := Open(t.Context(), path, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var all []turn.Arrival
	for i := range 10 {
		a := inChat(fmt.Sprintf("e%d", i), "c1")
		a.Received = someTime.Add(time.Duration(i) * time.Minute)
		if a.Event.Source = event.SourceWebhook; i%3 == 2 {
			a.Event.Source = event.SourceEngine
		}
		all = append(all, a)
	}
	files := []rules.File{{Name: "p.lua", Kind: rules.RuleFile, Bytes: []byte("x = 1")}}
	_, err = s.Append(t.Context(), all)
	for _, err := range []error{
		err,
		s.SaveVersion(t.Context(), store.Version{Pack: "p", Version: rules.VersionOf(files), Path: "rules/p.lua", Files: files, Since: someTime, Last: someTime}),
		s.SetPackState(t.Context(), store.PackState{Pack: "p", Live: rules.VersionOf(files), Mode: rules.Shadow}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return s, path
}

// ids are those of entries.
func ids(entries []turn.Entry) (all []string) {
	for _, e := range entries {
		all = append(all, e.Event.ID)
	}
	return all
}

// TestRecordedReadsBesideTheDaemon: of a store in use, and of one that no process has open, the
// events from outside are read in their order, in pieces, and none that came later.
func TestRecordedReadsBesideTheDaemon(t *testing.T) {
	t.Parallel()
	for _, inUse := range []bool{true, false} {
		s, path := recordedStore(t)
		if !inUse {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		r, err := OpenRecorded(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if !r.Newest.Equal(someTime.Add(9 * time.Minute)) {
			t.Errorf("the newest event is of %v", r.Newest)
		}
		if inUse {
			if _, err := s.Append(t.Context(), []turn.Arrival{inChat("late", "c1")}); err != nil {
				t.Fatal(err)
			}
		}
		for from, want := range map[time.Duration]string{
			-time.Hour:       "[e0 e1 e3 e4 e6 e7 e9]",
			0:                "[e0 e1 e3 e4 e6 e7 e9]",
			time.Second:      "[e1 e3 e4 e6 e7 e9]",
			4 * time.Minute:  "[e4 e6 e7 e9]",
			5 * time.Minute:  "[e6 e7 e9]",
			9 * time.Minute:  "[e9]",
			10 * time.Minute: "[]",
		} {
			after, err := r.Before(t.Context(), someTime.Add(from))
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for more := true; more; more = after != 0 {
				var entries []turn.Entry
				if entries, after, err = r.Entries(t.Context(), after, 3); err != nil {
					t.Fatal(err)
				}
				all = append(all, ids(entries)...)
			}
			if got := fmt.Sprint(all); got != want {
				t.Errorf("in use: %v, from %v: %s, want %s", inUse, from, got, want)
			}
		}
		if e, ok, err := r.Entry(t.Context(), 4); err != nil || !ok || e.Event.ID != "e3" {
			t.Errorf("event 4 is %q, %v, %v", e.Event.ID, ok, err)
		}
		if _, ok, err := r.Entry(t.Context(), 4000); ok || err != nil {
			t.Errorf("event 4000 is there: %v, %v", ok, err)
		}
		states, err := r.PackStates(t.Context())
		if err != nil || len(states) != 1 || states[0].Mode != rules.Shadow {
			t.Fatalf("packs %+v, %v", states, err)
		}
		if v, ok, err := r.Version(t.Context(), "p", states[0].Live); err != nil || !ok || len(v.Files) != 1 || v.Path != "rules/p.lua" {
			t.Errorf("version %+v, %v, %v", v, ok, err)
		}
	}
}

// TestRecordedHoldsNoSnapshot: the WAL of a store that is in use can restart while a Recorded
// is open.
func TestRecordedHoldsNoSnapshot(t *testing.T) {
	t.Parallel()
	s, path := recordedStore(t)
	r, err := OpenRecorded(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, _, err := r.Entries(t.Context(), 0, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), []turn.Arrival{inChat("another", "c1")}); err != nil {
		t.Fatal(err)
	}
	if busy, err := s.writer.conn.one(t.Context(), truncateWAL); err != nil || intOf(busy) != 0 {
		t.Errorf("the WAL can't be emptied beside it: %v, %v", busy, err)
	}
}

// TestRecordedRefusesOlderSchemas: a store of an older chertd is refused with what to do.
func TestRecordedRefusesOlderSchemas(t *testing.T) {
	t.Parallel()
	s, path := recordedStore(t)
	if err := s.writer.conn.script("PRAGMA user_version = 12"); err != nil {
		t.Fatal(err)
	}
	_, err := OpenRecorded(context.Background(), path)
	if older := (*OlderError)(nil); !errors.As(err, &older) || older.Version != 12 || older.Hint() == "" {
		t.Errorf("error %v", err)
	}
}

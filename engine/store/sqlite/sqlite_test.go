package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/engine/store/storetest"
)

// place is a database file in a folder of the test.
type place string

func (p place) Open(t testing.TB) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), string(p), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) storetest.Place {
		p := place(filepath.Join(t.TempDir(), "data", "chertd.db"))
		t.Cleanup(func() { recount(t, string(p)) }) // after the test has closed its store
		return p
	})
}

// recount fails the test if the store's stats are not what its tables hold.
func recount(t testing.TB, path string) {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if wrong, err := sqlite.Recount(context.Background(), s); wrong != "" || err != nil {
		t.Error(wrong, err)
	}
	r, err := sqlite.Check(context.Background(), path, sqlite.CheckOptions{})
	if err != nil {
		t.Error(err)
	}
	for _, f := range r.Findings {
		// Tests of single methods keep what no engine would: an action that its chat has
		// otherwise, events missed that never came, versions live that were not saved, versions
		// that are not the hashes of their files.
		if f.Where != "chats" && f.Where != "missed" && f.Where != "packs" && f.Where != "pack_files" {
			t.Errorf("check: %+v", f)
		}
	}
}

package sqlite_test

import (
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
		return place(filepath.Join(t.TempDir(), "data", "chertd.db"))
	})
}

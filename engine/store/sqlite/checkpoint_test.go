package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"chertd/engine/store"
)

// TestWALIsBounded: the WAL begins anew also where commits never pause.
func TestWALIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chertd.db")
	s := open(t, path)
	const limit = 48 << 20
	written, n := 0, int64(0)
	for written < 2*limit {
		batch := make([]store.Arrival, 128)
		for i := range batch {
			n++
			batch[i] = message(n, 5000)
			batch[i].Event.Payload = make([]byte, 8000)
			written += 8000
		}
		if _, err := s.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > limit {
			t.Fatalf("the WAL has grown to %d bytes after %d events", info.Size(), n)
		}
	}
}

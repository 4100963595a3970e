package sqlite_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"chertd/engine/store"
)

// TestWALStaysBoundedUnderLoad: the WAL restarts also where commits never pause.
func TestWALStaysBoundedUnderLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chertd.db")
	s := open(t, path)
	const limit = 40 << 20 // 32 MiB, and what one group of requests may add
	body := make([]byte, 1<<20)
	for n := 0; n<<20 < limit+limit/2; n++ {
		binary.BigEndian.PutUint64(body, uint64(n))
		if err := s.Quarantine(t.Context(), store.Quarantined{Body: body}); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > limit {
			t.Fatalf("the WAL has grown to %d bytes after %d MiB", info.Size(), n+1)
		}
	}
}

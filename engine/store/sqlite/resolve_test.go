package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// A store may be reached by links, of its folder or of its file: it is one store,
// with one lock and one WAL, and what was acknowledged is there by each way.
func TestStoreBehindALinkIsOneStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "disk"), 0o700))
	real := filepath.Join(dir, "disk", "real.db")
	must(os.WriteFile(real, nil, 0o600))
	must(os.Symlink("disk", filepath.Join(dir, "folder")))
	must(os.Symlink("disk/real.db", filepath.Join(dir, "file.db")))
	must(os.Symlink(filepath.Join(dir, "file.db"), filepath.Join(dir, "twice.db")))
	ways := []string{"file.db", "folder/real.db", "twice.db", "disk/real.db"}
	for i, way := range ways {
		s, err := Open(t.Context(), filepath.Join(dir, way), Options{tick: make(chan time.Time)})
		if err != nil {
			t.Fatalf("%s: %v", way, err)
		}
		if _, err := s.Append(t.Context(), []turn.Arrival{simple(fmt.Sprint("e", i))}); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		if list, err := s.Pending(t.Context(), store.Shard{Of: 1}, 0, 10); err != nil || len(list) != i+1 {
			t.Errorf("%s has %d events of %d: %v", way, len(list), i+1, err)
		}
		for _, other := range ways {
			var inUse *InUseError
			if _, err := Open(t.Context(), filepath.Join(dir, other), Options{}); !errors.As(err, &inUse) {
				t.Errorf("open by %s, and again by %s: %v", way, other, err)
			}
		}
		must(s.Close())
	}
}

// A link that does not lead to a whole store is refused with the fix, and nothing
// is made or changed.
func TestLinkToNoStoreIsRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(t *testing.T, dir string) error // dir/chertd.db is the link
		says    string
		hint    string
	}{
		"it leads nowhere": {func(_ *testing.T, dir string) error {
			return os.Symlink(filepath.Join(dir, "real.db"), filepath.Join(dir, "chertd.db"))
		}, "which does not exist", "touch DIR/real.db"},
		"into a folder that is not there": {func(_ *testing.T, dir string) error {
			return os.Symlink("disk/real.db", filepath.Join(dir, "chertd.db"))
		}, "DIR/disk/real.db, which does not exist", "mount the disk"},
		"in a circle": {func(_ *testing.T, dir string) error {
			return os.Symlink("chertd.db", filepath.Join(dir, "chertd.db"))
		}, "chertd.db", "remove the link"},
		"its WAL was left behind": {func(_ *testing.T, dir string) error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "real.db"), nil, 0o600),
				os.WriteFile(filepath.Join(dir, "chertd.db-wal"), []byte("what was acknowledged"), 0o600),
				os.Symlink("real.db", filepath.Join(dir, "chertd.db")))
		}, "newest events were left in DIR/chertd.db-wal", "mv DIR/chertd.db-wal DIR/real.db-wal"},
	} {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := tc.prepare(t, dir); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadDir(dir)
		_, err = Open(t.Context(), filepath.Join(dir, "chertd.db"), Options{})
		var unusable *UnusableError
		if !errors.As(err, &unusable) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range [][2]string{{err.Error(), tc.says}, {unusable.Hint(), tc.hint}} {
			if text := strings.ReplaceAll(want[1], "DIR", dir); !strings.Contains(want[0], text) {
				t.Errorf("%s: it says %q, want %q", name, want[0], text)
			}
		}
		if after, _ := os.ReadDir(dir); len(after) != len(before) {
			t.Errorf("%s: there are %d files, and were %d", name, len(after), len(before))
		}
	}
}

// A link that leads elsewhere while the store is open loses it for the next start.
func TestLinkThatLeadsElsewhereLosesTheStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "chertd.db")
	err := errors.Join(os.WriteFile(filepath.Join(dir, "one.db"), nil, 0o600), os.WriteFile(filepath.Join(dir, "two.db"), nil, 0o600), os.Symlink("one.db", link))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), link, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := errors.Join(os.Remove(link), os.Symlink("two.db", link)); err != nil {
		t.Fatal(err)
	}
	var lost *LostError
	if _, err := s.Append(t.Context(), []turn.Arrival{simple("e")}); !errors.As(err, &lost) || lost.Path != link {
		t.Errorf("appended to a store that the next start does not find: %v", err)
	}
}

package sqlite

import (
	"chertd/rules/turn"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOpenOnAFullDiskSucceedsOnceThereIsRoom: the error of Open on a full disk is a *NoRoomError; once there is
// room Open succeeds, and nothing is lost.
func TestOpenOnAFullDiskSucceedsOnceThereIsRoom(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "chertd.db")
	for range 2 { // a second try finds what the first has left
		var full *NoRoomError
		_, err := Open(t.Context(), path, Options{pragmas: []string{"max_page_count(3)"}})
		if !errors.As(err, &full) || !strings.Contains(full.Hint(), filepath.Dir(path)) || !strings.Contains(err.Error(), path) {
			t.Fatalf("opened on a full disk: %v", err)
		}
	}
	s, err := Open(t.Context(), path, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatalf("there is room, but: %v", err)
	}
	if _, err := s.Append(t.Context(), []turn.Arrival{simple("e1")}); err != nil {
		t.Fatal(err)
	}
	intact(t, s)
	s.Close()

	again, err := Open(t.Context(), path, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, ok, err := again.Event(t.Context(), "e1"); !ok || err != nil {
		t.Errorf("e1 is there: %t, %v", ok, err)
	}
}

// TestOpenRefusesChangedTables: a missing table is an error of Open, and not of the event that needs it.
func TestOpenRefusesChangedTables(t *testing.T) {
	t.Parallel()
	for _, change := range []string{"DROP TABLE events", "DROP TABLE missed", "DROP TABLE daemon", "ALTER TABLE chats RENAME COLUMN line TO phone"} {
		s := openInside(t)
		path := s.path
		if strings.HasPrefix(change, "ALTER") { // an index names the column
			change = "DROP INDEX chats_call; " + change
		}
		if err := s.writer.conn.script(change); err != nil {
			t.Fatal(err)
		}
		s.Close()
		var unusable *UnusableError
		again, err := Open(t.Context(), path, Options{tick: make(chan time.Time)})
		if err == nil {
			again.Close()
		}
		if !errors.As(err, &unusable) || !strings.Contains(unusable.Hint(), "restore a backup") || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: opened again: %v", change, err)
		}
	}
}

// TestOpenErrorsHaveAHint: an error that a restart does not solve differs from a full
// disk, after which a restart helps, and from an unknown error.
func TestOpenErrorsHaveAHint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "chertd.db")
	for name, test := range map[string]struct {
		err  error
		kind string
	}{
		"ENOSPC":            {&fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOSPC}, "full"},
		"a quota":           {&fs.PathError{Op: "open", Path: dir, Err: syscall.EDQUOT}, "full"},
		"permission":        {&fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}, "unusable"},
		"not the owner":     {&fs.PathError{Op: "chmod", Path: path, Err: syscall.EPERM}, "unusable"},
		"a read-only disk":  {&fs.PathError{Op: "open", Path: path, Err: syscall.EROFS}, "unusable"},
		"an I/O error":      {&fs.PathError{Op: "open", Path: path, Err: syscall.EIO}, "other"},
		"too many files":    {&fs.PathError{Op: "open", Path: path, Err: syscall.EMFILE}, "other"},
		"a folder":          {errNotRegular, "unusable"},
		"below a file":      {&fs.PathError{Op: "mkdir", Path: path, Err: syscall.ENOTDIR}, "unusable"},
		"too long a name":   {&fs.PathError{Op: "open", Path: path, Err: syscall.ENAMETOOLONG}, "unusable"},
		"no shared memory":  {errNoWAL, "unusable"},
		"another program's": {errForeign, "unusable"},
		"changed tables":    {&tablesError{errors.New("no such table")}, "unusable"},
		"something else":    {errors.New("something else"), "other"},
		"in use":            {&InUseError{Path: path}, "other"},
		"a newer database":  {&NewerError{Path: path, Version: 9, Known: 5}, "other"},
		"without its file":  {&MissingError{Path: path}, "other"},
	} {
		err := openError(path, fmt.Errorf("open store %s: %w", path, test.err))
		var full *NoRoomError
		var unusable *UnusableError
		kind := "other"
		switch {
		case errors.As(err, &full):
			kind = "full"
		case errors.As(err, &unusable):
			kind = "unusable"
			if pathErr := new(fs.PathError); errors.As(err, &pathErr) && !strings.Contains(unusable.Hint(), path) && !strings.Contains(unusable.Hint(), "store.url") {
				t.Errorf("%s: hint %q", name, unusable.Hint())
			}
		}
		if hint, ok := errors.AsType[interface {
			error
			Hint() string
		}](err); !ok || hint.Hint() == "" {
			t.Errorf("%s: has no hint: %v", name, err)
		}
		if kind != test.kind || !errors.Is(err, test.err) {
			t.Errorf("%s: is %s, want %s: %v", name, kind, test.kind, err)
		}
	}
	text := filepath.Join(dir, "notes.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("these are not pages of a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	var unusable *UnusableError
	if _, err := Open(t.Context(), text, Options{}); !errors.As(err, &unusable) || !strings.Contains(unusable.Hint(), "store.url") {
		t.Errorf("a file of text: %v", err)
	}
}

// TestOpenRefusesABrokenStore: a table that Open misses, or can't write to, is an error, and does not
// count as an empty one. The lock is released.
func TestOpenRefusesABrokenStore(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{
		"DROP TABLE daemon", "DROP TABLE events", "DROP TABLE counts",
		"ALTER TABLE daemon RENAME TO old; CREATE VIEW daemon AS SELECT * FROM old",
	} {
		path := filepath.Join(t.TempDir(), "chertd.db")
		s, err := Open(t.Context(), path, Options{tick: make(chan time.Time)})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.writer.conn.script(broken); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			var inUse *InUseError
			s, err := Open(t.Context(), path, Options{tick: make(chan time.Time)})
			if err == nil {
				s.Close()
			}
			if err == nil || errors.As(err, &inUse) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: opened with %v", broken, err)
			}
		}
	}
}

// TestOpenFollowsNoBrokenLink: a link that leads nowhere is not made a database.
func TestOpenFollowsNoBrokenLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, link := range []struct{ name, to, want string }{
		{"nowhere.db", "gone/chertd.db", "which does not exist"},
		{"near.db", "other.db", "which does not exist"},
		{"itself.db", "itself.db", "too many links"},
	} {
		path := filepath.Join(dir, link.name)
		if err := os.Symlink(filepath.Join(dir, link.to), path); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), path, Options{tick: make(chan time.Time)})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), link.want) {
			t.Errorf("%s: opened with %v, want %q", link.name, err, link.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "other.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a database was made behind a link: %v", err)
	}
}

// TestOpenFailsIfItCantReadTheSequence: a sequence or version that can't be read is not 0.
func TestOpenFailsIfItCantReadTheSequence(t *testing.T) {
	t.Parallel()
	s, sab := filled(t)
	c := <-s.readers
	defer func() { s.readers <- c }()
	for name, read := range map[string]func() error{
		"last sequence": func() error { _, err := lastSeq(t.Context(), c); return err },
		"schema":        func() error { return migrate(t.Context(), c, s.path, migrations) },
	} {
		sab.aim(-1)
		if err := read(); err != nil {
			t.Fatal(name, err)
		}
		for nth, what := range slices.Clone(sab.ran) {
			sab.aim(nth + 1)
			if err := read(); !errors.Is(err, errInjected) {
				t.Errorf("%s: %s failed, and it returns %v", name, what.sql, err)
			}
		}
	}
}

// Open leaves a file that is not a store of chertd's unchanged: neither its mode nor its
// content changes, and no WAL appears beside it.
func TestForeignDatabasesAreLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	song, text := filepath.Join(dir, "songs.db"), filepath.Join(dir, "notes.db")
	c, err := connect(t.Context(), song, "rwc")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.script("CREATE TABLE songs (title TEXT); INSERT INTO songs VALUES ('one')"); err != nil {
		t.Fatal(err)
	}
	c.close()
	if err := os.WriteFile(text, []byte(strings.Repeat("words\n", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{song, text} {
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var unusable *UnusableError
		if _, err := Open(t.Context(), path, Options{}); !errors.As(err, &unusable) {
			t.Errorf("%s: %v", path, err)
		}
		after, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil || string(before) != string(after) || info.Mode().Perm() != 0o644 {
			t.Errorf("%s was changed: %v %v %v", path, err, statErr, info.Mode())
		}
		for _, beside := range []string{"-wal", "-shm", "-journal"} {
			if _, err := os.Stat(path + beside); err == nil {
				t.Errorf("there is %s%s now", path, beside)
			}
		}
	}
	// An empty database that sqlite3 has made may become a store.
	empty := filepath.Join(dir, "empty.db")
	if c, err = connect(t.Context(), empty, "rwc"); err == nil {
		err = c.script("PRAGMA user_version = 0; VACUUM")
		c.close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), empty, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

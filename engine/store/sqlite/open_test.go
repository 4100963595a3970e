package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chertd/engine/store/sqlite"
	"chertd/rules/turn"
)

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	// Characters that mean something in a SQLite URI are part of the name.
	dir := filepath.Join(t.TempDir(), "a ?mode=ro&x#y%41", "data")
	path := filepath.Join(dir, "chertd.db")
	s := open(t, path)
	if _, err := s.Append(t.Context(), []turn.Arrival{message(1, 1)}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{
		dir: 0o700 | os.ModeDir, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, path + ".lock": 0o600,
	} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", filepath.Base(name), info.Mode(), want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the WAL is still there after Close: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("a file others could read has mode %v after Open, %v", info.Mode(), err)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chertd.db")
	s := open(t, path)
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	var inUse *sqlite.InUseError
	if !errors.As(err, &inUse) {
		t.Fatalf("a second Open: %v", err)
	}
	pid := os.Getpid()
	if inUse.PID != pid || !strings.Contains(err.Error(), fmt.Sprint("pid ", pid)) || !strings.Contains(inUse.Hint(), "store.url") {
		t.Errorf("a second Open says %q, hint %q; the pid is %d", err, inUse.Hint(), pid)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestForeignFilesAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("these are not pages of a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"":                                    "the path is empty",
		dir:                                   "not a regular file",
		text:                                  "not a database",
		filepath.Join(text, "x", "chertd.db"): "not a directory",
	} {
		_, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("open %q: %v, want %q", path, err, want)
		}
	}
}

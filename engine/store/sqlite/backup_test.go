package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chertd/rules/turn"
)

// TestBackupOfAnOpenStoreIsASnapshot: a backup that is made while the store is written to is
// sound, has all that was acknowledged before it began, and disturbs nothing.
func TestBackupOfAnOpenStoreIsASnapshot(t *testing.T) {
	t.Parallel()
	s, _ := filled(t)
	for i := range 300 { // of many pages
		a := inChat(fmt.Sprint("before ", i), fmt.Sprint("c", i))
		a.Event.Raw = []byte(`"` + strings.Repeat("x", 10_000) + `"`)
		if _, err := s.Append(t.Context(), []turn.Arrival{a}); err != nil {
			t.Fatal(err)
		}
	}
	// The clock is read at the beginning and the end of each step of the copy, so that there
	// is a write within each.
	wrote := 0
	clock := func() time.Time {
		if _, err := s.Append(t.Context(), []turn.Arrival{inChat(fmt.Sprint("during ", wrote), "c1")}); err != nil {
			t.Error(err)
		}
		wrote++
		return someTime
	}
	to := filepath.Join(t.TempDir(), "b.db")
	b, err := Backup(t.Context(), s.path, to, BackupOptions{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	if wrote < 6 {
		t.Fatalf("%d writes during the copy prove nothing", wrote)
	}
	if err := s.Healthy(); err != nil {
		t.Error(err)
	}
	sound(t, to)
	info, err := os.Stat(to)
	if err != nil || info.Mode() != 0o600 || info.Size() != b.Bytes || b.Events != 304 {
		t.Errorf("%v %v, %+v", info.Mode(), err, b)
	}
	alone(t, to)
	restored := openFile(t, to)
	for i := range 300 {
		if _, ok, err := restored.Event(t.Context(), fmt.Sprint("before ", i)); !ok || err != nil {
			t.Fatalf("event %d: %t, %v", i, ok, err)
		}
	}
	if _, ok, _ := restored.Event(t.Context(), "during 0"); ok {
		t.Error("it has a write of after its beginning")
	}
}

// alone fails the test if there is anything beside a file.
func alone(t *testing.T, path string) {
	t.Helper()
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(list) != 1 {
		t.Errorf("beside %s there is %v, %v", path, list, err)
	}
}

func openFile(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestBackupReplacesNothing: a backup does not replace a file that exists without force, nor a
// file of the store with it, and a backup that fails or is interrupted leaves what was there.
func TestBackupReplacesNothing(t *testing.T) {
	t.Parallel()
	s, _ := filled(t)
	to := filepath.Join(t.TempDir(), "b.db")
	before := "chert: {}\nrules: {}\n"
	write := func() {
		t.Helper()
		if err := os.WriteFile(to, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write()
	still := func(when string) {
		t.Helper()
		if b, err := os.ReadFile(to); err != nil || string(b) != before {
			t.Errorf("%s: %q, %v", when, b, err)
		}
		alone(t, to)
	}
	var there *ExistsError
	if _, err := Backup(t.Context(), s.path, to, BackupOptions{}); !errors.As(err, &there) || there.Hint() == "" {
		t.Errorf("over a file: %v", err)
	}
	still("without force")
	for _, before = range []string{before, "", dbMagic, dbMagic + strings.Repeat("\x00", 8192)} {
		write()
		var unusable *UnusableError
		if _, err := Backup(t.Context(), s.path, to, BackupOptions{Force: true}); !errors.As(err, &unusable) || !strings.Contains(unusable.Hint(), "name another file") {
			t.Errorf("with force, over what is not a store: %v", err)
		}
		still("not a store")
	}
	before = dbMagic + strings.Repeat("\x00", applicationAt-len(dbMagic)) + "chrt"
	write()
	ended, cancel := context.WithCancel(t.Context())
	clock := func() time.Time { cancel(); return someTime }
	if _, err := Backup(ended, s.path, to, BackupOptions{Force: true, Now: clock}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	still("interrupted")
	for _, own := range []string{s.path, s.path + "-wal", s.path + "-shm", s.path + ".lock", filepath.Dir(s.path)} {
		var unusable *UnusableError
		if _, err := Backup(t.Context(), s.path, own, BackupOptions{Force: true}); !errors.As(err, &unusable) || unusable.Hint() == "" {
			t.Errorf("over %s: %v", own, err)
		}
	}
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Link(s.path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(t.Context(), s.path, link, BackupOptions{Force: true}); err == nil {
		t.Error("over another name of the store")
	}
	if _, err := s.Append(t.Context(), []turn.Arrival{simple("after")}); err != nil {
		t.Error(err)
	}
	b, err := Backup(t.Context(), s.path, to, BackupOptions{Force: true})
	if err != nil || b.Events != 5 {
		t.Errorf("with force: %+v, %v", b, err)
	}
	sound(t, to)
}

// TestBackupTakesWhatAKilledOneLeft: a partial file that nobody writes to is used again, and one
// that somebody writes to is not.
func TestBackupTakesWhatAKilledOneLeft(t *testing.T) {
	t.Parallel()
	s, _ := filled(t)
	to := filepath.Join(t.TempDir(), "b.db")
	f, err := createPartial(to + ".partial")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(strings.Repeat("half of a backup", 10_000)); err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(t.Context(), s.path, to, BackupOptions{}); err == nil || !strings.Contains(err.Error(), "another copy") {
		t.Errorf("beside another one: %v", err)
	}
	f.Close()
	if _, err := Backup(t.Context(), s.path, to, BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	sound(t, to)
	alone(t, to)
}

// TestBackupOfADamagedStoreFails: a backup never has the damage of its store.
func TestBackupOfADamagedStoreFails(t *testing.T) {
	t.Parallel()
	path := damagedStore(t)
	to := filepath.Join(t.TempDir(), "b.db")
	_, err := Backup(t.Context(), path, to, BackupOptions{})
	if !damaged(err) {
		t.Errorf("backed up: %v", err)
	}
	blamesTheStore(t, path, err)
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a backup: %v", err)
	}
	r, err := Check(t.Context(), path, CheckOptions{})
	if err != nil || len(r.Findings) == 0 || r.Findings[0].Where != "pages" || !strings.Contains(r.Findings[0].Fix, "chertd store restore") {
		t.Errorf("checked: %+v, %v", r, err)
	}
	for _, f := range r.Findings {
		if strings.ContainsAny(f.What, "\n*") {
			t.Errorf("a finding is not one line about one thing: %q", f.What)
		}
	}
	if r.Partly == "" {
		t.Error("it does not say that the content was not checked")
	}
}

// blamesTheStore reports an error of a backup that does not say that the store is damaged.
func blamesTheStore(t *testing.T, path string, err error) {
	t.Helper()
	hint, _ := errors.AsType[interface {
		error
		Hint() string
	}](err)
	if hint == nil || !strings.Contains(err.Error(), "the store itself is damaged: ") || strings.Contains(err.Error(), "copy") ||
		!strings.HasPrefix(hint.Hint(), "chertd store check --file "+path) {
		t.Errorf("the error is %v", err)
	}
}

// Damage that only a check finds is copied with its page: the backup blames the store and not
// the copy.
func TestBackupNamesDamageThatOnlyACheckFinds(t *testing.T) {
	t.Parallel()
	s, _ := filled(t)
	path := s.path
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, path, "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'timers') WHERE name = 'states'")
	to := filepath.Join(t.TempDir(), "b.db")
	_, err := Backup(t.Context(), path, to, BackupOptions{})
	blamesTheStore(t, path, err)
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a backup: %v", err)
	}
}

// damagedStore is a store with damaged pages, that is closed.
func damagedStore(t *testing.T) string {
	t.Helper()
	s, _ := filled(t)
	path := s.path
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	scribble(t, path, 3)
	return path
}

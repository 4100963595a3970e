package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

// backedUp is a closed store with an event that its backup lacks.
func backedUp(t *testing.T) (path, backup string) {
	t.Helper()
	s, _ := filled(t)
	backup = filepath.Join(t.TempDir(), "b.db")
	if _, err := Backup(t.Context(), s.path, backup, BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), []turn.Arrival{simple("since")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return s.path, backup
}

// holds reports whether a store, which it opens and closes, has an event.
func holds(t *testing.T, path, id string) bool {
	t.Helper()
	s, err := Open(t.Context(), path, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, ok, err := s.Event(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// TestRestoreReplacesTheStore: the store is that of the backup then, the replaced one is beside
// it, whole, and a second restore replaces neither.
func TestRestoreReplacesTheStore(t *testing.T) {
	t.Parallel()
	path, backup := backedUp(t)
	clock := func() time.Time { return someTime }
	r, err := Restore(t.Context(), path, backup, RestoreOptions{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	if want := path + ".before-restore-20260105T120000Z"; r.Kept != want || r.Events != 4 || r.Pending != 3 || r.Waiting != 1 || !r.Paused || r.PausedBefore {
		t.Errorf("%+v", r)
	}
	sound(t, path)
	if holds(t, path, "since") || !holds(t, path, "e1") {
		t.Error("it is not the backup's")
	}
	again, err := Restore(t.Context(), path, backup, RestoreOptions{Now: clock})
	if err != nil || again.Kept == r.Kept || again.Kept == "" {
		t.Fatalf("again: %+v, %v", again, err)
	}
	if !holds(t, r.Kept, "since") || !holds(t, again.Kept, "e1") {
		t.Error("what was replaced is not kept")
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	back, err := Restore(t.Context(), path, r.Kept, RestoreOptions{Now: clock})
	if err != nil || !holds(t, path, "since") {
		t.Errorf("and back: %+v, %v", back, err)
	}
	empty := filepath.Join(t.TempDir(), "new", "chertd.db")
	if r, err := Restore(t.Context(), empty, backup, RestoreOptions{}); err != nil || r.Kept != "" || !holds(t, empty, "e1") {
		t.Errorf("where there was none: %+v, %v", r, err)
	}
}

// TestRestoreNeverMeetsAnOldWAL: a store that was killed has a WAL, which must not be read into
// the restored database.
func TestRestoreNeverMeetsAnOldWAL(t *testing.T) {
	t.Parallel()
	s, _ := filled(t)
	backup := filepath.Join(t.TempDir(), "b.db")
	if _, err := Backup(t.Context(), s.path, backup, BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if _, err := s.Append(t.Context(), []turn.Arrival{simple(fmt.Sprint("since ", i))}); err != nil {
			t.Fatal(err)
		}
	}
	killed := filepath.Join(t.TempDir(), "chertd.db") // the files as a kill leaves them
	for _, suffix := range []string{"", "-wal"} {
		copyFile(t, s.path+suffix, killed+suffix)
	}
	r, err := Restore(t.Context(), killed, backup, RestoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sound(t, killed)
	if holds(t, killed, "since 49") || !holds(t, killed, "e1") || !holds(t, r.Kept, "since 49") {
		t.Error("the stores are mixed up")
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRestoreRefuses: what can't be restored is refused before anything is changed.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	path, backup := backedUp(t)
	dir := t.TempDir()
	newer, foreign, text, wrong := filepath.Join(dir, "newer.db"), filepath.Join(dir, "foreign.db"), filepath.Join(dir, "text.db"), filepath.Join(dir, "wrong.db")
	for _, to := range []string{newer, foreign, wrong} {
		copyFile(t, backup, to)
	}
	alter(t, newer, "PRAGMA user_version = 1000")
	alter(t, foreign, "PRAGMA application_id = 1")
	alter(t, wrong, "UPDATE counts SET events = 99")
	if err := os.WriteFile(text, []byte(strings.Repeat("notes\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		newer: "a newer chertd has used", foreign: "another program", text: "not a database", empty: "empty",
		wrong: "--force restores it", damagedStore(t): "chertd store check --file", path: "name a backup", filepath.Join(dir, "none.db"): "no such file",
		dir: "not a regular file",
	} {
		_, err := Restore(t.Context(), path, from, RestoreOptions{})
		var hint interface{ Hint() string }
		if !errors.As(err, &hint) || !strings.Contains(err.Error()+"\n"+hint.Hint(), want) {
			t.Errorf("from %s: %v, want %q", filepath.Base(from), err, want)
		} else if from != path && strings.Contains(hint.Hint(), "store.url") {
			t.Errorf("from %s: the hint %q is about the store, not the backup", filepath.Base(from), hint.Hint())
		}
	}
	if _, err := Restore(t.Context(), filepath.Join(dir, "forced.db"), wrong, RestoreOptions{Force: true}); err != nil {
		t.Errorf("with force: %v", err)
	}
	for _, sql := range []string{"DROP TABLE call_pauses", "DROP INDEX chats_waiting"} { // a start would refuse it
		copyFile(t, backup, wrong)
		alter(t, wrong, sql)
		to := filepath.Join(dir, "unusable.db")
		if _, err := Restore(t.Context(), to, wrong, RestoreOptions{Force: true}); err == nil {
			t.Errorf("%s: restored with force", sql)
		}
		if there, err := exists(to); there || err != nil {
			t.Errorf("%s: it is there, %v", sql, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Restore(ended, path, backup, RestoreOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	list, err := filepath.Glob(path + "?*")
	if err != nil || slices.ContainsFunc(list, func(p string) bool { return strings.Contains(p, "restor") }) {
		t.Errorf("beside the store there is %v, %v", list, err)
	}
	s := openFile(t, path)
	if _, ok, err := s.Event(t.Context(), "since"); !ok || err != nil {
		t.Errorf("the store was changed: %v", err)
	}
	var inUse *InUseError
	if _, err := Restore(t.Context(), path, backup, RestoreOptions{}); !errors.As(err, &inUse) {
		t.Errorf("while it is open: %v", err)
	}
}

// TestRestoreKeepsThePause: calls that an operator has paused do not go out because of a restore,
// and --paused pauses them.
func TestRestoreKeepsThePause(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ store, backup, flag, paused, before bool }{
		{false, false, false, false, false},
		{true, false, false, true, true},
		{false, true, false, true, false},
		{true, true, false, true, false},
		{false, false, true, true, false},
		{true, false, true, true, false},
	} {
		path, backup := backedUp(t)
		alter(t, path, fmt.Sprint("UPDATE daemon SET paused = ", flag(test.store)))
		alter(t, backup, fmt.Sprint("UPDATE daemon SET paused = ", flag(test.backup)))
		r, err := Restore(t.Context(), path, backup, RestoreOptions{Paused: test.flag})
		if err != nil || r.Paused != test.paused || r.PausedBefore != test.before {
			t.Errorf("%+v: %+v, %v", test, r, err)
		}
		s := openFile(t, path)
		if paused, err := s.Paused(t.Context()); err != nil || paused != test.paused {
			t.Errorf("%+v: paused %t, %v", test, paused, err)
		}
	}
}

// TestRestorePausesIfTheReplacedStoreIsUnreadable: calls may have been paused in it.
func TestRestorePausesIfTheReplacedStoreIsUnreadable(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"damaged":     func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", 8192)), 0o600) },
		"empty":       func(path string) error { return os.Truncate(path, 0) },
		"no row":      func(path string) error { alter(t, path, "DELETE FROM daemon"); return nil },
		"newer":       func(path string) error { alter(t, path, "PRAGMA user_version = 1000"); return nil },
		"only a WAL":  func(path string) error { return os.Rename(path, path+"-wal") },
		"late broken": func(path string) error { alter(t, path, "INSERT INTO late VALUES (99, '[{}')"); return nil },
	} {
		path, backup := backedUp(t)
		alter(t, backup, "UPDATE daemon SET paused = 0")
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		r, err := Restore(t.Context(), path, backup, RestoreOptions{})
		if err != nil || !r.Paused || r.PausedBefore || r.Unread == "" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if paused, err := openFile(t, path).Paused(t.Context()); err != nil || !paused {
			t.Errorf("%s: paused %t, %v", name, paused, err)
		}
	}
	_, backup := backedUp(t)
	alter(t, backup, "UPDATE daemon SET paused = 0")
	r, err := Restore(t.Context(), filepath.Join(t.TempDir(), "new.db"), backup, RestoreOptions{})
	if err != nil || r.Paused || r.Unread != "" {
		t.Errorf("where there was none: %+v, %v", r, err)
	}
}

// TestRestoreKeepsHolds: a chat that is held in the replaced store stays held, known to the
// backup or not, and what else the backup has of it stays.
func TestRestoreKeepsHolds(t *testing.T) {
	t.Parallel()
	for _, killed := range []bool{false, true} {
		s, _ := filled(t)
		backup := filepath.Join(t.TempDir(), "b.db")
		if _, err := Backup(t.Context(), s.path, backup, BackupOptions{}); err != nil {
			t.Fatal(err)
		}
		before, err := OneChat(s.Chats(t.Context(), []string{"c1"}))
		if err != nil {
			t.Fatal(err)
		}
		set := func(c chat.Chat, h chat.Hold) {
			c.Hold = h
			if err := s.Commit(t.Context(), []turn.Transition{{Chat: &c}}); err != nil {
				t.Fatal(err)
			}
		}
		selection := chat.SelectionHold{ID: 1, Of: chat.Selection{Line: "+9"}, By: "bob", Began: someTime, Until: someTime.Add(time.Hour), Seq: 99, Swept: true}
		over := chat.SelectionHold{ID: 7, Of: chat.Selection{Line: "+8"}, By: "bob", Began: someTime, Until: someTime.Add(time.Hour), Through: 5}
		for _, h := range []chat.SelectionHold{selection, over} {
			if err := s.SetSelectionHold(t.Context(), h); err != nil {
				t.Fatal(err)
			}
		}
		longer := chat.Hold{Until: someTime.Add(3 * time.Hour), By: "operator", Reason: "callback"}
		set(before, longer)
		set(chat.Chat{ID: "new", Line: "L"}, chat.Hold{Until: someTime.Add(time.Hour), By: "p/r", Seq: 77})
		set(chat.Chat{ID: "ended"}, chat.Hold{Until: someTime, By: "operator"})
		path := s.path
		if killed {
			path = filepath.Join(t.TempDir(), "chertd.db")
			for _, suffix := range []string{"", "-wal"} {
				copyFile(t, s.path+suffix, path+suffix)
			}
		} else if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := Restore(t.Context(), path, backup, RestoreOptions{Now: func() time.Time { return someTime.Add(time.Second) }})
		if err != nil || r.Holds != 3 || r.Unread != "" {
			t.Fatalf("killed %t: %+v, %v", killed, r, err)
		}
		sound(t, path)
		back := openFile(t, path)
		want := before
		want.Hold = longer
		got, err := back.Chats(t.Context(), []string{"c1", "new", "ended"})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got[0], want) {
			t.Errorf("killed %t: %+v, want %+v", killed, got[0], want)
		}
		if got[1].Line != "L" || !got[1].Hold.Until.Equal(someTime.Add(time.Hour)) || got[1].Hold.By != "p/r" || got[1].Hold.Seq != 0 {
			t.Errorf("killed %t: %+v", killed, got[1])
		}
		// The backup has another hold with that id, and its journal is shorter.
		selection.ID, selection.Seq, selection.Swept = 2, back.LastSeq(), false
		if all, err := back.SelectionHolds(t.Context()); err != nil || len(all) != 2 || !reflect.DeepEqual(all[1], selection) {
			t.Errorf("killed %t: holds of selections %+v, %v; want the last to be %+v", killed, all, err, selection)
		}
		if !got[2].Hold.Until.IsZero() {
			t.Errorf("killed %t: an ended hold is kept: %+v", killed, got[2])
		}
		sound(t, path)
	}
}

// TestInterruptedRestoreIsCompleted: wherever a crash interrupts a restore, the next start has
// the old store or the restored one, whole; from the point of no return on the restored one.
func TestInterruptedRestoreIsCompleted(t *testing.T) {
	t.Parallel()
	path, backup := backedUp(t)
	copyFile(t, backup, readyPath(path))
	kept := keptPath(path, someTime)
	if err := os.Chtimes(readyPath(path), someTime, someTime); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+"-wal", []byte("an old WAL"), 0o600); err != nil {
		t.Fatal(err)
	}
	var unfinished *UnfinishedRestoreError
	if _, err := Check(t.Context(), path, CheckOptions{}); !errors.As(err, &unfinished) {
		t.Errorf("checked meanwhile: %v", err)
	}
	if _, err := Backup(t.Context(), path, filepath.Join(t.TempDir(), "b.db"), BackupOptions{}); !errors.As(err, &unfinished) {
		t.Errorf("backed up meanwhile: %v", err)
	}
	steps := []func() error{
		func() error { return nil },
		func() error { return os.Rename(path+"-wal", kept+"-wal") },
		func() error { return os.Link(path, kept) },
		func() error { return os.Remove(path) }, // as where there are no links
		func() error { return os.Rename(readyPath(path), path) },
	}
	for n := range steps {
		dir := t.TempDir()
		for i, step := range steps[:n+1] {
			if err := step(); i == n && err != nil {
				t.Fatal(err)
			}
			steps[i] = func() error { return nil }
		}
		crashed := filepath.Join(dir, filepath.Base(path))
		for _, p := range []string{path, path + "-wal", readyPath(path), kept, kept + "-wal"} {
			to := crashed + strings.TrimPrefix(p, path)
			if _, err := os.Stat(p); err == nil {
				copyFile(t, p, to)
			}
		}
		if info, err := os.Stat(crashed); err == nil && n == 2 {
			os.Remove(keptPath(crashed, someTime)) // the copies are two files, and were one
			if err := os.Link(crashed, keptPath(crashed, someTime)); err != nil {
				t.Fatal(info, err)
			}
		}
		if _, err := os.Stat(readyPath(crashed)); err == nil {
			os.Chtimes(readyPath(crashed), someTime, someTime)
		}
		if holds(t, crashed, "since") || !holds(t, crashed, "e1") {
			t.Errorf("after step %d it is not the backup's", n)
		}
		sound(t, crashed)
		if b, err := os.ReadFile(keptPath(crashed, someTime) + "-wal"); err != nil || string(b) != "an old WAL" {
			t.Errorf("after step %d the old WAL is not kept: %q, %v", n, b, err)
		}
		if _, err := os.Stat(readyPath(crashed)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after step %d: %v", n, err)
		}
	}
}

// TestDamagedRestoreIsNotInstalled: what an interrupted restore has left is checked before it
// becomes the store. If it can't, a start refuses and names the fix, and the fix keeps what the
// replaced store knows in its WAL.
func TestDamagedRestoreIsNotInstalled(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, ready string){
		"damaged pages":      func(t *testing.T, ready string) { scribble(t, ready, 3) },
		"a table is missing": func(t *testing.T, ready string) { alter(t, ready, "DROP TABLE call_pauses") },
		"another program's":  func(t *testing.T, ready string) { alter(t, ready, "PRAGMA application_id = 1") },
		"a newer chertd's":   func(t *testing.T, ready string) { alter(t, ready, "PRAGMA user_version = 1000") },
		"empty": func(t *testing.T, ready string) {
			if err := os.Truncate(ready, 0); err != nil {
				t.Fatal(err)
			}
		},
		"a link": func(t *testing.T, ready string) {
			if err := errors.Join(os.Remove(ready), os.Symlink(t.TempDir(), ready)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for crashed, steps := range map[string]func(path, kept string) error{
			"at first":                func(string, string) error { return nil },
			"after the WAL was moved": func(path, kept string) error { return os.Rename(path+"-wal", kept+"-wal") },
			"after the store was linked": func(path, kept string) error {
				return errors.Join(os.Rename(path+"-wal", kept+"-wal"), os.Link(path, kept))
			},
			"after the store was moved": func(path, kept string) error {
				return errors.Join(os.Rename(path+"-wal", kept+"-wal"), os.Rename(path, kept))
			},
		} {
			t.Run(name+", "+crashed, func(t *testing.T) {
				t.Parallel()
				was, backup := backedUp(t)
				open := openFile(t, was)
				held := chat.Chat{ID: "held", Hold: chat.Hold{Until: time.Now().Add(time.Hour), By: "operator"}}
				if err := open.Commit(t.Context(), []turn.Transition{{Chat: &held}}); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(t.TempDir(), "chertd.db")
				copyFile(t, was, path)
				copyFile(t, was+"-wal", path+"-wal") // which has the hold
				copyFile(t, backup, readyPath(path))
				spoil(t, readyPath(path))
				info, err := os.Lstat(readyPath(path))
				if err != nil {
					t.Fatal(err)
				}
				if err := steps(path, keptPath(path, info.ModTime())); err != nil {
					t.Fatal(err)
				}
				_, err = Open(t.Context(), path, Options{})
				refused, ok := errors.AsType[*DamagedRestoreError](err)
				if !ok || !strings.Contains(refused.Hint(), "chertd store restore BACKUP --file ") {
					t.Fatalf("opened: %v", err)
				}
				r, err := Restore(t.Context(), path, backup, RestoreOptions{})
				if err != nil || r.Holds != 1 || r.Unread != "" {
					t.Errorf("restored again: %+v, %v", r, err)
				}
				if holds(t, path, "since") || !holds(t, path, "e1") {
					t.Error("it is not the backup's")
				}
				sound(t, path)
				if there, err := exists(readyPath(path)); there || err != nil {
					t.Errorf("the copy is still there: %v", err)
				}
			})
		}
	}
}

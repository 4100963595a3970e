package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// within writes over the beginning of a file that stays the same one.
func within(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

// copyOver puts a copy of a file in its place: the same bytes in another file.
func copyOver(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = errors.Join(os.WriteFile(path+".copy", b, 0o600), os.Rename(path+".copy", path))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestLostFilesAcknowledgeNothing: whatever happens to the files of an open store, later appends fail,
// Healthy reports it, and the next store that is opened has all that was
// acknowledged before.
func TestLostFilesAcknowledgeNothing(t *testing.T) {
	t.Parallel()
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	half := func(t *testing.T, path string) {
		info, err := os.Stat(path)
		must(t, err)
		must(t, os.Truncate(path, info.Size()/2))
	}
	for name, harm := range map[string]func(t *testing.T, path string){
		"the folder is removed":    func(t *testing.T, path string) { must(t, os.RemoveAll(filepath.Dir(path))) },
		"the folder is renamed":    func(t *testing.T, path string) { must(t, os.Rename(filepath.Dir(path), filepath.Dir(path)+"2")) },
		"the database is removed":  func(t *testing.T, path string) { must(t, os.Remove(path)) },
		"the database is replaced": func(t *testing.T, path string) { copyOver(t, path) },
		"the database is moved and linked": func(t *testing.T, path string) {
			must(t, os.Rename(path, path+".moved"))
			must(t, os.Symlink(path+".moved", path))
		},
		"the database is emptied":          func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
		"the database is cut":              func(t *testing.T, path string) { half(t, path) },
		"the header is overwritten":        func(t *testing.T, path string) { within(t, path, "garbage garbage garbage") },
		"a folder is in its place":         func(t *testing.T, path string) { must(t, os.Remove(path)); must(t, os.Mkdir(path, 0o700)) },
		"the WAL is removed":               func(t *testing.T, path string) { must(t, os.Remove(path+"-wal")) },
		"the WAL is replaced":              func(t *testing.T, path string) { copyOver(t, path+"-wal") },
		"the WAL is emptied":               func(t *testing.T, path string) { must(t, os.Truncate(path+"-wal", 0)) },
		"the WAL is cut":                   func(t *testing.T, path string) { half(t, path+"-wal") },
		"the WAL is overwritten":           func(t *testing.T, path string) { within(t, path+"-wal", "garbage") },
		"every second page is overwritten": func(t *testing.T, path string) { scribble(t, path, 2) },
		"all pages but the first are":      func(t *testing.T, path string) { scribble(t, path, 1) },
		"the shared memory is gone":        func(t *testing.T, path string) { must(t, os.Remove(path+"-shm")) },
		"another process locks it":         func(t *testing.T, path string) { must(t, os.Remove(path+".lock")); takeLock(t, path) },
		"the lock can't be looked at": func(t *testing.T, path string) {
			must(t, os.Remove(path+".lock"))
			must(t, os.Mkdir(path+".lock", 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			s := openWith(t, Options{tick: make(chan time.Time), Log: slog.New(slog.NewTextHandler(&log, nil))})
			for i := range 100 {
				if i == 50 {
					copyBack(t, s.path, "TRUNCATE")
				}
				if _, err := s.Append(t.Context(), []turn.Arrival{simple(fmt.Sprint("before", i))}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Healthy(); err != nil {
				t.Fatalf("not healthy before: %v", err)
			}
			announced := 0
			s.Journaled(func(list []turn.Entry) { announced += len(list) })
			harm(t, s.path)

			for i := range 3 {
				_, err := s.Append(t.Context(), []turn.Arrival{simple(fmt.Sprint("after", i))})
				var lost *LostError
				if !errors.As(err, &lost) || lost.Hint() == "" || !strings.HasPrefix(lost.Path, s.path) {
					t.Fatalf("appended to a lost store: %v", err)
				}
				if err := s.Healthy(); !errors.As(err, &lost) {
					t.Errorf("Healthy returned %v", err)
				}
			}
			if err := s.Commit(t.Context(), []turn.Transition{{States: []turn.State{{Pack: "p", Chat: "c", Value: []byte("1")}}}}); err == nil {
				t.Error("committed to a lost store")
			}
			if announced != 0 {
				t.Errorf("%d entries were announced that are not on disk", announced)
			}
			// That a database is being checked is logged before what was found.
			if got := strings.Count(log.String(), "level=ERROR") - strings.Count(log.String(), "is being checked"); got != 1 || !strings.Contains(log.String(), "restart chertd") {
				t.Errorf("logged %d errors:\n%s", got, log.String())
			}
		})
	}
}

// scribble overwrites every nth page of the database behind the first.
func scribble(t *testing.T, path string, n int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	// The clock of a file system moves in steps of some milliseconds.
	touched := info.ModTime()
	for at := int64(4096); at < info.Size() || !info.ModTime().After(touched); at += n * 4096 {
		if at >= info.Size() {
			at = 4096
		}
		if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, 4096), at); err != nil {
			t.Fatal(err)
		}
		if info, err = f.Stat(); err != nil {
			t.Fatal(err)
		}
	}
}

// copyBack is a checkpoint by an sqlite3 shell.
func copyBack(t *testing.T, path, how string) {
	t.Helper()
	shell(t, path, "PRAGMA wal_checkpoint("+how+")")
}

func shell(t *testing.T, path, sql string) {
	t.Helper()
	c, err := connect(t.Context(), path, "rw", busyTimeout)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.script(sql), c.close()); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// takeLock is another process that has the store's lock.
func takeLock(t *testing.T, path string) {
	t.Helper()
	l, err := lock(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.unlock() })
}

// TestFilesThatComeBackAreUsedAgain: a store whose file was away and is back unchanged works again, with
// what was acknowledged and nothing else.
func TestFilesThatComeBackAreUsedAgain(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	add := func(id string) error {
		_, err := s.Append(t.Context(), []turn.Arrival{simple(id)})
		return err
	}
	if err := add("before"); err != nil {
		t.Fatal(err)
	}
	away := s.path + ".away"
	if err := os.Rename(s.path, away); err != nil {
		t.Fatal(err)
	}
	if err := add("meanwhile"); err == nil {
		t.Fatal("appended to a file that is away")
	}
	if err := os.Rename(away, s.path); err != nil {
		t.Fatal(err)
	}
	if err := add("after"); err != nil || s.Healthy() != nil {
		t.Fatalf("the file is back, but: %v, %v", err, s.Healthy())
	}
	list, err := s.Pending(t.Context(), store.Shard{Of: 1}, 0, 10)
	if err != nil || len(list) != 2 || list[0].Event.ID != "before" || list[1].Event.ID != "after" {
		t.Errorf("kept %+v, %v", list, err)
	}
	intact(t, s)
}

// TestDeletedLockFileIsLockedAgain: a lock file that was deleted is created again, so that no second process
// gets the store.
func TestDeletedLockFileIsLockedAgain(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	if err := os.Remove(s.path + ".lock"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), []turn.Arrival{simple("e")}); err != nil {
		t.Fatal(err)
	}
	var inUse *InUseError
	if _, err := Open(t.Context(), s.path, Options{}); !errors.As(err, &inUse) {
		t.Errorf("a second process gets the store: %v", err)
	}
}

// TestCommitIntoALostFileIsNotAcknowledged: what was committed to a file that went meanwhile is not there at the
// next start: its sender is not answered with success, and nothing more is accepted, also once the file is back.
func TestCommitIntoALostFileIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	s.Journaled(func([]turn.Entry) { t.Error("the event was announced") })
	s.writer.conn.faults = &atCommit{func() {
		if err := os.Rename(s.path, s.path+".away"); err != nil {
			t.Error(err)
		}
	}}
	_, err := s.Append(t.Context(), []turn.Arrival{simple("e1")})
	if !errors.As(err, new(*LostError)) {
		t.Errorf("append: %v", err)
	}
	if err := os.Rename(s.path+".away", s.path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), []turn.Arrival{simple("e2")}); !errors.As(err, new(*LostError)) {
		t.Errorf("the next append: %v", err)
	}
}

func prepared(t *testing.T, id string) []arrival {
	t.Helper()
	list, err := prepareArrivals([]turn.Arrival{simple(id)})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestDamageEndsTheStore: once SQLite has found the database damaged, no event is accepted.
func TestDamageEndsTheStore(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	if _, err := s.Append(t.Context(), []turn.Arrival{simple("e1")}); err != nil {
		t.Fatal(err)
	}
	var corrupt *CorruptError
	err := s.read(t.Context(), "read", func(c *conn) error {
		// A page whose cells are nonsense, in a table of this connection's own.
		return c.script("SELECT * FROM pragma_integrity_check; SELECT raise_no_such_function()")
	})
	if errors.As(err, &corrupt) {
		t.Fatalf("a wrong statement counts as damage: %v", err)
	}
	// Pages behind the first, once SQLite has forgotten them.
	if _, err := s.writer.conn.one(t.Context(), truncateWAL); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(s.path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, int(info.Size())-4096), 4096); err != nil {
		t.Fatal(err)
	}
	s.Close()
	fresh, err := Open(t.Context(), s.path, Options{tick: make(chan time.Time)})
	if err == nil {
		defer fresh.Close()
		_, err = fresh.Append(t.Context(), []turn.Arrival{simple("e2")})
		if again := fresh.Healthy(); !errors.As(again, &corrupt) || corrupt.Hint() == "" {
			t.Errorf("Healthy returned %v", again)
		}
	}
	if err == nil || !damaged(err) {
		t.Errorf("a damaged store took an event: %v", err)
	}
}

// TestHangingDiskRefusesSenders: while a write hangs, the store is not healthy and refuses senders
// instead of making them wait; then it works again.
func TestHangingDiskRefusesSenders(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	s := openWith(t, Options{tick: make(chan time.Time), now: func() time.Time { return time.Unix(0, now.Load()) }})
	now.Store(int64(time.Hour))
	hangs, release := make(chan struct{}), make(chan struct{})
	s.Journaled(func([]turn.Entry) {
		hangs <- struct{}{}
		<-release
	})
	first := make(chan error, 1)
	go func() {
		_, err := s.Append(context.Background(), []turn.Arrival{simple("e1")})
		first <- err
	}()
	<-hangs
	filled := occupy(s)
	now.Add(int64(stallAfter) - 1)
	if err := s.Healthy(); err != nil {
		t.Errorf("a write that takes %v makes it unhealthy: %v", stallAfter-1, err)
	}
	now.Add(1)
	var stalled *StalledError
	if err := s.Healthy(); !errors.As(err, &stalled) || stalled.For != stallAfter {
		t.Errorf("while a write hangs Healthy returned %v", err)
	}
	if _, err := s.Append(t.Context(), []turn.Arrival{simple("e2")}); !errors.As(err, &stalled) {
		t.Errorf("an event waits with the disk: %v", err)
	}
	if err := s.Quarantine(t.Context(), store.Quarantined{Body: []byte("x")}); !errors.As(err, &stalled) {
		t.Errorf("a quarantined delivery waits with the disk: %v", err)
	}
	// A read would hang as well, and take its thread along: none begins, and
	// people hear why.
	waits := make(chan error, 1)
	reading, leave := context.WithCancel(t.Context())
	go func() {
		_, err := OneChat(s.Chats(reading, []string{"c1"}))
		waits <- err
	}()
	leave()
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Errorf("a read beside a write that hangs: %v", err)
	}
	if _, err := s.Stats(t.Context()); !errors.As(err, &stalled) {
		t.Errorf("a person waits with the disk: %v", err)
	}
	go func() {
		_, err := OneChat(s.Chats(t.Context(), []string{"c1"}))
		waits <- err
	}()
	// What the engine must keep waits for its turn, and is not refused.
	kept := make(chan error, 1)
	go func() {
		kept <- s.Commit(context.Background(), []turn.Transition{{States: []turn.State{{Pack: "p", Chat: "c", Value: []byte("1")}}}})
	}()
	for len(s.writer.queue) == 0 {
		runtime.Gosched()
	}
	release <- struct{}{}
	if err := errors.Join(<-first, <-filled, <-kept, <-waits); err != nil {
		t.Errorf("the write that hung, and what waited: %v", err)
	}
	if err := s.Healthy(); err != nil {
		t.Errorf("the disk answers again, but Healthy returned %v", err)
	}
}

// TestFailuresAreNoticedWithoutTraffic: lost files, a full disk, and room on it again are noticed though
// nothing is written.
func TestFailuresAreNoticedWithoutTraffic(t *testing.T) {
	t.Parallel()
	tick := make(chan time.Time)
	var log bytes.Buffer
	s := openWith(t, Options{tick: tick, Log: slog.New(slog.NewTextHandler(io.Writer(&log), nil))})
	look := func() {
		tick <- time.Time{}
		tick <- time.Time{} // the one before is done
	}
	pages := func(n string) {
		t.Helper()
		if err := s.submit(t.Context(), newRequest("limit the file", step{changes: []change{{what: &statement{sql: "PRAGMA max_page_count = " + n}}}}), true); err != nil {
			t.Fatal(err)
		}
	}
	pages("1")
	big := simple("big")
	big.Event.Raw = []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
	if _, err := s.Append(t.Context(), []turn.Arrival{big}); !storeFailed(err) || s.Healthy() == nil {
		t.Fatalf("on a full disk: %v, %v", err, s.Healthy())
	}
	if hinted, ok := errors.AsType[*writeError](s.Healthy()); !ok || !strings.Contains(hinted.Hint(), "make room") {
		t.Errorf("a full disk has no hint: %v", s.Healthy())
	}
	// Not by a request, which would tell that writes succeed.
	if err := s.writer.conn.script("PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	if s.Healthy() == nil {
		t.Fatal("the store works before anybody looked")
	}
	look()
	if err := s.Healthy(); err != nil {
		t.Errorf("the disk has room again, but Healthy returned %v", err)
	}
	if _, err := s.Append(t.Context(), []turn.Arrival{big}); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(filepath.Dir(s.path)); err != nil {
		t.Fatal(err)
	}
	look()
	var lost *LostError
	if err := s.Healthy(); !errors.As(err, &lost) {
		t.Errorf("the files are gone, but Healthy returned %v", err)
	}
	for _, want := range []string{"make room on the disk", "the store works again", "restart chertd"} {
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("%q is not logged once:\n%s", want, log.String())
		}
	}
}

// TestHealthyStoreIsNotProbed: the check of a healthy store writes nothing.
func TestHealthyStoreIsNotProbed(t *testing.T) {
	t.Parallel()
	tick := make(chan time.Time)
	s := openWith(t, Options{tick: tick})
	sab := &saboteur{}
	sab.aim(-1)
	s.writer.conn.faults = sab
	tick <- time.Time{}
	tick <- time.Time{} // the one before is done
	sab.mu.Lock()
	defer sab.mu.Unlock()
	if slices.Contains(sab.ran, noteProbed) {
		t.Error("it was written to")
	}
}

// TestBadRequestLeavesTheStoreHealthy: a request that can't be carried out does not make the store
// unhealthy.
func TestBadRequestLeavesTheStoreHealthy(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	bad := newRequest("commit", step{changes: []change{{what: &statement{sql: "INSERT INTO pending (seq, slot) VALUES (9, 'not a number')"}}}})
	if err := s.submit(t.Context(), bad, true); err == nil || s.Healthy() != nil {
		t.Errorf("%v; Healthy returned %v", err, s.Healthy())
	}
}

// TestStoreThatAcceptsNoEventIsNotHealthy: whatever makes every delivery fail, Healthy reports it after the
// first, and the store works again, without traffic, once the cause is gone.
func TestStoreThatAcceptsNoEventIsNotHealthy(t *testing.T) {
	t.Parallel()
	forbid := func(table, what string) [2]string {
		return [2]string{"CREATE TRIGGER forbidden BEFORE " + what + " ON " + table + " BEGIN SELECT RAISE(ABORT, 'forbidden'); END", "DROP TRIGGER forbidden"}
	}
	rename := func(table string) [2]string {
		return [2]string{"ALTER TABLE " + table + " RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO " + table}
	}
	for name, sql := range map[string][2]string{
		"no journal":              rename("events"),
		"no ids":                  rename("seen"),
		"no list of what waits":   rename("pending"),
		"no counts":               rename("counts"),
		"no facts":                rename("daemon"),
		"no quarantine":           rename("quarantine"),
		"another journal":         {"ALTER TABLE events RENAME COLUMN raw TO body", "ALTER TABLE events RENAME COLUMN body TO raw"},
		"a journal that refuses":  forbid("events", "INSERT"),
		"ids that refuse":         forbid("seen", "INSERT"),
		"counts that refuse":      forbid("counts", "UPDATE"),
		"a quarantine that can't": forbid("quarantine", "INSERT"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tick := make(chan time.Time)
			var log bytes.Buffer
			s := openWith(t, Options{tick: tick, Log: slog.New(slog.NewTextHandler(&log, nil))})
			other, err := connect(t.Context(), s.path, "rw", busyTimeout) // an operator's
			if err != nil {
				t.Fatal(err)
			}
			defer other.close()
			take := func(id string) error {
				if strings.Contains(name, "quarantine") {
					return s.Quarantine(t.Context(), store.Quarantined{Body: []byte(id)})
				}
				_, err := s.Append(t.Context(), []turn.Arrival{simple(id)})
				return err
			}
			if err := take("before"); err != nil {
				t.Fatal(err)
			}
			last := s.LastSeq()
			if err := other.script(sql[0]); err != nil {
				t.Fatal(err)
			}
			if slices.Contains([]string{"no ids", "no list of what waits", "no facts", "ids that refuse"}, name) {
				// These are written late.
				if err := s.catchUp(t.Context()); err == nil {
					t.Fatal("what is late was written")
				}
			}
			for i := range 3 {
				if err := take(fmt.Sprint("e", i)); err == nil {
					t.Fatal("it was taken in")
				}
				var hinted interface{ Hint() string }
				if err := s.Healthy(); err == nil || !errors.As(err, &hinted) {
					t.Fatalf("nothing is taken in, and Healthy returned %v", err)
				}
				tick <- time.Time{}
				tick <- time.Time{} // the one before is done
				if s.Healthy() == nil {
					t.Fatal("nothing is taken in, and after a look the store says it works")
				}
			}
			if err := other.script(sql[1]); err != nil {
				t.Fatal(err)
			}
			tick <- time.Time{}
			tick <- time.Time{}
			if err := s.Healthy(); err != nil {
				t.Errorf("the cause is gone, but Healthy returned %v", err)
			}
			if err := take("after"); err != nil || !strings.Contains(name, "quarantine") && s.LastSeq() != last+1 {
				t.Errorf("after: %v, and the last is %d, was %d", err, s.LastSeq(), last)
			}
			if down, up := strings.Count(log.String(), "level=ERROR"), strings.Count(log.String(), "the store works again"); down != 1 || up != 1 {
				t.Errorf("logged %d errors and %d times that it works:\n%s", down, up, log.String())
			}
			stats, err := s.Stats(t.Context())
			if want := map[bool]int64{true: 0, false: 2}[strings.Contains(name, "quarantine")]; err != nil || stats.Events != want {
				t.Errorf("%+v, %v; want %d events", stats, err, want)
			}
		})
	}
}

// TestOpenRefusesAWALWithoutItsDatabase: what the WAL holds is not thrown away.
func TestOpenRefusesAWALWithoutItsDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chertd.db")
	if err := os.WriteFile(path+"-wal", []byte("what was acknowledged"), 0o600); err != nil {
		t.Fatal(err)
	}
	var missing *MissingError
	if _, err := Open(t.Context(), path, Options{}); !errors.As(err, &missing) || !strings.Contains(missing.Hint(), path) {
		t.Errorf("opened: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a database was made: %v", err)
	}
}

// What an operator does with an sqlite3 shell, and what changes nothing in the
// files, stops no store: neither reads, writes nor checkpoints of any kind, each at
// any time of the store's own commits and checkpoints.
func TestShellStopsNoStore(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := openWith(t, Options{tick: make(chan time.Time), Log: slog.New(slog.NewTextHandler(&log, nil))})
	big := strings.Repeat("x", 2_000)
	appended := make(chan error)
	go func() {
		defer close(appended)
		for i := range 700 {
			var some []turn.Arrival
			for j := range 8 { // some 16,000 rows in all: checkpoints of the store's own, too
				a := simple(fmt.Sprint("e", i, "/", j))
				a.Event.Raw = []byte(`"` + big + `"`)
				some = append(some, a)
			}
			if _, err := s.Append(context.Background(), some); err != nil {
				appended <- err
				return
			}
		}
	}()
	for i, busy := 0, true; busy; i++ {
		how := []string{"PRAGMA wal_checkpoint(PASSIVE)", "PRAGMA wal_checkpoint(FULL)", "PRAGMA wal_checkpoint(RESTART)", "PRAGMA wal_checkpoint(TRUNCATE)",
			"SELECT count(*) FROM events", "UPDATE daemon SET opened_at = opened_at"}[i%6]
		shell(t, s.path, how)
		select {
		case err, failed := <-appended:
			if busy = false; failed {
				t.Errorf("after %d statements of a shell: %v", i, err)
			}
		default:
		}
	}
	if err := s.Healthy(); err != nil || log.Len() > 0 {
		t.Errorf("Healthy returned %v, and logged:\n%s", err, &log)
	}
	intact(t, s)
}

// A database that a VACUUM of a shell has made smaller has lost nothing.
func TestVacuumOfAShellStopsNoStore(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := openWith(t, Options{tick: make(chan time.Time), Log: slog.New(slog.NewTextHandler(&log, nil))})
	size := func() int64 {
		info, err := os.Stat(s.path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	shell(t, s.path, "CREATE TABLE junk (x)")
	shell(t, s.path, "INSERT INTO junk WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT zeroblob(1000) FROM n")
	shell(t, s.path, "PRAGMA wal_checkpoint(TRUNCATE)")
	if _, err := s.Append(t.Context(), []turn.Arrival{simple("e1")}); err != nil {
		t.Fatal(err)
	}
	large := size()
	for i, how := range []string{"DROP TABLE junk", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		shell(t, s.path, how)
		if _, err := s.Append(t.Context(), []turn.Arrival{simple(fmt.Sprint("after", i))}); err != nil {
			t.Errorf("after %s: %v", how, err)
		}
	}
	if size() >= large {
		t.Fatalf("the database has %d bytes, and had %d: it proves nothing", size(), large)
	}
	if err := s.Healthy(); err != nil || log.Len() > 0 {
		t.Errorf("Healthy returned %v, and logged:\n%s", err, &log)
	}
	intact(t, s)
}

// A database that something touched, and that is sound, is in use again once it
// was inspected.
func TestSoundDatabaseIsUsedAgain(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := openWith(t, Options{tick: make(chan time.Time), Log: slog.New(slog.NewTextHandler(&log, nil))})
	for i := range 3 {
		at := time.Unix(int64(i), 0)
		if err := os.Chtimes(s.path, at, at); err != nil {
			t.Fatal(err)
		}
		for j := range 2 {
			if _, err := s.Append(t.Context(), []turn.Arrival{simple(fmt.Sprint("e", i, j))}); err != nil || s.Healthy() != nil {
				t.Fatalf("touched, and then: %v, %v", err, s.Healthy())
			}
		}
	}
	if got := log.String(); strings.Count(got, "it is being checked") != 3 || strings.Count(got, "the store works again") != 3 {
		t.Errorf("logged\n%s", got)
	}
	intact(t, s)
}

// A WAL that is cut while a commit is under way is not acknowledged, though the
// commit fills the gap with nothing.
func TestWALThatIsCutDuringACommit(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	for i := range 20 {
		if _, err := s.Append(t.Context(), []turn.Arrival{simple(fmt.Sprint("before", i))}); err != nil {
			t.Fatal(err)
		}
	}
	w := s.writer
	withoutWriter(t, s)
	checks := 0
	w.files.shm.sound = func([]byte, int64) bool {
		if checks++; checks == 1 {
			info, err := os.Stat(s.path + "-wal")
			if err == nil {
				err = os.Truncate(s.path+"-wal", info.Size()/2)
			}
			if err != nil {
				t.Error(err)
			}
		}
		return true
	}
	r := newRequest("lose what was before", step{arrivals: prepared(t, "e")})
	w.serve([]*request{r})
	var lost *LostError
	if err := <-r.answer; !errors.As(err, &lost) || !errors.As(s.Healthy(), &lost) {
		t.Errorf("answered %v; Healthy returned %v", err, s.Healthy())
	}
}

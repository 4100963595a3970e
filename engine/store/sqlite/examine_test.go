package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chertd/rules/turn"
)

// stored makes a database that nobody has open, and returns its path.
func stored(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data", "chertd.db")
	s, err := Open(t.Context(), path, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := s.Append(t.Context(), []turn.Arrival{simple(fmt.Sprint("e", i))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// fatal ends a test at an error.
func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestExamineFindsWhatOpenWouldRefuse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(t *testing.T, path string)
		check  func(x Examination, err error) bool
	}{
		"an intact one": {func(*testing.T, string) {}, func(x Examination, err error) bool {
			return err == nil && x.Exists && !x.InUse && x.Whole && x.Damage == "" && x.Version == x.Known && x.Bytes > 0
		}},
		"none": {func(t *testing.T, path string) { fatal(t, os.Remove(path)) }, func(x Examination, err error) bool {
			return err == nil && !x.Exists
		}},
		"a newer one": {func(t *testing.T, path string) { shell(t, path, "PRAGMA user_version = 1000") }, func(_ Examination, err error) bool {
			return errors.As(err, new(*NewerError))
		}},
		"an older one": {func(t *testing.T, path string) { shell(t, path, "PRAGMA user_version = 3") }, func(x Examination, err error) bool {
			return err == nil && x.Version == 3
		}},
		"no database": {func(t *testing.T, path string) { fatal(t, os.WriteFile(path, []byte("what is this file"), 0o600)) }, func(_ Examination, err error) bool {
			return errors.As(err, new(*UnusableError))
		}},
		"another program's": {func(t *testing.T, path string) { shell(t, path, "PRAGMA application_id = 7") }, func(_ Examination, err error) bool {
			return errors.As(err, new(*UnusableError))
		}},
		"a folder": {func(t *testing.T, path string) { fatal(t, os.Remove(path)); fatal(t, os.Mkdir(path, 0o700)) }, func(_ Examination, err error) bool {
			return errors.As(err, new(*UnusableError))
		}},
		"a damaged one": {func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			fatal(t, err)
			for page := int64(2); page < 20; page++ {
				_, err = f.WriteAt([]byte(strings.Repeat("x", 4096)), page*4096)
				fatal(t, err)
			}
			fatal(t, f.Close())
		}, func(x Examination, err error) bool {
			return err == nil && x.Damage != "" || errors.As(err, new(*UnusableError))
		}},
		"one that another process has": {func(t *testing.T, path string) { takeLock(t, path) }, func(x Examination, err error) bool {
			return err == nil && x.InUse && x.Whole
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := stored(t, 3)
			test.change(t, path)
			x, err := Examine(t.Context(), path, time.Minute)
			if !test.check(x, err) {
				t.Errorf("examined: %+v, %v", x, err)
			}
		})
	}
}

// Reading the whole database ends in time, and then says only what it knows.
func TestExamineEndsInTime(t *testing.T) {
	t.Parallel()
	x, err := Examine(t.Context(), stored(t, 3), 0)
	if err != nil || x.Whole || x.Damage != "" || !x.Exists {
		t.Errorf("examined: %+v, %v", x, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if x, err := Examine(ctx, stored(t, 3), time.Minute); err == nil && x.Whole {
		t.Errorf("examined after the end of the context: %+v", x)
	}
}

// What Examine reads stays as it is.
func TestExamineChangesNothing(t *testing.T) {
	t.Parallel()
	path := stored(t, 3)
	shell(t, path, "PRAGMA user_version = 3") // Open would bring it up to date
	before, err := os.ReadFile(path)
	fatal(t, err)
	for range 2 {
		if _, err := Examine(t.Context(), path, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	after, err := os.ReadFile(path)
	fatal(t, err)
	if string(before) != string(after) {
		t.Error("the database has changed")
	}
}

func TestEventsADayAreThoseOfTheBusiestDay(t *testing.T) {
	t.Parallel()
	path := stored(t, 0)
	today := time.Now().Unix() / 86400
	shell(t, path, fmt.Sprintf("INSERT INTO days VALUES (%d, 100), (%d, 150), (%d, 1150), (%d, 1200); UPDATE daemon SET last_seq = 1400", today-6, today-4, today-3, today-1))
	x, err := Examine(t.Context(), path, time.Minute)
	if err != nil || x.EventsADay != 1000 {
		t.Errorf("%d events a day, %v; want the 1,000 of one day", x.EventsADay, err)
	}
}

// Knows finds events whose ids are late, in a store that is open, and those that are in
// the table of ids alone.
func TestKnowsEventsThatTheStoreHas(t *testing.T) {
	t.Parallel()
	path := stored(t, 3)
	shell(t, path, "INSERT OR REPLACE INTO seen VALUES ('old', 1)")
	known, err := Knows(t.Context(), path, []string{"e0", "e2", "old", "e3", ""})
	if err != nil || !known["e0"] || !known["e2"] || !known["old"] || known["e3"] || known[""] {
		t.Errorf("known: %v, %v", known, err)
	}
	if _, err := Knows(t.Context(), path+".nosuch", []string{"e0"}); err == nil {
		t.Error("a database that is not there has been read")
	}
}

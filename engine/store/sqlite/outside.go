package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"chertd/engine/system"
)

// outside is a store as a command sees it that is not the daemon: read only, through
// SQLite, with or without a daemon that has it open. It is one snapshot, so that what it
// holds agrees.
type outside struct {
	*conn
	path   string
	schema int // version
}

// openOutside opens the store at path, which must exist. It changes nothing in the database.
// SQLite may leave an empty WAL and a shared memory file beside it.
//
// While the snapshot is open, the WAL of a running daemon can't restart, and grows.
func openOutside(ctx context.Context, path string) (*outside, error) {
	return openSnapshot(ctx, path, false)
}

// openSnapshot is openOutside, which refuses a store that an interrupted restore was about to
// replace, unless unfinished is set.
func openSnapshot(ctx context.Context, path string, unfinished bool) (_ *outside, err error) {
	failed := func(err error) (*outside, error) {
		return nil, openError(path, fmt.Errorf("open store %s: %w", path, err))
	}
	if path, err = filepath.Abs(path); err != nil {
		return failed(err)
	}
	if path, err = resolve(path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return failed(err)
	}
	if err := checkRegular(path); err != nil {
		return failed(err)
	}
	if info.Size() == 0 {
		return failed(errEmpty)
	}
	if _, err := os.Lstat(readyPath(path)); err == nil && !unfinished {
		return nil, &UnfinishedRestoreError{path}
	}
	useSystem()
	c, err := connect(ctx, path, "ro", busyTimeout, "query_only(1)", readerCache)
	if err != nil {
		return failed(err)
	}
	s := &outside{conn: c, path: path}
	if err := s.begin(ctx); err != nil {
		c.close()
		return failed(err)
	}
	return s, nil
}

// begin begins the snapshot, and checks that the database is a store that this program
// knows.
func (s *outside) begin(ctx context.Context) error {
	if _, err := s.exec(begin); err != nil {
		return err
	}
	app, err := s.one(ctx, readApplication)
	if err != nil {
		return err
	}
	version, err := s.one(ctx, readVersion)
	if err != nil {
		return err
	}
	s.schema = int(intOf(version))
	switch {
	case intOf(app) != application:
		return errForeign
	case s.schema > len(migrations):
		return &NewerError{Path: s.path, Version: s.schema, Known: len(migrations)}
	}
	return nil
}

// current reports whether the schema is that of this program.
func (s *outside) current() bool { return s.schema == len(migrations) }

// summary is what a store holds, for people.
type summary struct {
	Events, Pending, Chats int64
	Waiting                int64     // actions
	Newest                 time.Time // when the newest event was received; zero: there is none
	Paused                 bool      // all calls are paused
}

var selectNewestReceived = onlyChecked(`SELECT received_at FROM events ORDER BY seq DESC LIMIT 1`)

// summary counts what the store holds, by what it keeps of its counts. It is empty if the
// schema is older than this program's.
func (s *outside) summary(ctx context.Context) (sum summary, err error) {
	if !s.current() {
		return sum, nil
	}
	err = s.query(ctx, selectCounts, func(row []driver.Value) error {
		of := func(c count) int64 { return intOf(row[c-1]) }
		sum = summary{Events: of(countEvents), Pending: of(countPending), Chats: of(countChats), Waiting: of(countActions)}
		return nil
	})
	if err != nil {
		return sum, err
	}
	newest, err := s.one(ctx, selectNewestReceived)
	if err != nil {
		return sum, err
	}
	sum.Newest = timeOf(newest)
	paused, err := s.one(ctx, selectPaused)
	sum.Paused = intOf(paused) != 0
	return sum, err
}

// exists reports whether there is a file, or a link, at path.
func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// ownAs gives a file that root has made to the owner of another file or folder: the
// daemon runs as that user.
func ownAs(path, as string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(as)
	if err != nil {
		return err
	}
	if of, ok := system.OwnerOf(info); ok {
		return os.Chown(path, of.User, of.Group)
	}
	return nil
}

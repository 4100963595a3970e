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

	moderncsqlite "modernc.org/sqlite"
)

// Examination is what Examine finds out about a database.
type Examination struct {
	Path    string // of the database, where a symbolic link leads to
	Exists  bool
	InUse   bool // another process has it open
	PID     int  // of that process; 0: not known
	Version int  // of its schema; 0: it has none yet
	Known   int  // the version to which Open would bring it
	Bytes   int64
	// Damage is the first damage that SQLite has found; "": none. Whole is set if it has
	// read all of the database in time.
	Damage string
	Whole  bool
	// EventsADay is how many events came on the busiest of the last days, chertd's own
	// included; 0: not known.
	EventsADay int64
}

// examinedDays is over how many days EventsADay looks.
const examinedDays = 7

// newest is how many of the newest events Knows recognizes before their ids are in the
// table of ids.
const newest = 5000

var (
	selectLastDays = declare(`SELECT day, last_seq FROM days WHERE day >= ? ORDER BY day`)
	selectNewIDs   = declare(`SELECT id FROM events WHERE seq > ?`)
)

// Examine reads the database at path through a connection that can't write, also while
// another process has it open. It reads all of it, but ends that after checkTime. Its
// errors are those of Open. As for Open, no code of the process may have the database
// open.
func Examine(ctx context.Context, path string, checkTime time.Duration) (x Examination, err error) {
	x = Examination{Path: path, Known: len(migrations)}
	failed := func(err error) (Examination, error) {
		if errors.As(err, new(*NewerError)) {
			return x, err
		}
		return x, openError(x.Path, fmt.Errorf("open store %s: %w", x.Path, err))
	}
	if x.Path, err = filepath.Abs(path); err != nil {
		return failed(err)
	}
	resolved, err := resolve(x.Path)
	if err != nil {
		return x, err
	}
	x.Path = resolved
	info, err := os.Stat(x.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return x, nil
	}
	if err != nil {
		return failed(err)
	}
	if err := checkRegular(x.Path); err != nil {
		return failed(err)
	}
	x.Exists, x.Bytes = true, info.Size()
	if wal, err := os.Stat(x.Path + "-wal"); err == nil {
		x.Bytes += wal.Size()
	}
	if x.PID, err = user(x.Path); err != nil {
		return failed(err)
	}
	x.InUse = x.PID > 0
	if err := checkHeader(x.Path); err != nil {
		return failed(err)
	}
	if err := x.read(ctx, checkTime); err != nil {
		return failed(err)
	}
	return x, nil
}

// read reads the database.
func (x *Examination) read(ctx context.Context, checkTime time.Duration) error {
	c, err := connectReader(ctx, x.Path)
	if err != nil {
		return err
	}
	defer c.close()
	version, err := c.one(ctx, readVersion)
	if err != nil {
		return err
	}
	if x.Version = int(intOf(version)); x.Version > x.Known {
		return &NewerError{Path: x.Path, Version: x.Version, Known: x.Known}
	}
	if x.Version == x.Known {
		if x.EventsADay, err = eventsADay(ctx, c, time.Now()); err != nil {
			return err
		}
	}
	checking, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	found, err := c.one(checking, quickCheck)
	switch text, _ := found.(string); {
	case checking.Err() != nil:
	case damaged(err):
		x.Damage, x.Whole = err.Error(), true
	case err != nil:
		return err
	case text != "ok":
		x.Damage, x.Whole = text, true
	default:
		x.Whole = true
	}
	return nil
}

// eventsADay returns how many events came on the busiest of the last days.
func eventsADay(ctx context.Context, c *conn, now time.Time) (most int64, err error) {
	today := now.Unix() / 86400
	var days, seqs []int64
	err = c.query(ctx, selectLastDays, func(row []driver.Value) error {
		days, seqs = append(days, intOf(row[0])), append(seqs, intOf(row[1]))
		return nil
	}, today-examinedDays)
	if err != nil {
		return 0, err
	}
	last, err := lastSeq(ctx, c)
	if err != nil {
		return 0, err
	}
	days, seqs = append(days, today+1), append(seqs, last)
	for i := 1; i < len(days); i++ {
		most = max(most, (seqs[i]-seqs[i-1])/max(1, days[i]-days[i-1]))
	}
	return most, nil
}

// Knows returns which of these ids of events the database at path has, with the conditions
// of Examine.
func Knows(ctx context.Context, path string, ids []string) (known map[string]bool, err error) {
	defer func() {
		if err != nil {
			err = openError(path, fmt.Errorf("read store %s: %w", path, err))
		}
	}()
	c, err := connectReader(ctx, path)
	if err != nil {
		return nil, err
	}
	defer c.close()
	last, err := lastSeq(ctx, c)
	if err != nil {
		return nil, err
	}
	recent := map[string]bool{}
	// The ids of the newest events are written into their table late.
	err = c.query(ctx, selectNewIDs, func(row []driver.Value) error {
		recent[stringOf(row[0])] = true
		return nil
	}, last-newest)
	if err != nil {
		return nil, err
	}
	known = map[string]bool{}
	for _, id := range ids {
		seq, err := c.one(ctx, selectSeen, id)
		if err != nil {
			return nil, err
		}
		known[id] = seq != nil || recent[id]
	}
	return known, nil
}

// connectReader opens a connection to a database of perhaps another process.
func connectReader(ctx context.Context, path string) (*conn, error) {
	moderncsqlite.OFDLocking(true) // as the process that has it open
	return connect(ctx, path, "ro", busyTimeout, "query_only(1)", readerCache)
}

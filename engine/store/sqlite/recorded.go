package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sort"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/turn"
)

// Recorded reads what a store has recorded, whether a daemon has it open or not, and changes
// nothing. Each call is a short snapshot of its own: between two of them the WAL of a
// running daemon can restart. It is used by one goroutine.
type Recorded struct {
	*outside
	Newest time.Time // when the newest event was received, as the store was opened; zero: there is none
	Last   int64     // sequence of that event
}

var (
	selectEntriesAfter = declare(`SELECT ` + entryColumns + ` FROM events e WHERE e.seq > ? AND e.seq <= ? ORDER BY e.seq LIMIT ?`)
	selectReceivedFrom = declare(`SELECT received_at FROM events WHERE seq >= ? ORDER BY seq LIMIT 1`)
	selectFirstSeq     = declare(`SELECT min(seq) FROM events`)
)

// OlderError reports a store with a schema that is older than this program's. Only a start
// of chertd changes that.
type OlderError struct {
	Path           string
	Version, Known int
}

func (e *OlderError) Error() string {
	return fmt.Sprintf("store %s has schema %d, and this chertd reads schema %d", e.Path, e.Version, e.Known)
}

// Hint returns what an operator can do about it.
func (e *OlderError) Hint() string {
	return "use the chertd that runs with this store; or start this one with it, which brings it up to date"
}

// OpenRecorded opens the store at path, which must exist.
func OpenRecorded(ctx context.Context, path string) (*Recorded, error) {
	s, err := openOutside(ctx, path)
	if err != nil {
		return nil, err
	}
	r := &Recorded{outside: s}
	if !s.current() {
		err = &OlderError{s.path, s.schema, len(migrations)}
	} else {
		var last driver.Value
		if last, err = s.one(ctx, selectMaxSeq); err == nil {
			r.Last = intOf(last)
			r.Newest, err = r.received(ctx, r.Last)
		}
	}
	if err == nil {
		_, err = s.exec(rollback)
	}
	if err != nil {
		s.close()
		return nil, r.failed("read", err)
	}
	return r, nil
}

// Close closes the store.
func (r *Recorded) Close() error { return r.close() }

// failed says what was being done with the store.
func (r *Recorded) failed(doing string, err error) error {
	return openError(r.path, fmt.Errorf("%s store %s: %w", doing, r.path, err))
}

// snapshot calls do within a snapshot.
func (r *Recorded) snapshot(doing string, do func() error) error {
	if _, err := r.exec(begin); err != nil {
		return r.failed(doing, err)
	}
	err := do()
	if _, ended := r.exec(rollback); err == nil {
		err = ended
	}
	if err != nil {
		return r.failed(doing, err)
	}
	return nil
}

// Before returns the sequence of the last event before those that were received from a time
// on; 0: there is none. It takes for granted that events are in the order in which they were
// received, which is so unless the clock was set back.
func (r *Recorded) Before(ctx context.Context, from time.Time) (seq int64, err error) {
	err = r.snapshot("search", func() error {
		first, err := r.one(ctx, selectFirstSeq)
		if err != nil || first == nil {
			return err
		}
		low := intOf(first)
		n := sort.Search(int(r.Last-low+1), func(i int) bool {
			if err != nil {
				return true
			}
			var at time.Time
			at, err = r.received(ctx, low+int64(i))
			return !at.Before(from)
		})
		seq = low + int64(n) - 1
		return err
	})
	return seq, err
}

// received returns when an event was received, or the next one if it is not there.
func (r *Recorded) received(ctx context.Context, seq int64) (time.Time, error) {
	at, err := r.one(ctx, selectReceivedFrom, seq)
	return timeOf(at), err
}

// Entries returns the next events after one, in their order: those that came from outside, at
// most limit, as few as none if many others stand between them. next is after which to
// continue; 0: these are the last ones up to r.Last.
func (r *Recorded) Entries(ctx context.Context, after int64, limit int) (entries []turn.Entry, next int64, err error) {
	rows := 0
	err = r.snapshot("read events of", func() error {
		return r.query(ctx, selectEntriesAfter, func(row []driver.Value) error {
			rows++
			next = intOf(row[0])
			if stringOf(row[3]) == event.SourceEngine || row[15] != nil {
				return nil
			}
			e, err := entryOf(row)
			entries = append(entries, e)
			return err
		}, after, r.Last, int64(limit))
	})
	if rows < limit {
		next = 0
	}
	return entries, next, err
}

// Entry returns an event; ok is false if it is not there any more.
func (r *Recorded) Entry(ctx context.Context, seq int64) (e turn.Entry, ok bool, err error) {
	err = r.snapshot("read an event of", func() error {
		return r.query(ctx, selectEntriesAfter, func(row []driver.Value) (err error) {
			e, err = entryOf(row)
			ok = true
			return err
		}, seq-1, seq, int64(1))
	})
	return e, ok, err
}

// PackStates returns the stored state of each pack, by name.
func (r *Recorded) PackStates(ctx context.Context) (states []store.PackState, err error) {
	err = r.snapshot("read the packs of", func() (err error) {
		states, err = list(ctx, r.conn, selectPacks, packStateOf)
		return err
	})
	return states, err
}

// Version returns a kept version of a pack with its files, by its whole hash.
func (r *Recorded) Version(ctx context.Context, pack, version string) (v store.Version, ok bool, err error) {
	err = r.snapshot("read a pack of", func() (err error) {
		v, ok, err = keptVersion(ctx, r.conn, pack, version)
		return err
	})
	return v, ok, err
}

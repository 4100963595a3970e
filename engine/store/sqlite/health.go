package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	moderncsqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"chertd/luabind/diag"
)

const (
	// watchEvery is how often the store checks itself while nothing is written.
	watchEvery = time.Second
	// stallAfter is how long a write may take before the disk counts as hanging.
	stallAfter = 3 * time.Second
	// hangAfter is how long a write may take before reads wait for its end, and
	// hangEvery how often they check whether it has ended.
	hangAfter = 500 * time.Millisecond
	hangEvery = 20 * time.Millisecond
)

// StalledError reports that a write does not return from the disk.
type StalledError struct{ For time.Duration }

func (e *StalledError) Error() string {
	return fmt.Sprintf("the disk does not answer: a write has not ended after %s", diag.About(e.For.Truncate(time.Second)))
}

// CorruptError reports that SQLite found the database damaged.
type CorruptError struct {
	Path string // of the database
	Err  error
}

func (e *CorruptError) Error() string { return fmt.Sprintf("the database is damaged: %v", e.Err) }
func (e *CorruptError) Unwrap() error { return e.Err }

// Hint returns what an operator can do about it.
func (e *CorruptError) Hint() string {
	return fmt.Sprintf("chertd store check --file %s lists the damage; then stop chertd and %s", diag.ShellWord(e.Path), restoreWith(e.Path))
}

// restoreWith tells an operator how to restore a backup of the store at path.
func restoreWith(path string) string {
	return "restore a backup: chertd store restore BACKUP --file " + diag.ShellWord(path)
}

// writeError reports that the store could not write. It may be able to later.
type writeError struct{ Err error }

func (e *writeError) Error() string { return e.Err.Error() }
func (e *writeError) Unwrap() error { return e.Err }

// Hint returns what an operator can do about it.
func (e *writeError) Hint() string {
	if sqliteCode(e.Err) == sqlite3.SQLITE_FULL {
		return "make room on the disk; chertd tries again every second"
	}
	return "check the disk and the kernel log (dmesg); chertd tries again every second"
}

// health records whether the store can write. Its methods do not use the disk.
type health struct {
	now func() time.Time
	// writes is when the transaction that is being made began, syncs when the sync of the
	// one before did; Unix nanoseconds; 0: none is.
	writes, syncs atomic.Int64

	fails atomic.Pointer[error]
	// inspects is why the database is being inspected; nil: it is not.
	inspects atomic.Pointer[error]
	ended    atomic.Pointer[error] // after this only a restart helps

	// crowded reports whether the disk has too little room to continue, once it was full.
	crowded func() bool

	mu   sync.Mutex
	tell func(err error) // is called at each change; nil: the store works again
}

// Healthy implements store.Store.
func (s *Store) Healthy() error {
	h := &s.writer.health
	if err := h.ended.Load(); err != nil {
		return *err
	}
	if err := h.refuses(); err != nil {
		return err
	}
	if err := h.fails.Load(); err != nil {
		return *err
	}
	return nil
}

// hangs reports whether the current write has taken at least a time.
func (h *health) hangs(long time.Duration) bool {
	return h.waits() >= long
}

// waits returns for how long the disk has not answered.
func (h *health) waits() (long time.Duration) {
	for _, began := range [...]int64{h.writes.Load(), h.syncs.Load()} {
		if began != 0 {
			long = max(long, h.now().Sub(time.Unix(0, began)))
		}
	}
	return long
}

// refuses returns why senders should not wait for the writer; nil if they may.
func (h *health) refuses() error {
	if err := h.inspects.Load(); err != nil {
		return *err
	}
	return h.stalled()
}

// stalled returns a *StalledError if the current write takes too long.
func (h *health) stalled() error {
	if d := h.waits(); d >= stallAfter {
		return &StalledError{d}
	}
	return nil
}

// wrote notes the result of a write or of a check of the files. It ignores errors
// that are a request's own fault.
func (h *health) wrote(err error) {
	if err != nil && !storeFailed(err) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.fails.Load()
	switch {
	case h.ended.Load() != nil:
		return
	case err == nil && before != nil && sqliteCode(*before) == sqlite3.SQLITE_FULL && h.crowded():
		// Small events still fit, and larger ones do not: it would fail and work in turns.
	case err == nil && before != nil:
		h.fails.Store(nil)
		h.tell(nil)
	case err != nil:
		if !errors.As(err, new(interface{ Hint() string })) {
			err = &writeError{err}
		}
		h.fails.Store(&err)
		if before == nil {
			h.tell(err)
		}
	}
}

// end makes the store refuse everything from now on.
func (h *health) end(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended.CompareAndSwap(nil, &err) {
		h.tell(err)
	}
}

// noteProbed tests whether a store that failed works again.
var noteProbed = declare(`INSERT INTO daemon (id, probed_at) VALUES (1, ?) ON CONFLICT DO UPDATE SET probed_at = excluded.probed_at`)

// watch checks the store while nothing is written, until it is closed: whether its
// files are still there and, after a failure, whether it works again.
func (s *Store) watch(tick <-chan time.Time) {
	for {
		select {
		case <-tick:
		case <-s.closing:
			return
		}
		var probe step
		failing := s.writer.health.fails.Load() != nil
		if failing {
			probe.add(noteProbed, s.writer.health.now().UnixMicro())
		}
		r := newRequest("check the store", probe)
		r.tries, r.ticks = failing, true
		ctx, cancel := context.WithTimeout(context.Background(), stallAfter)
		_ = s.submit(ctx, r, false) // the writer records the error
		cancel()
	}
}

// storeFailed reports whether an error is the store's fault, and not a request's.
func storeFailed(err error) bool {
	var lost *LostError
	var touched *touchedError
	var corrupt *CorruptError
	var intake *intakeError
	var sync *syncError
	return errors.As(err, &lost) || errors.As(err, &touched) || errors.As(err, &corrupt) || errors.As(err, &intake) || errors.As(err, &sync) || sqliteFailed(err)
}

// sqliteFailed reports whether an error is SQLite's and the database is its cause.
func sqliteFailed(err error) bool {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOTADB:
		return true
	}
	return false
}

// damaged reports whether SQLite found that the file is damaged, or not a database.
func damaged(err error) bool {
	code := sqliteCode(err)
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}

// sqliteCode returns the primary code of an SQLite error; 0 for any other error.
func sqliteCode(err error) int {
	var e *moderncsqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	moderncsqlite "modernc.org/sqlite"
)

// Options of Open. The zero value works.
type Options struct {
	Now     func() time.Time // for notes in the file; nil: time.Now
	Log     *slog.Logger     // nil: nothing is logged
	Readers int              // connections that read, at least 2; 0: 4. Half of them may serve people at a time
	Queue   int              // requests that may wait for the writer before callers do; 0: 1024

	tick    <-chan time.Time // when to look after the store; nil: every second
	pragmas []string         // further ones of the connection that writes
}

const (
	// busyTimeout is for what else has the file open: sqlite3 in an operator's
	// hands, a backup. Within the process nothing waits for a lock.
	busyTimeout = "busy_timeout(5000)"
	// checkpointPages is when a commit copies the WAL into the database itself:
	// at 32 MiB. Little is left to copy then, and the WAL begins anew.
	checkpointPages = "wal_autocheckpoint(8000)"
	// walLimit is what the WAL is cut to after it has grown beyond.
	walLimit = "journal_size_limit(67108864)"
	// writerCache and readerCache are in KiB, as PRAGMA cache_size has it. The
	// allocator keeps a page of 4 KiB in 8, so they take twice that in all, times
	// Options.Readers for readerCache. Larger ones did not make BenchmarkWay faster
	// (400,000 events), and under large values the process held 30 MB more.
	writerCache = "cache_size(-4096)"
	readerCache = "cache_size(-1024)"
)

var (
	noteOpened      = declare(`INSERT INTO daemon (id, opened_at) VALUES (1, ?) ON CONFLICT DO UPDATE SET opened_at = excluded.opened_at`)
	readJournalMode = declare("PRAGMA journal_mode")
	readSynchronous = declare("PRAGMA synchronous")
	selectLastSeq   = declare(`SELECT last_seq FROM daemon WHERE id = 1`)
	selectMaxSeq    = declare(`SELECT max(seq) FROM events`)
)

// Open opens the database at path, or that which a symbolic link there leads to,
// makes it and its folder if there is none, and brings its schema up to date. While it is open no other process can open
// it (*InUseError); a database of a newer program is left alone (*NewerError).
//
// It switches SQLite, for the whole process, to open-file-description locks
// and fdatasync where the system has them. No code of the process may open the
// database's files by other means all the same: not every lock of SQLite's is
// of that kind.
func Open(ctx context.Context, path string, o Options) (_ *Store, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Readers <= 0 {
		o.Readers = 4
	}
	o.Readers = max(o.Readers, 2)
	if o.Queue <= 0 {
		o.Queue = 1024
	}
	if path == "" {
		return nil, errors.New("open store: no file is named")
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, openError(path, fmt.Errorf("open store %s: %w", path, err))
	}
	link := path
	if path, err = resolve(link); err != nil {
		return nil, err
	}
	if err := checkRegular(path); err != nil {
		return nil, openError(path, fmt.Errorf("open store %s: %w", path, err))
	}
	// Neither is an error where it is not to be had: POSIX locks and fsync do.
	moderncsqlite.OFDLocking(true)
	moderncsqlite.Fdatasync(true)

	s := &Store{
		path: path, log: o.Log, size: o.Readers,
		readers: make(chan *conn, o.Readers), people: make(chan struct{}, o.Readers/2), written: make(chan struct{}), watched: make(chan struct{}), closing: make(chan struct{}),
	}
	if s.lock, err = lock(path); err != nil {
		return nil, openError(path, err)
	}
	var w, cp *conn
	defer func() {
		if err == nil {
			return
		}
		err = openError(path, err)
		if cp != nil {
			cp.close()
		}
		for len(s.readers) > 0 {
			(<-s.readers).close()
		}
		if w != nil {
			w.close()
		}
		s.lock.unlock()
	}()
	if err := checkHeader(path); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if err := makePrivate(path); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if w, err = connectWriter(ctx, path, o.pragmas...); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if err := migrate(ctx, w, path, migrations); err != nil {
		return nil, err
	}
	if err := checkTables(w); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	last, err := lastSeq(ctx, w)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	commits, err := w.one(ctx, selectTransactions)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	_, err = w.exec(noteOpened, o.Now().UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	for range o.Readers {
		r, err := connect(ctx, path, "ro", busyTimeout, "query_only(1)", readerCache)
		if err != nil {
			return nil, fmt.Errorf("open store %s: %w", path, err)
		}
		s.readers <- r
	}
	if cp, err = connect(ctx, path, "rw", busyTimeout, "synchronous(FULL)", readerCache); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	fl, err := hold(path, link, s.lock)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	s.writer = &writer{conn: w, files: fl, queue: make(chan *request, o.Queue), grown: make(chan struct{}, 1), next: last + 1, closing: s.closing, counts: map[versionKey]tally{}}
	s.writer.health.now, s.writer.health.tell = o.Now, s.tellHealth
	s.writer.last.Store(last)
	s.writer.commits = intOf(commits)
	s.start(&checkpointer{conn: cp, log: o.Log, path: path})
	go func() {
		defer close(s.watched)
		if o.tick == nil {
			t := time.NewTicker(watchEvery)
			defer t.Stop()
			o.tick = t.C
		}
		s.watch(o.tick)
	}()
	return s, nil
}

// connectWriter opens the connection that writes, and makes sure of what every
// promise of the store rests on.
func connectWriter(ctx context.Context, path string, more ...string) (_ *conn, err error) {
	pragmas := append([]string{busyTimeout, "journal_mode(WAL)", "synchronous(FULL)", checkpointPages, walLimit, writerCache}, more...)
	c, err := connect(ctx, path, "rwc", pragmas...)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	mode, err := c.one(ctx, readJournalMode)
	if err != nil {
		return nil, err
	}
	if mode != "wal" {
		return nil, fmt.Errorf("journal_mode is %v where it must be wal: %w", mode, errNoWAL)
	}
	level, err := c.one(ctx, readSynchronous)
	if err != nil {
		return nil, err
	}
	if level != int64(2) {
		return nil, fmt.Errorf("synchronous is %v where it must be 2 (full)", level)
	}
	return c, nil
}

// lastSeq is the highest sequence ever given, also if its event is gone.
func lastSeq(ctx context.Context, c *conn) (int64, error) {
	noted, err := c.one(ctx, selectLastSeq)
	if err != nil {
		return 0, err
	}
	there, err := c.one(ctx, selectMaxSeq)
	return max(intOf(noted), intOf(there)), err
}

// makePrivate makes the file if there is none, and takes it from others: it
// holds people's messages. The files SQLite adds take over its mode. An
// existing file is not opened: closing it would drop SQLite's locks.
func makePrivate(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 {
			return &MissingError{path}
		}
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		return syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return os.Chmod(path, 0o600)
	}
	return nil
}

// MissingError says that a store's WAL is there and its database is not: to
// begin a new one would throw away what the WAL holds.
type MissingError struct{ Path string }

func (e *MissingError) Error() string {
	return "the file is not there, but its " + filepath.Base(e.Path) + "-wal is"
}

// Hint says what to do about it.
func (e *MissingError) Hint() string {
	return "put " + e.Path + " back, or restore a backup; to begin with an empty store remove the -wal and -shm files, too"
}

// syncFolder makes the new file's name as durable as what it will hold.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Package sqlite is the embedded store: one SQLite file in WAL mode, synced at
// every commit, changed by one goroutine that makes one transaction of all that
// waits, read by others without waiting for it.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	moderncsqlite "modernc.org/sqlite"

	"chertd/engine/store"
)

// Options of Open. The zero value works.
type Options struct {
	Now     func() time.Time // for notes in the file; nil: time.Now
	Log     *slog.Logger     // nil: nothing is logged
	Readers int              // connections that read, at least 2; 0: 4. Half of them may serve people at a time
	Queue   int              // requests that may wait for the writer before callers do; 0: 1024
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
	// writerCache and readerCache are in KiB, as PRAGMA cache_size has it.
	writerCache = "cache_size(-16384)"
	readerCache = "cache_size(-2048)"
)

// Store is a store.Store in one SQLite file. Times are kept to the microsecond.
type Store struct {
	path    string
	log     *slog.Logger
	lock    *lockFile
	writer  *writer
	written chan struct{} // closed when the writer and the checkpointer have ended
	readers chan *conn    // those not in use
	size    int           // of the pool
	people  chan struct{} // holds one for each reader that people use
	closing chan struct{} // closed by Close

	mu     sync.RWMutex // held for reading while sending to the writer's queue
	closed bool
}

var _ store.Store = (*Store)(nil)

// Open opens the database at path, makes it and its folder if there is none,
// and brings its schema up to date. While it is open no other process can open
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
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	// Neither is an error where it is not to be had: POSIX locks and fsync do.
	moderncsqlite.OFDLocking(true)
	moderncsqlite.Fdatasync(true)

	s := &Store{
		path: path, log: o.Log, size: o.Readers,
		readers: make(chan *conn, o.Readers), people: make(chan struct{}, o.Readers/2), written: make(chan struct{}), closing: make(chan struct{}),
	}
	if s.lock, err = lock(path); err != nil {
		return nil, err
	}
	var w, cp *conn
	defer func() {
		if err == nil {
			return
		}
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
	if err := makePrivate(path); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if w, err = connectWriter(ctx, path); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if err := migrate(ctx, w, path, migrations); err != nil {
		return nil, err
	}
	last, err := lastSeq(ctx, w)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	_, err = w.exec(`INSERT INTO meta (key, value) VALUES ('opened_at', ?)
		ON CONFLICT DO UPDATE SET value = excluded.value`, o.Now().UnixMicro())
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
	s.writer = &writer{conn: w, queue: make(chan *request, o.Queue), grown: make(chan struct{}, 1), next: last + 1}
	s.writer.last.Store(last)
	s.start(&checkpointer{conn: cp, log: o.Log, path: path})
	return s, nil
}

// start starts the goroutines that Close waits for.
func (s *Store) start(c *checkpointer) {
	var running sync.WaitGroup
	running.Go(s.writer.run)
	running.Go(func() { c.run(s.writer.grown) })
	go func() {
		defer close(s.written)
		running.Wait()
	}()
}

// connectWriter opens the connection that writes, and makes sure of what every
// promise of the store rests on.
func connectWriter(ctx context.Context, path string) (_ *conn, err error) {
	c, err := connect(ctx, path, "rwc", busyTimeout, "journal_mode(WAL)", "synchronous(FULL)", checkpointPages, walLimit, writerCache)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	mode, err := c.one(ctx, "PRAGMA journal_mode")
	if err != nil {
		return nil, err
	}
	if mode != "wal" {
		return nil, fmt.Errorf("journal_mode is %v where it must be wal: the file system may lack shared memory (a network share?)", mode)
	}
	level, err := c.one(ctx, "PRAGMA synchronous")
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
	noted, err := c.one(ctx, `SELECT value FROM meta WHERE key = 'last_seq'`)
	if err != nil {
		return 0, err
	}
	there, err := c.one(ctx, `SELECT max(seq) FROM events`)
	return max(intOf(noted), intOf(there)), err
}

// makePrivate makes the file if there is none, and takes it from others: it
// holds people's messages. The files SQLite adds take over its mode. An
// existing file is not opened: closing it would drop SQLite's locks.
func makePrivate(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
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
	if !info.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return os.Chmod(path, 0o600)
	}
	return nil
}

// syncFolder makes the new file's name as durable as what it will hold.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Close implements store.Store: what was asked before is made durable and
// answered, what is asked later gets ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return store.ErrClosed
	}
	s.closed = true
	close(s.writer.queue)
	close(s.closing)
	s.mu.Unlock()
	<-s.written

	var errs []error
	for range s.size {
		errs = append(errs, (<-s.readers).close())
	}
	// A checkpoint that fails loses nothing: the WAL is read at the next start.
	if _, err := s.writer.conn.one(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		s.log.Warn("store: checkpoint at close failed, the next start makes up for it", "store", s.path, "error", err)
	}
	errs = append(errs, s.writer.conn.close(), s.lock.unlock())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close store %s: %w", s.path, err)
	}
	return nil
}

// Journaled implements store.Store.
func (s *Store) Journaled(tell func([]store.Entry)) { s.writer.journaled.Store(&tell) }

// LastSeq implements store.Store.
func (s *Store) LastSeq() int64 { return s.writer.last.Load() }

// Append implements store.Store.
//
// If ctx ends while the arrivals are being written, its error is returned and
// it is not known whether they are kept; appending them again is safe.
func (s *Store) Append(ctx context.Context, arrivals []store.Arrival) ([]store.Receipt, error) {
	list, err := prepareArrivals(arrivals)
	if err != nil {
		return nil, err
	}
	r := newRequest("append to the journal", step{arrivals: list})
	if err := s.submit(ctx, r, false); err != nil {
		return nil, err
	}
	return r.receipts, nil
}

// submit hands a request to the writer and waits for its answer. If ctx ends
// before the writer has begun with it, it is withdrawn; later, ctx ends the
// waiting unless sure is set.
func (s *Store) submit(ctx context.Context, r *request, sure bool) error {
	if err := s.enqueue(ctx, r); err != nil {
		return err
	}
	select {
	case err := <-r.answer:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-r.answer: // both at once
		return err
	default:
	}
	if r.state.CompareAndSwap(requestWaits, requestWithdrawn) || !sure {
		return fmt.Errorf("%s: %w", r.doing, context.Cause(ctx))
	}
	return <-r.answer
}

func (s *Store) enqueue(ctx context.Context, r *request) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	select {
	case s.writer.queue <- r:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", r.doing, context.Cause(ctx))
	}
}

// read runs f with a connection that reads.
func (s *Store) read(ctx context.Context, doing string, f func(*conn) error) error {
	select {
	case <-s.closing:
		return store.ErrClosed
	default:
	}
	var c *conn
	select {
	case c = <-s.readers:
	case <-s.closing:
		return store.ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	defer func() { s.readers <- c }()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if err := f(c); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// browse is snapshot for what people ask: it may take long, so that some
// connections are kept from it for the engine's sake.
func (s *Store) browse(ctx context.Context, doing string, f func(*conn) error) error {
	select {
	case s.people <- struct{}{}:
		defer func() { <-s.people }()
	case <-s.closing:
		return store.ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	return s.snapshot(ctx, doing, f)
}

// snapshot is read with all of f's queries seeing the same moment.
func (s *Store) snapshot(ctx context.Context, doing string, f func(*conn) error) error {
	return s.read(ctx, doing, func(c *conn) error {
		if _, err := c.exec("BEGIN"); err != nil {
			return err
		}
		err := f(c)
		_, end := c.exec("ROLLBACK")
		return errors.Join(err, end)
	})
}

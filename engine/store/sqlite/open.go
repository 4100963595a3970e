package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	moderncsqlite "modernc.org/sqlite"

	"chertd/engine/system"
)

// Options are options of Open. The zero value works.
type Options struct {
	Log *slog.Logger // nil: nothing is logged
	// Boundary, if set, is called right before and after each step that decides what a
	// crash leaves: see Boundaries. Tests that kill the process need it. It is called on the
	// goroutine that takes the step, and must not call the store.
	Boundary func(name string)

	// For tests.
	now     func() time.Time     // nil: time.Now
	readers int                  // connections that read; 0: defaultReaders
	queue   int                  // requests that may wait for the writer before their callers do; 0: defaultQueue
	tick    <-chan time.Time     // when to check the store while nobody writes; nil: every watchEvery
	pragmas []string             // more of them for the connection that writes
	late    *lateSizes           // nil: defaultLate
	faults  faults               // of the connection that writes; nil: none
	sync    func(*os.File) error // syncs a file; nil: syncData
}

const (
	// defaultReaders is how many connections read. Half of them may serve people at
	// a time, so that there must be two at least.
	defaultReaders = 4
	defaultQueue   = 1024
)

const (
	// busyTimeout is for other programs that have the file open, such as an
	// operator's sqlite3 or a backup. Within the process nothing waits for a lock.
	busyTimeout = "busy_timeout(5000)"
	// checkpointPages is the size of the WAL at which a commit runs a checkpoint: 32
	// MiB. Little is left to copy then, and the WAL can restart.
	checkpointPages = "wal_autocheckpoint(8000)"
	// walLimit is the size to which a larger WAL is truncated.
	walLimit = "journal_size_limit(67108864)"
	// writerCache and readerCache are in KiB, as for PRAGMA cache_size. The allocator
	// uses 8 KiB for a page of 4 KiB, so that each takes twice as much, and there are
	// defaultReaders of readerCache. Larger caches did not make BenchmarkWay faster
	// (400,000 events), and the process took 30 MB more with large values.
	writerCache = "cache_size(-4096)"
	// secureDelete overwrites what is removed with zeros, where that writes no more pages:
	// see Scrub.
	secureDelete = "secure_delete(fast)"
	readerCache  = "cache_size(-1024)"
)

var (
	noteOpened = declare(`INSERT INTO daemon (id, opened_at, rules_since) VALUES (1, ?1, ?1) ON CONFLICT DO UPDATE SET opened_at = excluded.opened_at,
		rules_since = coalesce(rules_since, excluded.rules_since)`)
	readJournalMode = declare("PRAGMA journal_mode")
	readSynchronous = declare("PRAGMA synchronous")
	selectLastSeq   = declare(`SELECT last_seq FROM daemon WHERE id = 1`)
	selectMaxSeq    = declare(`SELECT max(seq) FROM events`)
)

// Open opens the database at path, or the one that a symbolic link there leads to.
// It creates the database and its folder if there is none, and brings its schema up
// to date. One process at a time can have it open (*InUseError). A database that a
// newer program has used is not changed (*NewerError). Every error but that of an
// empty path has a method Hint with what to do.
//
// Open switches SQLite, for the whole process, to open-file-description locks and
// fdatasync where the system has them. Nevertheless, no code of the process may open
// the database's files by other means: some of SQLite's locks remain POSIX locks,
// which the process loses when it closes any descriptor of the file.
func Open(ctx context.Context, path string, o Options) (_ *Store, err error) {
	if o.now == nil {
		o.now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.readers = max(cmp.Or(o.readers, defaultReaders), 2)
	o.queue = cmp.Or(o.queue, defaultQueue)
	o.late = cmp.Or(o.late, &defaultLate)
	if o.sync == nil {
		o.sync = syncData
	}
	o.reportBoundaries()
	if path == "" {
		return nil, errors.New("open store: the path is empty")
	}
	failed := func(err error) (*Store, error) {
		return nil, openError(path, fmt.Errorf("open store %s: %w", path, err))
	}
	if path, err = filepath.Abs(path); err != nil {
		return failed(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return failed(err)
	}
	link := path
	if path, err = resolve(link); err != nil {
		return nil, err
	}
	if err := checkRegular(path); err != nil {
		return failed(err)
	}
	useSystem()

	s := &Store{
		path: path, log: o.Log, size: o.readers, readers: make(chan *conn, o.readers), people: make(chan struct{}, o.readers/2),
		written: make(chan struct{}), watched: make(chan struct{}), learned: make(chan struct{}), closing: make(chan struct{}),
	}
	if s.lock, err = lock(path); err != nil {
		return nil, openError(path, err)
	}
	kept, err := completeRestore(ctx, path)
	if err != nil {
		s.lock.unlock()
		return failed(err)
	}
	if kept != "" {
		o.Log.Warn("an interrupted restore of the store was completed", "store", path, "replaced", kept)
	}
	s.writer = &writer{
		queue: make(chan *request, o.queue), grown: make(chan struct{}, 1), closing: s.closing, counts: map[versionKey]tally{},
		health: health{now: o.now, tell: s.tellHealth, crowded: func() bool { return room(filepath.Dir(path)) < roomToOpen }},
		behind: lateState{sizes: *o.late, late: late{ids: map[string]int64{}, chats: map[string]*chatRow{}}},
		known:  &knownIDs{events: idSet{filter: newFilter()}, chats: idSet{filter: newFilter()}},
	}
	var cp *conn
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
		if s.writer.conn != nil {
			s.writer.conn.close()
		}
		if s.writer.files != nil {
			s.writer.files.close()
		}
		s.lock.unlock()
	}()
	if err := checkHeader(path); err != nil {
		return failed(err)
	}
	if err := makePrivate(path); err != nil {
		return failed(err)
	}
	// SQLite is about to drop what follows a damaged frame. What can't be read now fails below.
	if n, err := unusedFrames(path); err == nil && n > 0 {
		o.Log.Warn("frames of the store's WAL after a damaged one can't be used: the newest events may be missing", "store", path, "frames", n,
			"hint", "with sources.catchup chertd reads them again from Chert's events log; check the disk (dmesg, smartctl), unless the machine lost power: then they may not have been acknowledged")
	}
	if err := s.writer.open(ctx, path, o); err != nil {
		if _, newer := errors.AsType[*NewerError](err); newer {
			return nil, err
		}
		return failed(err)
	}
	for range o.readers {
		r, err := connect(ctx, path, "ro", busyTimeout, "query_only(1)", readerCache)
		if err != nil {
			return failed(err)
		}
		s.readers <- r
	}
	if cp, err = connect(ctx, path, "rw", busyTimeout, "synchronous(FULL)", readerCache); err != nil {
		return failed(err)
	}
	if o.Boundary != nil {
		cp.faults = boundaries(o.Boundary)
	}
	if s.writer.files, err = hold(path, link, s.lock); err != nil {
		return failed(err)
	}
	s.writer.syncer = newSyncer(func() error { return o.sync(s.writer.files.wal.f) })
	if err := s.writer.syncOpened(); err != nil {
		return failed(err)
	}
	if err := s.countWaiting(ctx); err != nil {
		return failed(err)
	}
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

// useSystem switches SQLite to open-file-description locks and fdatasync. Systems without
// these use POSIX locks and fsync.
func useSystem() {
	moderncsqlite.OFDLocking(true)
	moderncsqlite.Fdatasync(true)
}

// open opens the writer's connection, brings the schema up to date, and reads the
// counts that the writer continues.
func (w *writer) open(ctx context.Context, path string, o Options) (err error) {
	if w.conn, err = connectWriter(ctx, path, o.pragmas...); err != nil {
		return err
	}
	w.conn.faults = o.faults
	if err := migrate(ctx, w.conn, path, migrations); err != nil {
		return err
	}
	if err := checkTables(w.conn); err != nil {
		return err
	}
	late, err := w.conn.one(ctx, selectRulesLate)
	if err != nil {
		return err
	}
	if w.ruleLate, err = parseRuleLate(stringOf(late)); err != nil {
		return err
	}
	if err := w.recover(ctx); err != nil {
		return err
	}
	last, err := lastSeq(ctx, w.conn)
	if err != nil {
		return err
	}
	w.behind.seq = last
	w.last.Store(last)
	w.next = last + 1
	commits, err := w.conn.one(ctx, selectTransactions)
	if err != nil {
		return err
	}
	w.commits = intOf(commits)
	after, err := w.conn.one(ctx, selectRulesAfter)
	if err != nil {
		return err
	}
	w.rules.after = intOf(after)
	_, err = w.conn.exec(noteOpened, o.now().UnixMicro())
	return err
}

// connectWriter opens the connection that writes, and checks the settings with which the
// syncer makes commits durable.
func connectWriter(ctx context.Context, path string, more ...string) (_ *conn, err error) {
	pragmas := append([]string{busyTimeout, "journal_mode(WAL)", "synchronous(NORMAL)", checkpointPages, walLimit, writerCache, secureDelete}, more...)
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
	if level != int64(1) {
		return nil, fmt.Errorf("synchronous is %v where it must be 1 (normal)", level)
	}
	return c, nil
}

// lastSeq returns the highest sequence that was ever given, also if its event was
// deleted.
func lastSeq(ctx context.Context, c *conn) (int64, error) {
	noted, err := c.one(ctx, selectLastSeq)
	if err != nil {
		return 0, err
	}
	there, err := c.one(ctx, selectMaxSeq)
	return max(intOf(noted), intOf(there)), err
}

// makePrivate creates the file if there is none, and makes it readable by its owner
// only: it holds people's messages. The files that SQLite adds get its mode. It does
// not open an existing file: closing it would drop SQLite's locks.
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
		return system.SyncFolder(filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return os.Chmod(path, 0o600)
	}
	return nil
}

// MissingError reports that a store has a WAL but no database: a new database would
// lose what the WAL holds.
type MissingError struct{ Path string }

func (e *MissingError) Error() string {
	return "the file is not there, but its " + filepath.Base(e.Path) + "-wal is"
}

// Hint returns what an operator can do about it.
func (e *MissingError) Hint() string {
	return "put " + e.Path + " back, or " + restoreWith(e.Path) + "; to begin with an empty store remove the -wal and -shm files, too"
}

package sqlite

import (
	"fmt"
	"path/filepath"

	"chertd/engine/system"
)

// syncer makes transactions durable while the writer makes the next one: the writer's
// connection commits without a sync (synchronous=NORMAL), and nobody learns of a
// transaction before the syncer has synced the WAL after its COMMIT. That is the promise
// of synchronous=FULL, without a writer that waits for the disk. Connections that read
// see a transaction a sync earlier; what follows from it is committed behind it in the
// WAL, so that a crash can't keep the one without the other.
//
// SQLite still syncs the WAL before a checkpoint copies from it, the database after that,
// and the header of a WAL that restarts.
type syncer struct {
	// sync syncs the WAL by the descriptor that is open from the start: it sees each write
	// that failed since then. SQLite has no locks on the WAL.
	sync func() error
	work chan *transaction // closed by writer.run
	// idle holds a token while nothing is synced. The writer takes it with each
	// transaction, and run puts it back. Who holds it may use the writer's files.
	idle chan struct{}
}

func newSyncer(sync func() error) syncer {
	s := syncer{sync: sync, work: make(chan *transaction, 1), idle: make(chan struct{}, 1)}
	s.idle <- struct{}{}
	return s
}

// give has a transaction synced, once the one before is.
func (s *syncer) give(tx *transaction) {
	<-s.idle
	s.work <- tx
}

// wait waits until everything is synced.
func (s *syncer) wait() {
	<-s.idle
	s.idle <- struct{}{}
}

// syncOpened makes durable what Open has found and written: a process that was killed
// leaves in the WAL what it has not synced, and nobody may act on that before it is.
func (w *writer) syncOpened() error {
	if err := w.syncer.sync(); err != nil {
		return fmt.Errorf("sync %s: %w", w.files.wal.path, err)
	}
	return system.SyncFolder(filepath.Dir(w.files.path))
}

// runSyncer syncs what the writer commits, until the writer has ended.
func (w *writer) runSyncer() {
	for tx := range w.syncer.work {
		w.health.syncs.Store(w.health.now().UnixNano())
		w.finish(tx)
		w.health.syncs.Store(0)
		w.syncer.idle <- struct{}{}
	}
}

// finish makes a committed transaction durable, announces its entries, and answers.
func (w *writer) finish(tx *transaction) {
	err := w.makeDurable()
	if err == nil {
		for _, id := range tx.done {
			w.waiting.done(id)
		}
		w.last.Store(tx.last)
		if tell := w.journaled.Load(); tell != nil && len(tx.entries) > 0 {
			(*tell)(tx.entries)
		}
		if tx.proves {
			w.health.wrote(nil)
		}
	}
	tx.answer(err)
}

// makeDurable syncs the WAL, and checks the files: what was committed to a file that is no
// longer there is not acknowledged. An error ends the store.
func (w *writer) makeDurable() error {
	if ended := w.health.ended.Load(); ended != nil {
		return *ended
	}
	err := w.syncer.sync()
	if err != nil {
		err = &syncError{w.files.wal.path, err}
	} else {
		err = w.check()
	}
	if err != nil {
		w.health.end(err)
	}
	return err
}

// syncError reports that a sync of the WAL failed. The kernel reports a failure once and
// may drop what it could not write, so that another sync that succeeds proves nothing:
// the store ends. The next start reads the WAL as far as its checksums are right, and
// everything that was acknowledged is in that part.
type syncError struct {
	Path string // of the WAL
	Err  error
}

func (e *syncError) Error() string { return fmt.Sprintf("sync the store's file %s: %v", e.Path, e.Err) }
func (e *syncError) Unwrap() error { return e.Err }

// Hint returns what an operator can do about it.
func (e *syncError) Hint() string {
	return "check the disk (df, dmesg) and restart chertd once it works; no acknowledged event is lost, and until then events are answered 503 and Chert keeps them in its log"
}

// Package sqlite is the embedded store: one SQLite file in WAL mode, synced after every
// commit and before its answers. One goroutine writes: it makes one transaction of all
// requests that wait, while another syncs the one before. Reads have connections of their own and do not wait for it.
//
// Operators may read the file with sqlite3 while chertd runs; .schema describes the
// tables.
package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// Store is a store.Store in one SQLite file. Open opens one.
type Store struct {
	path    string
	log     *slog.Logger
	lock    *lockFile
	writer  *writer
	written chan struct{} // closed when the writer and the checkpointer have ended
	watched chan struct{} // closed when watch has ended
	learned chan struct{} // closed when learnAll has ended
	readers chan *conn    // those not in use
	size    int           // of the pool
	people  chan struct{} // holds one for each reader that people use
	closing chan struct{} // closed by Close

	mu     sync.RWMutex // held for reading while sending to the writer's queue
	closed bool
}

var _ store.Store = (*Store)(nil)

// start starts the goroutines that Close waits for.
func (s *Store) start(c *checkpointer) {
	var running sync.WaitGroup
	running.Go(s.writer.run)
	running.Go(s.writer.runSyncer)
	running.Go(func() { c.run(s.writer.grown) })
	go func() {
		defer close(s.written)
		running.Wait()
	}()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(s.learned)
		s.learnAll(ctx)
	}()
	go func() {
		defer cancel()
		select {
		case <-s.closing:
		case <-s.learned:
		}
	}()
}

// Close implements store.Store. It also waits for the store's goroutines.
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
	<-s.watched
	<-s.learned

	var errs []error
	if s.writer.health.ended.Load() != nil {
		// No checkpoint may copy what the disk may have lost into the database. The last
		// connection to write runs one when it is closed, unless others are open.
		errs = append(errs, s.writer.conn.close())
	}
	for range s.size {
		errs = append(errs, (<-s.readers).close())
	}
	if s.writer.health.ended.Load() == nil {
		// A checkpoint that fails loses nothing: the WAL is read at the next start.
		if _, err := s.writer.conn.one(context.Background(), truncateWAL); err != nil {
			s.log.Warn("store checkpoint at close failed; the next start repeats it", "store", s.path, "err", err)
		}
		errs = append(errs, s.writer.conn.close())
	}
	errs = append(errs, s.writer.files.close(), s.lock.unlock())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close store %s: %w", s.path, err)
	}
	return nil
}

// Journaled implements store.Store.
func (s *Store) Journaled(tell func([]turn.Entry)) { s.writer.journaled.Store(&tell) }

// LastSeq implements store.Store.
func (s *Store) LastSeq() int64 { return s.writer.last.Load() }

// submit hands a request to the writer and waits for its answer. If ctx ends
// before the writer has begun with it, it is withdrawn; later, ctx ends the
// waiting unless sure is set.
func (s *Store) submit(ctx context.Context, r *request, sure bool) error {
	if err := s.enqueue(ctx, r, sure); err != nil {
		return err
	}
	select {
	case err := <-r.answer:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-r.answer: // both have happened
		return err
	default:
	}
	if r.state.CompareAndSwap(requestWaits, requestWithdrawn) || !sure {
		return fmt.Errorf("%s: %w", r.doing, context.Cause(ctx))
	}
	return <-r.answer
}

// write makes one change durable.
func (s *Store) write(ctx context.Context, doing string, what *statement, args ...driver.Value) error {
	var st step
	st.add(what, args...)
	return s.submit(ctx, newRequest(doing, st), true)
}

func (s *Store) enqueue(ctx context.Context, r *request, sure bool) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	if !sure {
		// Senders do not wait for a disk that hangs.
		if err := s.writer.health.refuses(); err != nil {
			return fmt.Errorf("%s: %w", r.doing, err)
		}
	}
	select {
	case s.writer.queue <- r:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", r.doing, context.Cause(ctx))
	}
}

// tellHealth logs that the store failed, or works again.
func (s *Store) tellHealth(err error) {
	var hinted interface{ Hint() string }
	if err == nil {
		s.log.Info("the store works again", "store", s.path)
		return
	}
	what, hint := "the store fails: no event is accepted", ""
	if errors.As(err, new(*writeError)) {
		what += " until it works again"
	}
	if errors.As(err, &hinted) {
		hint = hinted.Hint()
	}
	s.log.Error(what, "store", s.path, "err", err, "hint", hint)
}

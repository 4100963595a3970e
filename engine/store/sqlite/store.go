// Package sqlite is the embedded store: one SQLite file in WAL mode, synced at
// every commit, changed by one goroutine that makes one transaction of all that
// waits, read by others without waiting for it.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"chertd/engine/store"
)

// Store is a store.Store in one SQLite file. Times are kept to the microsecond.
type Store struct {
	path    string
	log     *slog.Logger
	lock    *lockFile
	writer  *writer
	written chan struct{} // closed when the writer and the checkpointer have ended
	watched chan struct{} // closed when nobody looks after the store any more
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
	running.Go(func() { c.run(s.writer.grown) })
	go func() {
		defer close(s.written)
		running.Wait()
	}()
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
	<-s.watched

	var errs []error
	for range s.size {
		errs = append(errs, (<-s.readers).close())
	}
	// A checkpoint that fails loses nothing: the WAL is read at the next start.
	if _, err := s.writer.conn.one(context.Background(), truncateWAL); err != nil {
		s.log.Warn("store: checkpoint at close failed, the next start makes up for it", "store", s.path, "error", err)
	}
	errs = append(errs, s.writer.conn.close(), s.writer.files.close(), s.lock.unlock())
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
	if err := s.enqueue(ctx, r, sure); err != nil {
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

func (s *Store) enqueue(ctx context.Context, r *request, sure bool) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	if !sure {
		// Senders have better things to do than to wait for a disk that hangs.
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

// read runs f with a connection that reads. It does not begin while a write
// hangs: on a frozen disk, a read that touches the shared memory of SQLite stops
// its thread in a page fault, of which Go knows nothing. It has a processor less
// then, and none once it collects garbage.
func (s *Store) read(ctx context.Context, doing string, f func(*conn) error) error {
	for s.writer.health.hangs(hangAfter) {
		again := time.NewTimer(hangEvery)
		select {
		case <-again.C:
			continue
		case <-s.closing:
		case <-ctx.Done():
		}
		again.Stop()
		break
	}
	select {
	case <-s.closing:
		return store.ErrClosed
	default:
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
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
		if damaged(err) {
			err = &CorruptError{s.path, err}
			s.writer.health.end(err)
		}
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// tellHealth logs that the store fails, or works again.
func (s *Store) tellHealth(err error) {
	var hinted interface{ Hint() string }
	if err == nil {
		s.log.Info("the store works again", "store", s.path)
		return
	}
	what, hint := "the store fails: nothing is taken in", ""
	if errors.As(err, new(*WriteError)) {
		what += " until it works again"
	}
	if errors.As(err, &hinted) {
		hint = hinted.Hint()
	}
	s.log.Error(what, "store", s.path, "error", err, "hint", hint)
}

// browse is snapshot for what people ask. It may take long, so that some
// connections are kept from it for the engine's sake. It returns when ctx ends,
// also while the disk hangs: nothing interrupts a read that hangs in the kernel.
// Such a read goes on behind, and keeps its connection until the disk answers.
func browse[T any](ctx context.Context, s *Store, doing string, f func(*conn) (T, error)) (result T, err error) {
	if err := s.writer.health.stalled(); err != nil {
		return result, fmt.Errorf("%s: %w", doing, err)
	}
	select {
	case s.people <- struct{}{}:
	case <-s.closing:
		return result, store.ErrClosed
	case <-ctx.Done():
		return result, fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	type answer struct {
		result T
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		defer func() { <-s.people }()
		var a answer
		a.err = s.snapshot(ctx, doing, func(c *conn) (err error) {
			a.result, err = f(c)
			return err
		})
		answers <- a
	}()
	select {
	case a := <-answers:
		return a.result, a.err
	case <-ctx.Done():
		return result, fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
}

// snapshot is read with all of f's queries seeing the same moment.
func (s *Store) snapshot(ctx context.Context, doing string, f func(*conn) error) error {
	return s.read(ctx, doing, func(c *conn) error {
		if _, err := c.exec(begin); err != nil {
			return err
		}
		err := f(c)
		_, end := c.exec(rollback)
		return errors.Join(err, end)
	})
}

package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"chertd/engine/store"
)

// read runs f with a connection that reads. It does not start while a write hangs:
// on a frozen disk, a read of SQLite's shared memory stops its thread in a page
// fault, which Go does not notice: it has one processor less, and stops all
// goroutines at the next garbage collection.
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
	if err := s.usable(ctx, doing); err != nil {
		return err
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

// usable returns why a read can't begin: the store is closed, or ctx has ended.
func (s *Store) usable(ctx context.Context, doing string) error {
	select {
	case <-s.closing:
		return store.ErrClosed
	default:
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	return nil
}

// snapshot is read in a transaction: all queries of f see the same state.
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

// readList runs one query and returns of's result for each row. The end of ctx
// interrupts it.
func readList[T any](ctx context.Context, s *Store, doing string, what *statement, of func([]driver.Value) (T, error), args ...driver.Value) (all []T, err error) {
	err = s.read(ctx, doing, func(c *conn) (err error) {
		all, err = list(ctx, c, what, of, args...)
		return err
	})
	return all, err
}

// readOne runs one short query, which the end of ctx does not interrupt: watching ctx
// would cost more than the query. It returns the first column of the first row; nil
// if there is none.
func (s *Store) readOne(ctx context.Context, doing string, what *statement, args ...driver.Value) (v driver.Value, err error) {
	err = s.read(ctx, doing, func(c *conn) (err error) {
		v, err = c.one(context.Background(), what, args...)
		return err
	})
	return v, err
}

// firstString returns the first column of a row.
func firstString(row []driver.Value) (string, error) { return stringOf(row[0]), nil }

// browse is snapshot for requests of people. They may take long, so it uses at most
// half of the connections. It returns when ctx ends, also while the disk hangs: a
// read that hangs in the kernel can't be interrupted, so it continues in the
// background and keeps its connection until the disk answers. Therefore f must not
// write to variables outside of it.
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

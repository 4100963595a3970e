package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"chertd/engine/store"
)

// read runs reads in one snapshot.
func (s *Store) read(ctx context.Context, doing string, f func(tx pgx.Tx) error) error {
	return s.transact(ctx, doing, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, f)
}

// write runs changes in one transaction. It is for changes that may be made twice: if the answer
// to COMMIT is lost, it returns an error, and the caller makes them again.
func (s *Store) write(ctx context.Context, doing string, f func(tx pgx.Tx) error) error {
	return s.transact(ctx, doing, readCommitted, f)
}

// readCommitted are the options of transactions that change something: after a lock, they see what
// others have committed.
var readCommitted = pgx.TxOptions{IsoLevel: pgx.ReadCommitted}

// conflictTries is how often a transaction that others have prevented is made again.
const conflictTries = 10

func (s *Store) transact(ctx context.Context, doing string, o pgx.TxOptions, f func(tx pgx.Tx) error) (err error) {
	for range conflictTries {
		if s.isClosed() {
			return store.ErrClosed
		}
		if err = s.transactOnce(ctx, context.WithoutCancel(ctx), o, f); !prevented(err) {
			break
		}
	}
	return s.failed(doing, err)
}

// transactOnce runs one transaction. The end of ctx does not interrupt its COMMIT, that of end
// does. If the answer to COMMIT is lost, the error is an *unansweredError.
func (s *Store) transactOnce(ctx, end context.Context, o pgx.TxOptions, f func(tx pgx.Tx) error) error {
	tx, err := s.pool.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	return committed(end, tx, func() error { return f(tx) })
}

// committed commits a transaction after f, or rolls it back if f fails.
func committed(end context.Context, tx pgx.Tx, f func() error) error {
	defer tx.Rollback(end)
	if err := f(); err != nil {
		return err
	}
	if err := tx.Commit(end); err != nil {
		return commitFailed(err)
	}
	return nil
}

// unansweredError reports that COMMIT was sent and its answer did not come: what the transaction
// changes is kept or not.
type unansweredError struct{ Err error }

func (e *unansweredError) Error() string {
	return fmt.Sprintf("the answer to COMMIT is lost: %v", e.Err)
}
func (e *unansweredError) Unwrap() error { return e.Err }

// unanswered reports whether what a transaction changes may be kept, although it returned err.
func unanswered(err error) bool { return errors.As(err, new(*unansweredError)) }

// commitFailed returns the error of a COMMIT. The server has not kept the transaction if it
// answers with an error of this transaction; if it ends the connection, it may have.
func commitFailed(err error) error {
	var e *pgconn.PgError
	if errors.Is(err, pgx.ErrTxCommitRollback) || errors.As(err, &e) && e.SeverityUnlocalized == "ERROR" {
		return err
	}
	return &unansweredError{err}
}

// failed returns the error of a method: ErrClosed if the store was closed meanwhile.
func (s *Store) failed(doing string, err error) error {
	switch {
	case err == nil, errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrInQuarantine), errors.Is(err, store.ErrFenced):
		return err
	case s.isClosed():
		return store.ErrClosed
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func (s *Store) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// prevented reports whether others have prevented a transaction: serialization_failure and
// deadlock_detected (SQLSTATE, appendix A of PostgreSQL's documentation).
func prevented(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01")
}

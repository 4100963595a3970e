package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"chertd/engine/store"
)

// people lets requests of people in. They may take long, so that they use at most half of the
// connections.
type people chan struct{}

func newPeople(c *pgxpool.Config) people { return make(people, max(1, c.MaxConns/2)) }

// letIn waits until a request of people may begin.
func (s *Store) letIn(ctx context.Context, doing string) (leave func(), err error) {
	if s.isClosed() {
		return nil, store.ErrClosed
	}
	select {
	case s.people <- struct{}{}:
		return func() { <-s.people }, nil
	case <-s.closed:
		return nil, store.ErrClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
}

// browse is read for requests of people.
func browse[T any](ctx context.Context, s *Store, doing string, f func(tx pgx.Tx) (T, error)) (result T, err error) {
	leave, err := s.letIn(ctx, doing)
	if err != nil {
		return result, err
	}
	defer leave()
	err = s.read(ctx, doing, func(tx pgx.Tx) (err error) {
		result, err = f(tx)
		return err
	})
	return result, err
}

// collect returns of's result for each row of a query; nil: there is none.
func collect[T any](ctx context.Context, tx pgx.Tx, of pgx.RowToFunc[T], query string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.AppendRows([]T(nil), rows, of)
}

// browseRows is selectRows for requests of people.
func browseRows[T any](ctx context.Context, s *Store, doing string, of pgx.RowToFunc[T], query string, args ...any) ([]T, error) {
	leave, err := s.letIn(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	return selectRows(ctx, s, doing, of, query, args...)
}

// errEnough ends a walk.
var errEnough = errors.New("enough")

// walk calls each with the rows of a query, in their order, until it returns errEnough. The
// server makes only those that are looked at, and at most walkPortion more. Each query has a
// name of its own.
func walk(ctx context.Context, tx pgx.Tx, name, query string, each func(pgx.CollectableRow) error, args ...any) error {
	if _, err := tx.Exec(ctx, "DECLARE "+name+" NO SCROLL CURSOR FOR "+query, args...); err != nil {
		return err
	}
	for n := walkPortion; n == walkPortion; {
		rows, err := tx.Query(ctx, fmt.Sprintf("FETCH %d FROM %s", walkPortion, name))
		if err != nil {
			return err
		}
		for n = 0; rows.Next(); n++ {
			if err := each(rows); err != nil {
				rows.Close()
				if errors.Is(err, errEnough) {
					return nil
				}
				return err
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	return nil
}

// walkPortion is how many rows a walk fetches in one round trip.
const walkPortion = 64

// textRow returns the only column of a row, of text or optional.
func textRow(row pgx.CollectableRow) (string, error) {
	var s *string
	err := row.Scan(&s)
	return stringOf(s), err
}

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"chertd/engine/store"
)

// selectRows runs one query, without a transaction around it, and returns of's result for each
// row.
func selectRows[T any](ctx context.Context, s *Store, doing string, of pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	if s.isClosed() {
		return nil, store.ErrClosed
	}
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, s.failed(doing, err)
	}
	list, err := pgx.AppendRows([]T(nil), rows, of)
	return list, s.failed(doing, err)
}

// selectRow is selectRows of at most one row; the zero value if there is none.
func selectRow[T any](ctx context.Context, s *Store, doing string, of pgx.RowToFunc[T], sql string, args ...any) (v T, err error) {
	list, err := selectRows(ctx, s, doing, of, sql, args...)
	if len(list) > 0 {
		v = list[0]
	}
	return v, err
}

// change runs one statement, without a transaction around it, and returns how many rows it has
// changed. Once it has begun, the end of ctx does not interrupt it. It is for changes that may be
// made twice, as write.
func (s *Store) change(ctx context.Context, doing, sql string, args ...any) (int, error) {
	var tag pgconn.CommandTag
	var err error
	for range conflictTries {
		if s.isClosed() {
			return 0, store.ErrClosed
		}
		if tag, err = s.changeOnce(ctx, sql, args...); !prevented(err) {
			break
		}
	}
	return int(tag.RowsAffected()), s.failed(doing, err)
}

func (s *Store) changeOnce(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	defer c.Release()
	return c.Exec(context.WithoutCancel(ctx), sql, args...)
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	selectJournalEnd = `SELECT last_seq FROM journal_lock WHERE id = 1`
	selectPartitions = `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass`
)

// dropEmptyPartitions drops the partitions that are empty and below the newest: no event is given
// one of their sequences any more. A partition that others use is left for another time.
func (s *Store) dropEmptyPartitions(ctx context.Context) error {
	const doing = "drop empty partitions of the journal"
	var empty []int64
	err := s.read(ctx, doing, func(tx pgx.Tx) error {
		var last int64
		if err := tx.QueryRow(ctx, selectJournalEnd).Scan(&last); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, selectPartitions, partitioned[0])
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		empty = nil
		for _, name := range names {
			n, ok := partitionOf(name)
			if !ok || n >= last/partitionSeqs {
				continue
			}
			is, err := emptyPartition(ctx, tx, n)
			if err != nil {
				return err
			}
			if is {
				empty = append(empty, n)
			}
		}
		return nil
	})
	if err != nil && !inUse(err) {
		return err
	}
	slices.Sort(empty)
	for _, n := range empty {
		// What the partition had is removed from its file first, so that it is quick to see that
		// it is still empty: others wait meanwhile.
		if _, err := s.pool.Exec(ctx, "VACUUM (SKIP_LOCKED) "+strings.Join(partitionsOf(n), ", ")); err != nil && !inUse(err) {
			return s.failed(doing, err)
		}
		err := s.write(ctx, doing, func(tx pgx.Tx) error { return dropPartition(ctx, tx, n) })
		if err != nil && !inUse(err) {
			return err
		}
	}
	return nil
}

// partitionOf returns the number of a partition of events.
func partitionOf(name string) (int64, bool) {
	number, ok := strings.CutPrefix(name, partitioned[0]+"_p")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(number, 10, 64)
	return n, err == nil
}

// partitionsOf returns the partitions with a number, of all tables.
func partitionsOf(n int64) (names []string) {
	for _, table := range partitioned {
		names = append(names, partitionName(table, n*partitionSeqs))
	}
	return names
}

// emptyPartition reports whether no table has a row in its partition with a number.
func emptyPartition(ctx context.Context, tx pgx.Tx, n int64) (bool, error) {
	for _, name := range partitionsOf(n) {
		var rows bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+name+")").Scan(&rows); err != nil || rows {
			return false, err
		}
	}
	return true, nil
}

// dropPartition drops a partition if it is still empty. All that read or write the journal wait
// until it has, so that it does not wait long for those before it. It also gives up before
// PostgreSQL looks for a deadlock with one that has locked the tables in another order.
func dropPartition(ctx context.Context, tx pgx.Tx, n int64) error {
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '100ms'"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf("LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE", strings.Join(partitioned[:], ", ONLY "))); err != nil {
		return err
	}
	empty, err := emptyPartition(ctx, tx, n)
	if err != nil || !empty {
		return err
	}
	_, err = tx.Exec(ctx, "DROP TABLE "+strings.Join(partitionsOf(n), ", "))
	return err
}

// inUse reports whether others use a partition, or have dropped it: lock_not_available and
// undefined_table (SQLSTATE).
func inUse(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "55P03" || e.Code == "42P01")
}

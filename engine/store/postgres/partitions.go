package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// partitionSeqs is how many sequences a partition of events or decisions has.
	partitionSeqs = 1 << 20
	// partitionAhead is how many of them are left when the next partition is made.
	partitionAhead = 1 << 16
)

// partitioned are the tables that are partitioned by seq, all in the same way.
var partitioned = [...]string{"events", "decisions"}

// partitionName returns the name of the partition of a table that has a sequence.
func partitionName(table string, seq int64) string {
	return fmt.Sprintf("%s_p%d", table, seq/partitionSeqs)
}

// lacksPartition reports whether a row found no partition: check_violation without a constraint.
func lacksPartition(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "23514" && e.ConstraintName == ""
}

const selectPartition = `SELECT EXISTS (SELECT 1 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
	WHERE i.inhparent = $1::regclass AND c.relname = $2)`

// makePartitions makes the partitions that the journal needs for some sequences and a few more.
// The caller has locked the row journal_lock.
func (s *Store) makePartitions(ctx context.Context, tx pgx.Tx, first, through int64) error {
	j := &s.journal
	if j.made > through+partitionAhead {
		return nil
	}
	low := first / partitionSeqs * partitionSeqs
	for ; low <= through+partitionAhead; low += partitionSeqs {
		for _, table := range partitioned {
			if err := makePartition(ctx, tx, table, low); err != nil {
				return fmt.Errorf("make a partition of %s: %w", table, err)
			}
		}
	}
	j.making = low
	return nil
}

// makePartition makes the partition that begins with a sequence. A table that is made first and
// attached then lets others read and write the other partitions meanwhile.
func makePartition(ctx context.Context, tx pgx.Tx, table string, low int64) error {
	name := partitionName(table, low)
	var made bool
	if err := tx.QueryRow(ctx, selectPartition, table, name).Scan(&made); err != nil || made {
		return err
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL)", name, table)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)", table, name, low, low+partitionSeqs))
	return err
}

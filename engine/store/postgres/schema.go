package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed schema1.sql
var schema1 string

// createdByOther reports whether an error is that another process creates the same at the same
// time: a unique index of the catalog refuses it, or it is there already, or "tuple concurrently
// updated" (SQLSTATE, appendix A of PostgreSQL's documentation).
func createdByOther(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && slices.Contains([]string{"23505", "42P06", "42P07", "42710", "XX000"}, e.Code)
}

// migrations bring the tables from version i to i+1.
var migrations = []string{schema1}

// migrate brings the tables to the newest version, one process at a time.
func (s *Store) migrate(ctx context.Context, schema string) error {
	for try := 0; ; try++ {
		var exists bool
		// To create a schema that exists is an error for a user who may not create others.
		err := s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", schema).Scan(&exists)
		if err == nil && !exists {
			_, err = s.pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{schema}.Sanitize())
		}
		if err == nil {
			_, err = s.pool.Exec(ctx, "CREATE TABLE IF NOT EXISTS schema_version (id integer PRIMARY KEY CHECK (id = 1), version integer NOT NULL)")
		}
		if err == nil {
			_, err = s.pool.Exec(ctx, "INSERT INTO schema_version VALUES (1, 0) ON CONFLICT DO NOTHING")
		}
		if err == nil {
			break
		}
		if try >= conflictTries || !createdByOther(err) {
			return fmt.Errorf("create its schema %q: %w", schema, err)
		}
	}
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var version int
		if err := tx.QueryRow(ctx, "SELECT version FROM schema_version FOR UPDATE").Scan(&version); err != nil {
			return err
		}
		if version > len(migrations) {
			return fmt.Errorf("its schema is version %d, this chertd knows up to %d", version, len(migrations))
		}
		for ; version < len(migrations); version++ {
			if _, err := tx.Exec(ctx, migrations[version]); err != nil {
				return fmt.Errorf("bring its schema from version %d to %d: %w", version, version+1, err)
			}
		}
		if _, err := tx.Exec(ctx, "UPDATE schema_version SET version = $1", version); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE daemon SET rules_since = $1 WHERE rules_since IS NULL", s.now())
		return err
	})
}

package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/wait"
)

const (
	selectStatePacks = `SELECT pack FROM states WHERE chat_id = $1 ORDER BY pack`
	// Pack by pack, as packs are few and their entries are many.
	selectKVPacks = `WITH RECURSIVE packs AS ((SELECT pack FROM kv ORDER BY pack LIMIT 1)
		UNION ALL SELECT (SELECT k.pack FROM kv k WHERE k.pack > p.pack ORDER BY k.pack LIMIT 1) FROM packs p WHERE p.pack IS NOT NULL)
		SELECT pack FROM packs WHERE pack IS NOT NULL ORDER BY pack`

	// Commit locks the same row before it validates what handlers have read of a pack.
	lockKV        = `SELECT 1 FROM kv_usage WHERE pack = $1 FOR UPDATE`
	dropDeletedKV = `DELETE FROM kv WHERE pack = $1 AND key IN (SELECT key FROM kv WHERE pack = $1 AND value IS NULL LIMIT $2)`

	selectNextXID = `SELECT pg_current_xact_id()::text`
	// Others that may still read rows that were removed before a transaction. Vacuums read none.
	selectOldSnapshots = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'
		AND query NOT LIKE 'VACUUM%' AND backend_xmin IS NOT NULL AND age(backend_xmin) > age($1::text::xid8::xid)`
)

// EraseTexts implements store.Erasure.
func (s *Store) EraseTexts(ctx context.Context, seqs []int64) (int, error) {
	if len(seqs) == 0 {
		return 0, nil
	}
	return s.clearTexts(ctx, "erase texts of events", seqs, true)
}

// StatePacks implements store.Erasure.
func (s *Store) StatePacks(ctx context.Context, chat string) ([]string, error) {
	return selectRows(ctx, s, "read which packs remember a chat", textRow, selectStatePacks, text(chat))
}

// KVPacks implements store.Erasure.
func (s *Store) KVPacks(ctx context.Context) ([]string, error) {
	return selectRows(ctx, s, "read which packs have kv", textRow, selectKVPacks)
}

const (
	// eraseStep is how many rows of kv are removed at a time.
	eraseStep = 256
	// snapshotsEvery is how often Scrub looks whether others still read what was removed.
	snapshotsEvery = 50 * time.Millisecond
)

// erased are the tables from which Erasure, Retention and commands remove what names people.
var erased = []string{
	"events", "decisions", "pending", "attempts", "open_actions", "chats", "timers", "states", "kv", "missed", "seen", "early_events",
	"quarantine", "left_quarantine", "list_members", "list_changes", "selection_holds",
}

// Scrub implements store.Erasure. It vacuums the tables from which texts were removed, with their
// indexes, once nobody can read the removed rows any more: no query returns them then.
//
// PostgreSQL overwrites nothing. Bytes of a removed row stay in the free part of its page
// until other rows use it, in pages that VACUUM returns to the file system, in the WAL until its
// segments are used again or removed, in its archive, on standbys, and in dumps. None of these
// can be read by SQL. VACUUM FULL would leave less, but stops all that use a table meanwhile.
//
// Rows that deleted entries of kv leave for their versions go first, as their keys may name people.
func (s *Store) Scrub(ctx context.Context) error {
	const doing = "vacuum tables"
	if err := s.dropDeleted(ctx); err != nil {
		return err
	}
	if err := s.awaitSnapshots(ctx); err != nil {
		return s.failed("wait for those that still read what was removed", err)
	}
	// Without INDEX_CLEANUP, VACUUM may leave the keys of a few rows in the indexes.
	_, err := s.pool.Exec(ctx, "VACUUM (INDEX_CLEANUP ON) "+strings.Join(erased, ", "))
	return s.failed(doing, err)
}

// awaitSnapshots waits until no transaction can read what was removed before the call.
func (s *Store) awaitSnapshots(ctx context.Context) error {
	var next string
	if err := s.pool.QueryRow(ctx, selectNextXID).Scan(&next); err != nil {
		return err
	}
	for {
		var old int
		if err := s.pool.QueryRow(ctx, selectOldSnapshots, next).Scan(&old); err != nil || old == 0 {
			return err
		}
		if !wait.For(ctx, snapshotsEvery) {
			return fmt.Errorf("%d transactions are older: %w", old, ctx.Err())
		}
	}
}

// dropDeleted removes the rows that deleted entries of kv have left. A handler that runs meanwhile
// and has read such a row runs again, as the version is another one then: 0.
func (s *Store) dropDeleted(ctx context.Context) error {
	const doing = "remove what deleted entries of kv have left"
	packs, err := s.KVPacks(ctx)
	if err != nil {
		return err
	}
	for _, pack := range packs {
		for more := true; more; {
			err := s.write(ctx, doing, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, lockKV, text(pack)); err != nil {
					return err
				}
				done, err := tx.Exec(ctx, dropDeletedKV, text(pack), eraseStep)
				more = done.RowsAffected() == eraseStep
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

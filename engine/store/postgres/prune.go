package postgres

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
)

// A step of retention finds the rows to remove in a snapshot, and removes them by their keys in
// a transaction of its own. That looks again at what another process may have changed in between.

const (
	// openStatus matches JSON of actions if something can still change one of them. Quotes within
	// its strings are escaped: what looks like a field is one.
	openStatus = `'"status":"(?!(done|dropped|shadow)")'`

	// OFFSET 0 has the planner look up one row for each of a step's, instead of reading a whole table.
	isMissed = `EXISTS (SELECT 1 FROM missed m WHERE m.seq = e.seq OFFSET 0)`

	// The second column is when the event was received, the third whether it stays.
	selectOldEvents = `SELECT e.seq, e.received_at, d.seq IS NULL OR coalesce(d.actions ~ ` + openStatus + `, false)
		OR EXISTS (SELECT 1 FROM timers t WHERE t.event_seq = e.seq AND t.chat_id = e.chat_id OFFSET 0) OR ` + isMissed + `
		FROM events e LEFT JOIN decisions d ON d.seq = e.seq AND d.seq > $1 WHERE e.seq > $1 ORDER BY e.seq LIMIT $2`

	// The second column is whether the id may go: it is old, and its event is not in the
	// journal any more.
	selectOldIDs = `SELECT s.id, s.seq <= $2 AND NOT EXISTS (SELECT 1 FROM events e WHERE e.seq = s.seq OFFSET 0)
		FROM seen s WHERE s.id > $1 ORDER BY s.id LIMIT $3`
	deleteSeen = `DELETE FROM seen s WHERE id = ANY ($1) AND s.seq <= $2 AND NOT EXISTS (SELECT 1 FROM events e WHERE e.seq = s.seq OFFSET 0)`

	deleteLeft = `DELETE FROM left_quarantine WHERE identity IN (SELECT identity FROM left_quarantine WHERE received_at < $1 LIMIT $2)`

	selectDay = `SELECT day, last_seq FROM days WHERE day < $1 ORDER BY day DESC LIMIT 1`
	insertDay = `INSERT INTO days (day, last_seq) SELECT $1, last_seq FROM journal_lock
		WHERE id = 1 AND NOT EXISTS (SELECT 1 FROM days WHERE day >= $1) ON CONFLICT DO NOTHING`
	deleteDays = `DELETE FROM days WHERE day < $1`
)

// It returns how many events it has removed. They are counted in a row of their own, as a Commit
// would otherwise wait for this transaction.
var removeEvents = `WITH d AS (DELETE FROM decisions WHERE seq = ANY ($1) AND NOT coalesce(actions ~ ` + openStatus + `, false) RETURNING seq, actions),
	e AS (DELETE FROM events WHERE seq = ANY ($1) AND seq IN (SELECT seq FROM d) RETURNING seq),
	a AS (DELETE FROM attempts WHERE event_seq = ANY ($1) AND event_seq IN (SELECT seq FROM d)),
	gone AS (SELECT (SELECT count(*) FROM e) AS events, ` + actionsWith("done") + `, ` + actionsWith("dropped") + `, ` + actionsWith("shadow") + ` FROM d),
	counted AS (INSERT INTO counts AS c (owner, removed, actions_done, actions_dropped, actions_shadow)
		SELECT 'retention', events, -done, -dropped, -shadow FROM gone WHERE events > 0
		ON CONFLICT (owner) DO UPDATE SET removed = c.removed + excluded.removed, actions_done = c.actions_done + excluded.actions_done,
		actions_dropped = c.actions_dropped + excluded.actions_dropped, actions_shadow = c.actions_shadow + excluded.actions_shadow)
	SELECT events FROM gone`

// actionsWith returns a column of removeEvents: how many of the actions have a status.
func actionsWith(status string) string {
	field := `"status":"` + status + `"`
	return fmt.Sprintf(`coalesce(sum((length(actions) - length(replace(actions, '%s', ''))) / %d), 0)::bigint AS %s`, field, len(field), status)
}

// PruneEvents implements store.Retention. The first step of a pass also drops partitions that
// the pass before has emptied.
func (s *Store) PruneEvents(ctx context.Context, before time.Time, after store.Cursor, limit int) (p store.Pruned, err error) {
	const doing = "remove old events"
	if after == "" {
		if err := s.dropEmptyPartitions(ctx); err != nil {
			return p, err
		}
	}
	return s.pruneBySeq(ctx, doing, selectOldEvents, before, after, limit, func(seqs []int64) (removed int, err error) {
		err = s.write(ctx, doing, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, removeEvents, seqs).Scan(&removed)
		})
		return removed, err
	})
}

// pruneBySeq is a step through events. remove removes those of a list, and returns how many it
// has removed.
func (s *Store) pruneBySeq(ctx context.Context, doing, find string, before time.Time, after store.Cursor, limit int,
	remove func(seqs []int64) (int, error)) (p store.Pruned, err error) {
	first, err := seqOf(after)
	if err != nil {
		return p, fmt.Errorf("%s: %w", doing, err)
	}
	last := first // of those that are old
	var seqs []int64
	err = s.read(ctx, doing, func(tx pgx.Tx) error {
		last, seqs = first, nil
		rows, _ := tx.Query(ctx, find, first, max(limit, 1))
		var seq int64
		var received *time.Time
		var stays bool
		_, err := pgx.ForEachRow(rows, []any{&seq, &received, &stays}, func() error {
			if !timeOf(received).Before(before) {
				return nil // with a clock that was set back, older ones may follow
			}
			last = seq
			if !stays {
				seqs = append(seqs, seq)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return p, err
	}
	if len(seqs) > 0 {
		if p.Removed, err = remove(seqs); err != nil {
			return store.Pruned{}, err
		}
	}
	p.Next, p.More = store.Cursor(strconv.FormatInt(last, 10)), last > first
	return p, nil
}

// seqOf returns the sequence in a cursor.
func seqOf(after store.Cursor) (int64, error) {
	if after == "" {
		return 0, nil
	}
	seq, err := strconv.ParseInt(string(after), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cursor %q is not a sequence", after)
	}
	return seq, nil
}

// PruneSeen implements store.Retention. Its cursor is an id as text encodes it.
func (s *Store) PruneSeen(ctx context.Context, before time.Time, after store.Cursor, limit int) (p store.Pruned, err error) {
	const doing = "remove old ids"
	limit = max(limit, 1)
	if after == "" {
		if err := s.pruneLeft(ctx, doing, before, limit); err != nil {
			return p, err
		}
	}
	var day, seq int64
	var ids []string
	err = s.read(ctx, doing, func(tx pgx.Tx) error {
		p, ids, seq = store.Pruned{Next: after}, nil, 0
		rows, _ := tx.Query(ctx, selectDay, dayOf(before))
		_, err := pgx.ForEachRow(rows, []any{&day, &seq}, func() error { return nil })
		if err != nil || seq == 0 {
			return err
		}
		rows, _ = tx.Query(ctx, selectOldIDs, string(after), seq, limit)
		var id string
		var old bool
		n := 0
		_, err = pgx.ForEachRow(rows, []any{&id, &old}, func() error {
			n++
			p.Next = store.Cursor(id)
			if old {
				ids = append(ids, id)
			}
			return nil
		})
		p.More = n == limit
		return err
	})
	if err != nil || len(ids) == 0 {
		return p, err
	}
	err = s.write(ctx, doing, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, deleteSeen, ids, seq)
		if err != nil {
			return err
		}
		p.Removed = int(done.RowsAffected())
		_, err = tx.Exec(ctx, deleteDays, day)
		return err
	})
	if err != nil {
		return store.Pruned{}, err
	}
	return p, nil
}

// pruneLeft removes what identifies at most limit deliveries that have left the quarantine
// and came before a time.
func (s *Store) pruneLeft(ctx context.Context, doing string, before time.Time, limit int) error {
	_, err := s.change(ctx, doing, deleteLeft, before, limit)
	return err
}

// MarkDay implements store.Retention.
func (s *Store) MarkDay(ctx context.Context, now time.Time) error {
	_, err := s.change(ctx, "note the day", insertDay, dayOf(now))
	return err
}

// dayOf returns the day of a time, as days since 1970 UTC.
func dayOf(t time.Time) int64 { return t.Unix() / int64(24*time.Hour/time.Second) }

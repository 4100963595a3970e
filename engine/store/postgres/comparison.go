package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules/turn"
)

const (
	selectCompared    = `SELECT result, since_at, events FROM pack_comparisons WHERE pack = $1 AND version = $2 AND against = $3`
	selectDifferences = `SELECT event_seq, result FROM pack_differences WHERE pack = $1 AND version = $2 AND against = $3 ORDER BY event_seq DESC LIMIT $4`
	pruneCompared     = `DELETE FROM pack_comparisons c WHERE pack = $1
		AND NOT EXISTS (SELECT 1 FROM pack_versions v WHERE v.pack = c.pack AND v.version = c.version)`
)

// Comparison implements store.Packs.
func (s *Store) Comparison(ctx context.Context, pack, version, against string, limit int) (c store.Comparison, err error) {
	pair := []any{text(pack), text(version), text(against)}
	err = s.read(ctx, "read the comparison of pack "+pack, func(tx pgx.Tx) error {
		c = store.Comparison{}
		rows, _ := tx.Query(ctx, selectCompared, pair...)
		var result string
		var since *time.Time
		var events int64
		_, err := pgx.ForEachRow(rows, []any{&result, &since, &events}, func() error {
			if at := timeOf(since); c.Since.IsZero() || at.Before(c.Since) {
				c.Since = at
			}
			if c.Results == nil {
				c.Results = map[turn.Difference]int64{}
			}
			c.Results[turn.Difference(untext(result))] = events
			return nil
		})
		if err != nil {
			return err
		}
		rows, _ = tx.Query(ctx, selectDifferences, append(pair, max(limit, 0))...)
		c.Newest, err = pgx.AppendRows(c.Newest, rows, func(row pgx.CollectableRow) (d store.Differing, err error) {
			err = row.Scan(&d.Seq, &result)
			d.Result = turn.Difference(untext(result))
			return d, err
		})
		return err
	})
	return c, err
}

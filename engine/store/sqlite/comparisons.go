package sqlite

import (
	"context"
	"database/sql/driver"
	"time"

	"chertd/engine/store"
	"chertd/rules/turn"
)

var (
	countCompared = declare(`INSERT INTO pack_comparisons (pack, version, against, result, since_at, events) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET events = events + excluded.events`)
	selectCompared = declare(`SELECT result, since_at, events FROM pack_comparisons WHERE pack = ? AND version = ? AND against = ?`)
	pruneCompared  = declareCostly("looks at the comparisons of one pack, when its state changes", `DELETE FROM pack_comparisons WHERE pack = ?1
		AND version NOT IN (SELECT version FROM pack_versions WHERE pack = ?1)`)

	insertDifference  = declare(`INSERT INTO pack_differences (pack, event_seq, version, against, result) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	selectDifferences = declare(`SELECT event_seq, result FROM pack_differences
		WHERE pack = ? AND version = ? AND against = ? ORDER BY event_seq DESC LIMIT ?`)
	pruneDifferences = declare(`DELETE FROM pack_differences WHERE pack = ?1
		AND event_seq <= (SELECT event_seq FROM pack_differences WHERE pack = ?1 ORDER BY event_seq DESC LIMIT 1 OFFSET ?2)`)
)

// comparing counts the comparisons of a transaction.
type comparing struct {
	counts map[turn.Compared]int64
	first  map[turn.Compared]time.Time
	differ []differing
}

type differing struct {
	turn.Compared
	seq int64
}

// note notes the comparisons of a decision.
func (c *comparing) note(d *decisionRow) {
	for _, x := range d.compared {
		if c.counts == nil {
			c.counts, c.first = map[turn.Compared]int64{}, map[turn.Compared]time.Time{}
		}
		if c.counts[x]++; c.counts[x] == 1 {
			c.first[x] = d.origin.At
		}
		if x.Result != turn.Agrees {
			c.differ = append(c.differ, differing{x, d.seq})
		}
	}
}

// countComparisons writes what the current transaction has compared.
func (w *writer) countComparisons() error {
	for x, n := range w.compared.counts {
		if _, err := w.conn.exec(countCompared, x.Pack, x.Version, x.Against, string(x.Result), micros(w.compared.first[x]), n); err != nil {
			return err
		}
	}
	packs := map[string]bool{}
	for _, d := range w.compared.differ {
		packs[d.Pack] = true
		if _, err := w.conn.exec(insertDifference, d.Pack, d.seq, d.Version, d.Against, string(d.Result)); err != nil {
			return err
		}
	}
	for pack := range packs {
		if _, err := w.conn.exec(pruneDifferences, pack, int64(store.KeptDifferences)); err != nil {
			return err
		}
	}
	return nil
}

// Comparison implements store.Packs.
func (s *Store) Comparison(ctx context.Context, pack, version, against string, limit int) (c store.Comparison, err error) {
	err = s.snapshot(ctx, "read the comparison of pack "+pack, func(conn *conn) error {
		err := conn.query(ctx, selectCompared, func(row []driver.Value) error {
			if at := timeOf(row[1]); c.Since.IsZero() || at.Before(c.Since) {
				c.Since = at
			}
			if c.Results == nil {
				c.Results = map[turn.Difference]int64{}
			}
			c.Results[turn.Difference(stringOf(row[0]))] = intOf(row[2])
			return nil
		}, pack, version, against)
		if err != nil {
			return err
		}
		c.Newest, err = list(ctx, conn, selectDifferences, func(row []driver.Value) (store.Differing, error) {
			return store.Differing{Seq: intOf(row[0]), Result: turn.Difference(stringOf(row[1]))}, nil
		}, pack, version, against, int64(max(limit, 0)))
		return err
	})
	return c, err
}

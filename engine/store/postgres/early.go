package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules/turn"
)

const (
	// insertEarly keeps arrivals whose ids are new, in their order. No id is among its
	// arguments twice. It returns the sequence of each id that is known; 0: it is early.
	insertEarly = `WITH given AS (
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bytea[]) WITH ORDINALITY AS g (id, type, source, received_at, raw, n)
	), known AS MATERIALIZED (
		SELECT id, seq FROM seen WHERE id = ANY($1::text[]) UNION ALL
		SELECT e.id, 0 FROM early_events e WHERE e.id = ANY($1::text[]) AND NOT EXISTS (SELECT 1 FROM seen s WHERE s.id = e.id)
	), fresh AS MATERIALIZED (
		SELECT g.*, (SELECT last_early FROM journal_lock WHERE id = 1) + row_number() OVER (ORDER BY g.n) AS place
		FROM given g WHERE NOT EXISTS (SELECT 1 FROM known k WHERE k.id = g.id)
	), add AS (
		INSERT INTO early_events (n, id, type, source, received_at, raw) SELECT place, id, type, source, received_at, raw FROM fresh
	), count AS (
		UPDATE journal_lock SET last_early = last_early + (SELECT count(*) FROM fresh) WHERE id = 1
	)
	SELECT id, seq FROM known`
	selectEarly = `SELECT n, id, type, source, received_at, raw FROM (
		SELECT *, sum(octet_length(raw)) OVER (ORDER BY n) - octet_length(raw) AS before
		FROM (SELECT * FROM early_events WHERE n > $1 ORDER BY n LIMIT $2) e) e WHERE before < $3 ORDER BY n`
)

// LogCursor implements store.CatchUp.
func (s *Store) LogCursor(ctx context.Context, log string) (time.Time, error) {
	at, err := selectRow(ctx, s, "read how far the events log is read", pgx.RowTo[*time.Time], `SELECT read_at FROM log_cursors WHERE log = $1`, text(log))
	return timeOf(at), err
}

// SetLogCursor implements store.CatchUp.
func (s *Store) SetLogCursor(ctx context.Context, log string, read time.Time) error {
	_, err := s.change(ctx, "store how far the events log is read", `INSERT INTO log_cursors (log, read_at) VALUES ($1, $2)
		ON CONFLICT (log) DO UPDATE SET read_at = excluded.read_at`, text(log), instant(read))
	return err
}

// AppendEarly implements store.CatchUp. It locks the journal: an id that is there already, or among
// the early ones, is a duplicate, and n has no gaps.
func (s *Store) AppendEarly(ctx context.Context, arrivals []turn.Arrival) (receipts []store.Receipt, err error) {
	ids := make([]string, len(arrivals))
	given, types, sources, received, raws := []string{}, []string{}, []string{}, []*time.Time{}, [][]byte{}
	first := map[string]int{}
	for i := range arrivals {
		e := &arrivals[i].Event
		ids[i] = text(e.ID)
		if _, ok := first[ids[i]]; ok {
			continue
		}
		first[ids[i]] = i
		raw := []byte(e.Raw)
		if raw == nil {
			raw = []byte{}
		}
		given, types, sources = append(given, ids[i]), append(types, text(e.Type)), append(sources, text(e.Source))
		received, raws = append(received, instant(arrivals[i].Received)), append(raws, raw)
	}
	err = s.write(ctx, "keep early events", func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(lockJournal)
		known := map[string]int64{}
		batch.Queue(insertEarly, given, types, sources, received, raws).Query(func(rows pgx.Rows) error {
			var id string
			var seq int64
			_, err := pgx.ForEachRow(rows, []any{&id, &seq}, func() error {
				known[id] = seq
				return nil
			})
			return err
		})
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		receipts = make([]store.Receipt, len(arrivals))
		for i, id := range ids {
			seq, ok := known[id]
			receipts[i] = store.Receipt{Seq: seq, Duplicate: ok || first[id] != i}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return receipts, nil
}

// Early implements store.CatchUp.
func (s *Store) Early(ctx context.Context, after int64, limit int) ([]store.Early, error) {
	return selectRows(ctx, s, "read early events", func(row pgx.CollectableRow) (store.Early, error) {
		var e store.Early
		var received *time.Time
		err := row.Scan(&e.N, &e.ID, &e.Type, &e.Source, &received, &e.Body)
		e.ID, e.Type, e.Source, e.Received = untext(e.ID), untext(e.Type), untext(e.Source), timeOf(received)
		return e, err
	}, selectEarly, after, max(limit, 0), store.PendingBytes)
}

// DropEarly implements store.CatchUp.
func (s *Store) DropEarly(ctx context.Context, through int64) error {
	_, err := s.change(ctx, "remove early events", `DELETE FROM early_events WHERE n <= $1`, through)
	return err
}

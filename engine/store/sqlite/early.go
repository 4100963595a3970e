package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"chertd/engine/store"
	"chertd/rules/turn"
)

var (
	selectLogCursor = declare(`SELECT read_at FROM log_cursors WHERE log = ?`)
	upsertLogCursor = declare(`INSERT INTO log_cursors (log, read_at) VALUES (?, ?) ON CONFLICT DO UPDATE SET read_at = excluded.read_at`)

	insertEarly = declare(`INSERT INTO early_events (id, type, source, received_at, raw) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	selectEarly = declare(`SELECT n, id, type, source, received_at, raw FROM early_events WHERE n > ? ORDER BY n LIMIT ?`)
	countEarly  = declare(`SELECT (SELECT max(n) FROM early_events) - (SELECT min(n) FROM early_events) + 1`) // the oldest are deleted first
	deleteEarly = declare(`DELETE FROM early_events WHERE n <= ?`)
)

// LogCursor implements store.CatchUp.
func (s *Store) LogCursor(ctx context.Context, log string) (time.Time, error) {
	v, err := s.readOne(ctx, "read how far the events log is read", selectLogCursor, log)
	return timeOf(v), err
}

// SetLogCursor implements store.CatchUp.
func (s *Store) SetLogCursor(ctx context.Context, log string, read time.Time) error {
	return s.write(ctx, "store how far the events log is read", upsertLogCursor, log, micros(read))
}

// AppendEarly implements store.CatchUp.
func (s *Store) AppendEarly(ctx context.Context, arrivals []turn.Arrival) ([]store.Receipt, error) {
	list := make([]earlyRow, len(arrivals))
	for i := range arrivals {
		e := &arrivals[i].Event
		raw := []byte(e.Raw)
		if raw == nil {
			raw = []byte{}
		}
		list[i] = earlyRow{e.ID, []driver.Value{e.ID, e.Type, e.Source, micros(arrivals[i].Received), raw}}
	}
	r := newRequest("keep early events", step{early: list})
	if err := s.submit(ctx, r, false); err != nil {
		return nil, err
	}
	return r.receipts, nil
}

// earlyRow is a row of early_events, encoded.
type earlyRow struct {
	id  string
	row []driver.Value // of insertEarly
}

// keepEarly keeps an early arrival, if its id is new.
func (w *writer) keepEarly(e *earlyRow) (store.Receipt, error) {
	if seq, err := w.seen(e.id); seq != 0 || err != nil {
		return store.Receipt{Seq: seq, Duplicate: true}, err
	}
	n, err := w.conn.exec(insertEarly, e.row...)
	return store.Receipt{Duplicate: n == 0}, err
}

// Early implements store.CatchUp.
func (s *Store) Early(ctx context.Context, after int64, limit int) (all []store.Early, err error) {
	size := 0
	err = s.read(ctx, "read early events", func(c *conn) error {
		all = nil
		err := c.query(ctx, selectEarly, func(row []driver.Value) error {
			all = append(all, store.Early{
				N: intOf(row[0]), ID: stringOf(row[1]), Type: stringOf(row[2]), Source: stringOf(row[3]), Received: timeOf(row[4]), Body: bytesOf(row[5]),
			})
			if size += len(all[len(all)-1].Body); size >= store.PendingBytes {
				return errEnough
			}
			return nil
		}, after, int64(max(limit, 0)))
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	})
	return all, err
}

// DropEarly implements store.CatchUp.
func (s *Store) DropEarly(ctx context.Context, through int64) error {
	return s.write(ctx, "remove early events", deleteEarly, through)
}

package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"

	"chertd/engine/store"
	"chertd/rules/turn"
)

var (
	insertSeen = declare(`INSERT INTO seen (id, seq) VALUES (?, ?) ON CONFLICT DO NOTHING`)
	selectSeen = declare(`SELECT seq FROM seen WHERE id = ?`)

	insertEvent = declare(`INSERT INTO events (seq, id, type, source, at, received_at, chat_id, line, message_id,
		direction, slot, cause, pack, depth, payload, action, forward, decoded, raw)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	insertPending = declare(`INSERT INTO pending (seq, slot) VALUES (?, ?)`)
	deletePending = declare(`DELETE FROM pending WHERE seq = ?`)

	selectPending = declare(`SELECT ` + entryColumns + ` FROM pending p JOIN events e ON e.seq = p.seq
		WHERE p.seq > ? AND p.slot % ? = ? ORDER BY p.seq LIMIT ?`)

	// Of the chat's own events those that the caller has not seen handled, which
	// are few: all that are pending may be very many.
	selectChatUnhandled = declare(`SELECT 1 FROM events e
		WHERE e.chat_id = ?1 AND e.seq > ?2 AND e.seq >= (SELECT min(seq) FROM pending)
		AND EXISTS (SELECT 1 FROM pending p WHERE p.seq = e.seq) LIMIT 1`)
	selectEventUnhandled = declare(`SELECT 1 FROM seen s JOIN pending p ON p.seq = s.seq JOIN events e ON e.seq = s.seq
		WHERE s.id = ?1 AND s.seq > ?2 AND e.chat_id IS NULL`)
)

// Append implements store.Store.
//
// If ctx ends during the write, Append returns ctx's error, and it is unknown whether
// the arrivals are kept; appending them again is safe.
func (s *Store) Append(ctx context.Context, arrivals []turn.Arrival) ([]store.Receipt, error) {
	list, err := prepareArrivals(arrivals)
	if err != nil {
		return nil, err
	}
	r := newRequest("append to the journal", step{arrivals: list})
	if err := s.submit(ctx, r, false); err != nil {
		return nil, err
	}
	return r.receipts, nil
}

// Pending implements store.Store.
func (s *Store) Pending(ctx context.Context, shard store.Shard, after int64, limit int) (all []turn.Entry, err error) {
	size := 0
	enough := errors.New("enough")
	err = s.read(ctx, "read pending events", func(c *conn) error {
		err := c.query(context.Background(), selectPending, func(row []driver.Value) error {
			e, err := entryOf(row)
			all = append(all, e)
			if size += len(e.Event.Raw); err == nil && size >= store.PendingBytes {
				return enough
			}
			return err
		}, after, int64(max(shard.Of, 1)), int64(shard.Index), int64(max(limit, 0)))
		if errors.Is(err, enough) {
			return nil
		}
		return err
	})
	return all, err
}

// Unhandled implements store.Store.
func (s *Store) Unhandled(ctx context.Context, key string, after int64) (found bool, err error) {
	err = s.read(ctx, "look for unhandled events", func(c *conn) error {
		for _, what := range [...]*statement{selectChatUnhandled, selectEventUnhandled} {
			v, err := c.one(context.Background(), what, key, after)
			if v != nil || err != nil {
				found = v != nil
				return err
			}
		}
		return nil
	})
	return found, err
}

// journal adds an arrival, if its id is new.
func (w *writer) journal(a *arrival) (store.Receipt, error) {
	seq := w.next
	n, err := w.conn.exec(insertSeen, a.Event.ID, seq)
	if err != nil {
		return store.Receipt{}, err
	}
	if n == 0 {
		known, err := w.conn.one(context.Background(), selectSeen, a.Event.ID)
		return store.Receipt{Seq: intOf(known), Duplicate: true}, err
	}
	a.row[0] = seq
	if _, err := w.conn.exec(insertEvent, a.row...); err != nil {
		return store.Receipt{}, err
	}
	if _, err := w.conn.exec(insertPending, seq, a.slot); err != nil {
		return store.Receipt{}, err
	}
	w.next++
	w.rows[countEvents]++
	w.rows[countPending]++
	w.entries = append(w.entries, turn.Entry{Seq: seq, Arrival: a.Arrival})
	return store.Receipt{Seq: seq}, nil
}

package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"

	"chertd/engine/store"
	"chertd/rules/turn"
)

var (
	insertSeen = declare(`INSERT INTO seen (id, seq) VALUES (?, ?) ON CONFLICT DO NOTHING`)
	selectSeen = declare(`SELECT seq FROM seen WHERE id = ?`)

	insertEvent = declare(`INSERT INTO events (seq, id, type, source, at, received_at, chat_id, line, message_id,
		direction, slot, cause, pack, depth, payload, action, forward, decoded, raw)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	insertPending = declare(`INSERT INTO pending (seq, slot) VALUES (?, ?) ON CONFLICT DO NOTHING`)
	deletePending = declare(`DELETE FROM pending WHERE seq = ?`)

	// The table pending has the events up to late_seq that are not handled. Newer ones
	// are few, and have no decision yet.
	selectPending = declare(`SELECT ` + entryColumns + ` FROM pending p JOIN events e ON e.seq = p.seq
		WHERE p.seq > ?1 AND p.seq <= (SELECT late_seq FROM daemon WHERE id = 1) AND p.slot % ?2 = ?3 ORDER BY p.seq LIMIT ?4`)
	selectNewPending = declare(`SELECT ` + entryColumns + ` FROM events e
		WHERE e.seq > max(?1, (SELECT late_seq FROM daemon WHERE id = 1)) AND e.slot % ?2 = ?3
		AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.seq = e.seq) ORDER BY e.seq LIMIT ?4`)
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
	err = s.snapshot(ctx, "read pending events", func(c *conn) error {
		for _, what := range [...]*statement{selectPending, selectNewPending} {
			if len(all) >= limit {
				return nil
			}
			err := c.query(context.Background(), what, func(row []driver.Value) error {
				e, err := entryOf(row)
				all = append(all, e)
				if size += len(e.Event.Raw); err == nil && size >= store.PendingBytes {
					return errEnough
				}
				return err
			}, after, int64(max(shard.Of, 1)), int64(shard.Index), int64(limit-len(all)))
			if errors.Is(err, errEnough) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// Unhandled implements store.Store. It does not use the disk.
func (s *Store) Unhandled(ctx context.Context, chatID string) (newest int64, err error) {
	return s.writer.waiting.newest(chatID), s.usable(ctx, "look for unhandled events")
}

// journal adds an arrival, if its id is new.
func (w *writer) journal(a *arrival) (store.Receipt, error) {
	if seq, err := w.seen(a.Event.ID); seq != 0 || err != nil {
		return store.Receipt{Seq: seq, Duplicate: true}, err
	}
	seq := w.next
	a.row[0] = seq
	if _, err := w.conn.exec(insertEvent, a.row...); err != nil {
		return store.Receipt{}, err
	}
	w.next++
	w.tx.rows[countEvents]++
	w.tx.rows[countPending]++
	w.tx.entries = append(w.tx.entries, turn.Entry{Seq: seq, Arrival: a.Arrival})
	id := strings.Clone(a.Event.ID) // it may be a part of the body, which is larger
	w.tx.events = append(w.tx.events, lateEvent{id: id, chat: strings.Clone(a.Event.ChatID()), slot: a.slot, received: a.Received})
	if w.tx.ids == nil {
		w.tx.ids = map[string]int64{}
	}
	w.tx.ids[id] = seq
	return store.Receipt{Seq: seq}, nil
}

// seen returns the sequence of the event with an id; 0: it is new.
func (w *writer) seen(id string) (int64, error) {
	if seq := w.tx.ids[id]; seq != 0 {
		return seq, nil
	}
	if seq := w.behind.ids[id]; seq != 0 {
		return seq, nil
	}
	if !w.known.events.Has(id) {
		return 0, nil
	}
	v, err := w.conn.one(context.Background(), selectSeen, id)
	return intOf(v), err
}

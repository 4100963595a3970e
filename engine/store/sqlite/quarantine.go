package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"

	"chertd/engine/store"
)

var (
	insertQuarantine = declare(`INSERT INTO quarantine (received_at, source, reason, header, body, body_sha256)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	selectQuarantine      = declareCostly("the newest first, until there are enough", `SELECT id, received_at, source, reason, header, body FROM quarantine ORDER BY id DESC LIMIT ?`)
	selectQuarantineAfter = declare(`SELECT id, received_at, source, reason, header, body FROM quarantine WHERE id > ? ORDER BY id LIMIT ?`)
	uncountQuarantine     = declareCostly(fewRows, `UPDATE counts SET quarantine = quarantine - (SELECT count(*) FROM quarantine WHERE id`+inStep+`) WHERE id = 1`)
	deleteQuarantine      = declareCostly(fewRows, `DELETE FROM quarantine WHERE id`+inStep)
)

// Quarantine implements store.Store. If ctx ends during the write, Quarantine returns
// ctx's error, and the delivery may be kept nevertheless.
func (s *Store) Quarantine(ctx context.Context, q store.Quarantined) error {
	header, err := encoded(q.Header, len(q.Header) == 0)
	if err != nil {
		return fmt.Errorf("quarantine a delivery: %w", err)
	}
	body := q.Body
	if body == nil {
		body = []byte{}
	}
	sum := sha256.Sum256(body)
	var st step
	st.add(insertQuarantine, micros(q.Received), q.Source, q.Reason, header, body, sum[:])
	st.changes[0].counts = countQuarantine
	r := newRequest("quarantine a delivery", st)
	if err := s.submit(ctx, r, false); err != nil {
		return err
	}
	if r.receipts[0].Duplicate {
		return store.ErrInQuarantine
	}
	return nil
}

// Quarantined implements store.Reader.
func (s *Store) Quarantined(ctx context.Context, limit int) ([]store.Quarantined, error) {
	return browse(ctx, s, "read the quarantine", func(c *conn) ([]store.Quarantined, error) {
		return list(ctx, c, selectQuarantine, quarantinedOf, int64(max(limit, 0)))
	})
}

// QuarantinedAfter implements store.Reader.
func (s *Store) QuarantinedAfter(ctx context.Context, after int64, limit int) (all []store.Quarantined, err error) {
	size := 0
	err = s.read(ctx, "read the quarantine", func(c *conn) error {
		all = nil
		err := c.query(ctx, selectQuarantineAfter, func(row []driver.Value) error {
			q, err := quarantinedOf(row)
			if err != nil {
				return err
			}
			all = append(all, q)
			if size += len(q.Body); size >= store.PendingBytes {
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

// errEnough ends a query.
var errEnough = errors.New("enough")

// DropQuarantined implements store.Store.
func (s *Store) DropQuarantined(ctx context.Context, ids []int64) error {
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	var st step
	st.add(uncountQuarantine, string(list))
	st.add(deleteQuarantine, string(list))
	return s.submit(ctx, newRequest("remove deliveries from the quarantine", st), false)
}

func quarantinedOf(row []driver.Value) (q store.Quarantined, err error) {
	q = store.Quarantined{ID: intOf(row[0]), Received: timeOf(row[1]), Source: stringOf(row[2]), Reason: stringOf(row[3]), Body: bytesOf(row[5])}
	return q, decode(row[4], &q.Header, fmt.Sprintf("header of %d", q.ID))
}

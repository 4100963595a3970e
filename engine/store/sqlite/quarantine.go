package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"fmt"

	"chertd/engine/store"
)

var (
	insertQuarantine = declare(`INSERT INTO quarantine (received_at, source, reason, header, body, body_sha256)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	selectQuarantine = declareCostly("the newest first, until there are enough", `SELECT id, received_at, source, reason, header, body FROM quarantine ORDER BY id DESC LIMIT ?`)
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
	return s.submit(ctx, newRequest("quarantine a delivery", st), false)
}

// Quarantined implements store.Reader.
func (s *Store) Quarantined(ctx context.Context, limit int) ([]store.Quarantined, error) {
	return browse(ctx, s, "read the quarantine", func(c *conn) ([]store.Quarantined, error) {
		return list(ctx, c, selectQuarantine, quarantinedOf, int64(max(limit, 0)))
	})
}

func quarantinedOf(row []driver.Value) (q store.Quarantined, err error) {
	q = store.Quarantined{ID: intOf(row[0]), Received: timeOf(row[1]), Source: stringOf(row[2]), Reason: stringOf(row[3]), Body: bytesOf(row[5])}
	return q, decode(row[4], &q.Header, fmt.Sprintf("header of %d", q.ID))
}

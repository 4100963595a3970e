package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/event"
	"chertd/engine/store"
)

const (
	insertQuarantine = `INSERT INTO quarantine (received_at, source, reason, header, body, truncated, body_sha256, event_id)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS (SELECT 1 FROM left_quarantine WHERE identity = ANY($9)) ON CONFLICT DO NOTHING`
	// leaveQuarantine keeps what identifies deliveries that it deletes.
	leaveQuarantine = `WITH gone AS (DELETE FROM quarantine WHERE id = ANY($1) RETURNING body_sha256, event_id, received_at)
		INSERT INTO left_quarantine (identity, received_at)
		SELECT 'body ' || encode(body_sha256, 'hex'), received_at FROM gone
		UNION ALL SELECT 'event ' || event_id, received_at FROM gone WHERE event_id IS NOT NULL ON CONFLICT DO NOTHING`

	quarantineColumns     = `id, received_at, source, reason, header, body, truncated`
	selectQuarantine      = `SELECT ` + quarantineColumns + ` FROM quarantine ORDER BY id DESC LIMIT $1`
	selectQuarantineAfter = `SELECT ` + quarantineColumns + ` FROM (
		SELECT *, sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS before
		FROM (SELECT * FROM quarantine WHERE id > $1 ORDER BY id LIMIT $2) q) q WHERE before < $3 ORDER BY id`
)

// Quarantine implements store.Store. If ctx ends during the write, Quarantine returns
// ctx's error, and the delivery may be kept nevertheless.
func (s *Store) Quarantine(ctx context.Context, q store.Quarantined) error {
	const doing = "quarantine a delivery"
	var header *string
	if len(q.Header) > 0 {
		b, err := json.Marshal(q.Header)
		if err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		header = jsonText(b)
	}
	body := q.Body
	if body == nil {
		body = []byte{}
	}
	sum := sha256.Sum256(body)
	identities := []string{}
	// A delivery that Chert sends again is listed again. Only the events log gives the same
	// rows again and again.
	if q.Source != event.SourceWebhook {
		identities = append(identities, "body "+hex.EncodeToString(sum[:]))
		if q.Event != "" {
			identities = append(identities, "event "+text(q.Event))
		}
	}
	if s.isClosed() {
		return store.ErrClosed
	}
	tag, err := s.pool.Exec(ctx, insertQuarantine, instant(q.Received), text(q.Source), text(q.Reason), header, body, q.Truncated, sum[:], optional(q.Event), identities)
	if err == nil && tag.RowsAffected() == 0 {
		return store.ErrInQuarantine
	}
	return s.failed(doing, err)
}

// DropQuarantined implements store.Store.
func (s *Store) DropQuarantined(ctx context.Context, ids []int64) error {
	_, err := s.change(ctx, "remove deliveries from the quarantine", leaveQuarantine, ids)
	return err
}

// Quarantined implements store.Reader.
func (s *Store) Quarantined(ctx context.Context, limit int) ([]store.Quarantined, error) {
	return selectRows(ctx, s, "read the quarantine", quarantinedOf, selectQuarantine, max(limit, 0))
}

// QuarantinedAfter implements store.Reader.
func (s *Store) QuarantinedAfter(ctx context.Context, after int64, limit int) ([]store.Quarantined, error) {
	return selectRows(ctx, s, "read the quarantine", quarantinedOf, selectQuarantineAfter, after, max(limit, 0), store.PendingBytes)
}

func quarantinedOf(row pgx.CollectableRow) (store.Quarantined, error) {
	var q store.Quarantined
	var received *time.Time
	var header []byte
	if err := row.Scan(&q.ID, &received, &q.Source, &q.Reason, &header, &q.Body, &q.Truncated); err != nil {
		return q, err
	}
	q.Received, q.Source, q.Reason = timeOf(received), untext(q.Source), untext(q.Reason)
	if header != nil {
		if err := json.Unmarshal(header, &q.Header); err != nil {
			return q, fmt.Errorf("header of %d: %w", q.ID, err)
		}
	}
	return q, nil
}

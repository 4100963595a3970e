package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
)

var (
	insertQuarantine = declare(`INSERT INTO quarantine (received_at, source, reason, header, body, truncated, body_sha256, event_id)
		SELECT ?, ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM left_quarantine WHERE identity IN (?, ?)) ON CONFLICT DO NOTHING`)
	selectQuarantine      = declareCostly("the newest first, until there are enough", `SELECT id, received_at, source, reason, header, body, truncated FROM quarantine ORDER BY id DESC LIMIT ?`)
	selectQuarantineAfter = declare(`SELECT id, received_at, source, reason, header, body, truncated FROM quarantine WHERE id > ? ORDER BY id LIMIT ?`)
	leaveQuarantine       = declareCostly(fewRows, `INSERT OR IGNORE INTO left_quarantine (identity, received_at)
		SELECT 'body ' || lower(hex(body_sha256)), received_at FROM quarantine WHERE id`+inStep+`
		UNION ALL SELECT 'event ' || event_id, received_at FROM quarantine WHERE event_id IS NOT NULL AND id`+inStep)
	uncountQuarantine = declareCostly(fewRows, `UPDATE counts SET quarantine = quarantine - (SELECT count(*) FROM quarantine WHERE id`+inStep+`) WHERE id = 1`)
	deleteQuarantine  = declareCostly(fewRows, `DELETE FROM quarantine WHERE id`+inStep)
	selectOldLeft     = declareCostly("commands have dropped them one by one", `SELECT identity FROM left_quarantine WHERE received_at < ? LIMIT ?`)
	deleteLeft        = declareCostly(fewRows, `DELETE FROM left_quarantine WHERE identity`+inStep)
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
	byBody, byEvent := "body "+hex.EncodeToString(sum[:]), "event "+q.Event
	var id driver.Value = q.Event
	if q.Event == "" {
		id, byEvent = nil, byBody
	}
	if q.Source == event.SourceWebhook {
		// A delivery that Chert sends again is listed again. Only the events log gives the same
		// rows again and again.
		byBody, byEvent = "", ""
	}
	var st step
	st.add(insertQuarantine, micros(q.Received), q.Source, q.Reason, header, body, flag(q.Truncated), sum[:], id, byBody, byEvent)
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
	st.add(leaveQuarantine, string(list))
	st.add(deleteQuarantine, string(list))
	return s.submit(ctx, newRequest("remove deliveries from the quarantine", st), false)
}

func quarantinedOf(row []driver.Value) (q store.Quarantined, err error) {
	q = store.Quarantined{ID: intOf(row[0]), Received: timeOf(row[1]), Source: stringOf(row[2]), Reason: stringOf(row[3]), Body: bytesOf(row[5]), Truncated: intOf(row[6]) != 0}
	return q, decode(row[4], &q.Header, fmt.Sprintf("header of %d", q.ID))
}

// pruneLeft removes what identifies at most limit deliveries that have left the quarantine
// and came before a time.
func (s *Store) pruneLeft(ctx context.Context, doing string, before time.Time, limit int) error {
	var old []string
	err := s.snapshot(ctx, doing, func(c *conn) error {
		return c.query(ctx, selectOldLeft, func(row []driver.Value) error {
			old = append(old, stringOf(row[0]))
			return nil
		}, micros(before), int64(limit))
	})
	if err != nil {
		return err
	}
	return s.pruneKeys(ctx, doing, old, len(old), func(keys driver.Value) []change {
		return []change{{what: deleteLeft, args: []driver.Value{keys}}}
	})
}

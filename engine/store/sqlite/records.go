package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"chertd/engine/store"
	"chertd/rules/chat"
)

const (
	selectPending = `SELECT ` + entryColumns + ` FROM pending p JOIN events e ON e.seq = p.seq
		WHERE p.seq > ? AND p.slot % ? = ? ORDER BY p.seq LIMIT ?`

	selectChatUnhandled = `SELECT 1 FROM events WHERE chat_id = ? AND seq >= (SELECT min(seq) FROM pending)
		AND seq IN (SELECT seq FROM pending) LIMIT 1`
	selectEventUnhandled = `SELECT 1 FROM seen s JOIN pending p ON p.seq = s.seq JOIN events e ON e.seq = s.seq
		WHERE s.id = ? AND e.chat_id IS NULL`

	// recordColumns are those of the entry and then of its decision.
	recordColumns = entryColumns + `, d.seq, d.at, d.note, d.failed, d.actions, d.packs, d.rules`
	selectRecord  = `SELECT ` + recordColumns + ` FROM seen s JOIN events e ON e.seq = s.seq
		LEFT JOIN decisions d ON d.seq = e.seq WHERE s.id = ?`
	selectRecords = `SELECT ` + recordColumns + ` FROM events e LEFT JOIN decisions d ON d.seq = e.seq
		WHERE e.seq < ? ORDER BY e.seq DESC LIMIT ?`
	selectChatRecords = `SELECT ` + recordColumns + ` FROM events e LEFT JOIN decisions d ON d.seq = e.seq
		WHERE e.chat_id = ? AND e.seq < ? ORDER BY e.seq DESC LIMIT ?`
	selectEventActions = `SELECT ` + actionColumns + ` FROM actions WHERE event_seq = ? ORDER BY n`

	insertQuarantine = `INSERT INTO quarantine (received_at, source, reason, header, body, body_sha256)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	selectQuarantine = `SELECT id, received_at, source, reason, header, body FROM quarantine ORDER BY id DESC LIMIT ?`
)

// Pending implements store.Store.
func (s *Store) Pending(ctx context.Context, shard store.Shard, after int64, limit int) (list []store.Entry, err error) {
	size := 0
	enough := errors.New("enough")
	err = s.read(ctx, "read pending events", func(c *conn) error {
		err := c.query(context.Background(), selectPending, func(row []driver.Value) error {
			e, err := entryOf(row)
			list = append(list, e)
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
	return list, err
}

// Unhandled implements store.Store.
func (s *Store) Unhandled(ctx context.Context, key string) (found bool, err error) {
	err = s.read(ctx, "look for unhandled events", func(c *conn) error {
		for _, sql := range []string{selectChatUnhandled, selectEventUnhandled} {
			v, err := c.one(context.Background(), sql, key)
			if v != nil || err != nil {
				found = v != nil
				return err
			}
		}
		return nil
	})
	return found, err
}

// Quarantine implements store.Store. If ctx ends while it is being written,
// ctx's error is returned and it may be kept all the same.
func (s *Store) Quarantine(ctx context.Context, q store.Quarantined) error {
	var header driver.Value
	if len(q.Header) > 0 {
		b, err := json.Marshal(q.Header)
		if err != nil {
			return fmt.Errorf("quarantine a delivery: %w", err)
		}
		header = string(b)
	}
	body := q.Body
	if body == nil {
		body = []byte{}
	}
	sum := sha256.Sum256(body)
	var st step
	st.add(insertQuarantine, micros(q.Received), q.Source, q.Reason, header, body, sum[:])
	return s.submit(ctx, newRequest("quarantine a delivery", st), false)
}

// Event implements store.Reader.
func (s *Store) Event(ctx context.Context, id string) (r store.Record, ok bool, err error) {
	list, err := s.records(ctx, selectRecord, id)
	if len(list) == 0 || err != nil {
		return store.Record{}, false, err
	}
	return list[0], true, nil
}

// Events implements store.Reader.
func (s *Store) Events(ctx context.Context, chat string, before int64, limit int) ([]store.Record, error) {
	if before <= 0 {
		before = 1<<63 - 1
	}
	if chat == "" {
		return s.records(ctx, selectRecords, before, int64(max(limit, 0)))
	}
	return s.records(ctx, selectChatRecords, chat, before, int64(max(limit, 0)))
}

func (s *Store) records(ctx context.Context, sql string, args ...driver.Value) (list []store.Record, err error) {
	err = s.browse(ctx, "read events", func(c *conn) error {
		err := c.query(ctx, sql, func(row []driver.Value) error {
			r, err := recordOf(row)
			list = append(list, r)
			return err
		}, args...)
		if err != nil {
			return err
		}
		for i := range list {
			err := c.query(ctx, selectEventActions, func(row []driver.Value) error {
				list[i].Actions = append(list[i].Actions, actionOf(row))
				return nil
			}, list[i].Seq)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

func recordOf(row []driver.Value) (r store.Record, err error) {
	if r.Entry, err = entryOf(row); err != nil {
		return r, err
	}
	row = row[entryWidth:]
	if row[0] == nil {
		return r, nil
	}
	d := &store.Decision{Seq: intOf(row[0]), At: timeOf(row[1]), Note: stringOf(row[2]), Failed: intOf(row[3]) != 0, Actions: int(intOf(row[4]))}
	if text := bytesOf(row[5]); text != nil {
		err = json.Unmarshal(text, &d.Packs)
	}
	if text := bytesOf(row[6]); text != nil && err == nil {
		err = json.Unmarshal(text, &d.Rules)
	}
	if err != nil {
		return r, fmt.Errorf("decision of event %d: %w", d.Seq, err)
	}
	r.Decision = d
	return r, nil
}

// Actions implements store.Reader.
func (s *Store) Actions(ctx context.Context, f store.ActionFilter) (list []chat.Action, err error) {
	where, args := []string{"1"}, []driver.Value{}
	if len(f.Status) > 0 {
		open := true
		for _, st := range f.Status {
			args = append(args, string(st))
			open = open && (st == chat.Waiting || st == chat.Sent || st == chat.Blocked || st == chat.Dead)
		}
		where = append(where, "status IN (?"+strings.Repeat(", ?", len(f.Status)-1)+")")
		if open { // names the partial index
			where = append(where, isOpen)
		}
	}
	if f.Chat != "" {
		where, args = append(where, "chat_id = ?"), append(args, f.Chat)
	}
	if f.Pack != "" {
		where, args = append(where, "pack = ?"), append(args, f.Pack)
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	sql := `SELECT ` + actionColumns + ` FROM actions WHERE ` + strings.Join(where, " AND ") + ` ORDER BY event_seq DESC, n DESC LIMIT ?`
	err = s.browse(ctx, "read actions", func(c *conn) error {
		return c.query(ctx, sql, func(row []driver.Value) error {
			list = append(list, actionOf(row))
			return nil
		}, append(args, int64(f.Limit))...)
	})
	return list, err
}

// Quarantined implements store.Reader.
func (s *Store) Quarantined(ctx context.Context, limit int) (list []store.Quarantined, err error) {
	err = s.browse(ctx, "read the quarantine", func(c *conn) error {
		return c.query(ctx, selectQuarantine, func(row []driver.Value) error {
			q := store.Quarantined{ID: intOf(row[0]), Received: timeOf(row[1]), Source: stringOf(row[2]), Reason: stringOf(row[3]), Body: bytesOf(row[5])}
			if text := bytesOf(row[4]); text != nil {
				if err := json.Unmarshal(text, &q.Header); err != nil {
					return fmt.Errorf("header of %d: %w", q.ID, err)
				}
			}
			list = append(list, q)
			return nil
		}, int64(max(limit, 0)))
	})
	return list, err
}

// Stats implements store.Reader. It counts rows, which takes a while where
// there are millions, and keeps nobody from writing.
func (s *Store) Stats(ctx context.Context) (st store.Stats, err error) {
	err = s.browse(ctx, "count what the store holds", func(c *conn) error {
		for sql, n := range map[string]*int64{
			"SELECT count(*) FROM events":     &st.Events,
			"SELECT count(*) FROM pending":    &st.Pending,
			"SELECT count(*) FROM quarantine": &st.Quarantined,
			"SELECT count(*) FROM chats":      &st.Chats,
		} {
			v, err := c.one(ctx, sql)
			if err != nil {
				return err
			}
			*n = intOf(v)
		}
		st.Actions = map[chat.Status]int64{}
		return c.query(ctx, "SELECT status, count(*) FROM actions GROUP BY status", func(row []driver.Value) error {
			st.Actions[chat.Status(stringOf(row[0]))] = intOf(row[1])
			return nil
		})
	})
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(s.path + suffix); err == nil {
			st.Bytes += info.Size()
		}
	}
	return st, err
}

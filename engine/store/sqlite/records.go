package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"chertd/engine/store"
	"chertd/rules/chat"
)

const (

	// recordColumns are those of the entry and then of its decision.
	recordColumns = entryColumns + `, d.seq, d.at, d.note, d.failed, d.actions, d.packs, d.rules`

	// actionsChosen takes a pack, a limit, and from its fourth argument on as many
	// statuses as there are; NULL is any.
	actionsChosen = `(?4 IS NULL OR status IN (?4, ?5, ?6, ?7, ?8, ?9, ?10)) AND (?1 IS NULL OR pack = ?1)
		ORDER BY event_seq DESC, n DESC LIMIT ?2`
)

var (
	selectPending = declare(`SELECT ` + entryColumns + ` FROM pending p JOIN events e ON e.seq = p.seq
		WHERE p.seq > ? AND p.slot % ? = ? ORDER BY p.seq LIMIT ?`)

	// Of the chat's own events those that the caller has not seen handled, which
	// are few: all that are pending may be very many.
	selectChatUnhandled = declare(`SELECT 1 FROM events e
		WHERE e.chat_id = ?1 AND e.seq > ?2 AND e.seq >= (SELECT min(seq) FROM pending)
		AND EXISTS (SELECT 1 FROM pending p WHERE p.seq = e.seq) LIMIT 1`)
	selectEventUnhandled = declare(`SELECT 1 FROM seen s JOIN pending p ON p.seq = s.seq JOIN events e ON e.seq = s.seq
		WHERE s.id = ?1 AND s.seq > ?2 AND e.chat_id IS NULL`)

	selectRecord = declare(`SELECT ` + recordColumns + ` FROM seen s JOIN events e ON e.seq = s.seq
		LEFT JOIN decisions d ON d.seq = e.seq WHERE s.id = ?`)
	selectRecords = declare(`SELECT ` + recordColumns + ` FROM events e LEFT JOIN decisions d ON d.seq = e.seq
		WHERE e.seq < ? ORDER BY e.seq DESC LIMIT ?`)
	selectChatRecords = declare(`SELECT ` + recordColumns + ` FROM events e LEFT JOIN decisions d ON d.seq = e.seq
		WHERE e.chat_id = ? AND e.seq < ? ORDER BY e.seq DESC LIMIT ?`)
	selectEventActions = declare(`SELECT ` + actionColumns + ` FROM actions WHERE event_seq = ? ORDER BY n`)

	selectChatActions = declare(`SELECT ` + actionColumns + ` FROM actions WHERE chat_id = ?3 AND ` + actionsChosen)
	selectOpenActions = declareCostly("all that is open is looked at, and sorted: operators ask for it now and then, on connections of their own",
		`SELECT `+actionColumns+` FROM actions INDEXED BY actions_open WHERE ?3 IS NULL AND `+isOpen+` AND `+actionsChosen)
	selectActions = declareCostly("the newest first, until there are enough; operators ask for it, on connections of their own",
		`SELECT `+actionColumns+` FROM actions WHERE ?3 IS NULL AND `+actionsChosen)

	insertQuarantine = declare(`INSERT INTO quarantine (received_at, source, reason, header, body, body_sha256)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	selectQuarantine = declareCostly("the newest first, until there are enough", `SELECT id, received_at, source, reason, header, body FROM quarantine ORDER BY id DESC LIMIT ?`)
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
	st.changes[0].counts = countQuarantine
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

func (s *Store) records(ctx context.Context, what *statement, args ...driver.Value) ([]store.Record, error) {
	return browse(ctx, s, "read events", func(c *conn) (list []store.Record, err error) {
		err = c.query(ctx, what, func(row []driver.Value) error {
			r, err := recordOf(row)
			list = append(list, r)
			return err
		}, args...)
		if err != nil {
			return nil, err
		}
		for i := range list {
			err := c.query(ctx, selectEventActions, func(row []driver.Value) error {
				list[i].Actions = append(list[i].Actions, actionOf(row))
				return nil
			}, list[i].Seq)
			if err != nil {
				return nil, err
			}
		}
		return list, nil
	})
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
func (s *Store) Actions(ctx context.Context, f store.ActionFilter) ([]chat.Action, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	if len(f.Status) > len(statuses) {
		return nil, fmt.Errorf("read actions: %d statuses where there are %d", len(f.Status), len(statuses))
	}
	what := selectActions
	args := []driver.Value{optional(f.Pack), int64(f.Limit), nil}
	switch {
	case f.Chat != "":
		what, args[2] = selectChatActions, f.Chat
	case len(f.Status) > 0 && !slices.ContainsFunc(f.Status, func(st chat.Status) bool { return !isOpenStatus(st) }):
		what = selectOpenActions
	}
	for i := range statuses {
		switch {
		case i < len(f.Status):
			args = append(args, string(f.Status[i]))
		case i == 0:
			args = append(args, nil)
		default: // SQL has no list of any length
			args = append(args, args[3])
		}
	}
	return browse(ctx, s, "read actions", func(c *conn) (list []chat.Action, err error) {
		err = c.query(ctx, what, func(row []driver.Value) error {
			list = append(list, actionOf(row))
			return nil
		}, args...)
		return list, err
	})
}

// Quarantined implements store.Reader.
func (s *Store) Quarantined(ctx context.Context, limit int) ([]store.Quarantined, error) {
	return browse(ctx, s, "read the quarantine", func(c *conn) (list []store.Quarantined, err error) {
		err = c.query(ctx, selectQuarantine, func(row []driver.Value) error {
			q := store.Quarantined{ID: intOf(row[0]), Received: timeOf(row[1]), Source: stringOf(row[2]), Reason: stringOf(row[3]), Body: bytesOf(row[5])}
			if text := bytesOf(row[4]); text != nil {
				if err := json.Unmarshal(text, &q.Header); err != nil {
					return fmt.Errorf("header of %d: %w", q.ID, err)
				}
			}
			list = append(list, q)
			return nil
		}, int64(max(limit, 0)))
		return list, err
	})
}

// isOpenStatus reports whether the index actions_open has actions of a status.
func isOpenStatus(s chat.Status) bool {
	return s == chat.Waiting || s == chat.Sent || s == chat.Blocked || s == chat.Dead
}

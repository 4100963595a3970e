package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
)

const (
	// lineOf is the expression that the index chats_call begins with.
	lineOf = `ifnull(line, '')`
	// isOpen is the condition of the index actions_open, which queries that are
	// to use it name word for word.
	isOpen = `(status = 'waiting' OR status = 'sent' OR status = 'blocked' OR status = 'dead')`

	// actionColumns are read by actionOf, in this order.
	actionColumns = `event_seq, n, chat_id, kind, status, why, pack, version, rule, place, reason, even_if_newer,
		body, target, depth, asked_at, due_at, settled_at, attempts, code, http, trace_id, error, covers_seq, follows`
)

var (
	selectKnown = declare(`SELECT 1 FROM chats WHERE id = ?`)
	selectChat  = declare(`SELECT line, last_event_seq, last_message_id, read_through_seq, retry_attempts, retry_first_at,
		retry_not_before, hold_until, hold_by, hold_reason, cooldowns, recent_messages, veto_seq, unasked_seq, is_group, hold_seq, last_message_seq, seen_by, missed_seq, may_hold_until, postponed, cancelled FROM chats WHERE id = ?`)
	selectOpen = declareCostly("sorts what waits in one chat", `SELECT `+actionColumns+` FROM actions WHERE `+isOpen+`
		AND chat_id = ? AND status IN ('waiting', 'sent') ORDER BY asked_at, event_seq, n`)
	selectTimers = declareCostly("sorts the timers of one chat", `SELECT pack, name, version, due_at, payload, event_seq, n, depth, fired FROM timers
		WHERE chat_id = ? ORDER BY event_seq, n`)
	selectHolds = declare(`SELECT id, hold_until, hold_by, hold_reason, hold_seq FROM chats
		WHERE hold_until IS NOT NULL AND hold_until > ? ORDER BY hold_until DESC, id DESC LIMIT ?`)
	countHolds = declareCostly("steps of an index, a bounded number",
		`SELECT count(*) FROM (SELECT 1 FROM chats WHERE hold_until IS NOT NULL AND hold_until > ? LIMIT ?)`)
	selectPostponed = declare(`SELECT id, postponed FROM chats
		WHERE postponed_until IS NOT NULL AND postponed_until > ? ORDER BY postponed_until DESC, id DESC LIMIT ?`)
	countPostponed = declareCostly("steps of an index, a bounded number",
		`SELECT count(*) FROM (SELECT 1 FROM chats WHERE postponed_until IS NOT NULL AND postponed_until > ? LIMIT ?)`)
	selectState = declare(`SELECT value FROM states WHERE pack = ? AND chat_id = ?`)

	selectCallsDue = declare(`SELECT id, call_at, retry_attempts FROM chats
		WHERE call_at IS NOT NULL AND ` + lineOf + ` = ?4 AND (call_at, id) > (?1, ?2) ORDER BY call_at, id LIMIT ?3`)
	selectCallLines = declareCostly("a step of the index for each line that has calls due", `WITH RECURSIVE lines (line) AS (
		SELECT min(`+lineOf+`) FROM chats WHERE call_at IS NOT NULL AND `+lineOf+` >= ?1
		UNION ALL SELECT (SELECT min(`+lineOf+`) FROM chats WHERE call_at IS NOT NULL AND `+lineOf+` > lines.line)
		FROM lines WHERE lines.line IS NOT NULL LIMIT ?2)
		SELECT line FROM lines WHERE line IS NOT NULL`)
	selectTimersDue = declare(`SELECT id, timer_at, 0 FROM chats WHERE timer_at IS NOT NULL AND (timer_at, id) > (?, ?)
		ORDER BY timer_at, id LIMIT ?`)
)

// Chat implements store.Store. Most chats of a busy day are new: to find that
// out takes one statement instead of a transaction of four.
func (s *Store) Chat(ctx context.Context, id string) (chat.Chat, error) {
	c := chat.Chat{ID: id}
	known := false
	err := s.read(ctx, "read a chat", func(r *conn) error {
		found, err := r.one(context.Background(), selectKnown, id)
		known = found != nil
		return err
	})
	if err != nil || !known {
		return c, err
	}
	err = s.snapshot(ctx, "read a chat", func(r *conn) error {
		c = chat.Chat{ID: id}
		known := false
		err := r.query(context.Background(), selectChat, func(row []driver.Value) (err error) {
			known = true
			c.Line, c.LastEvent, c.LastMessage, c.ReadThrough = stringOf(row[0]), intOf(row[1]), stringOf(row[2]), intOf(row[3])
			c.Retry = chat.Retry{Attempts: int(intOf(row[4])), First: timeOf(row[5]), NotBefore: timeOf(row[6])}
			c.Hold = chat.Hold{Until: timeOf(row[7]), By: stringOf(row[8]), Reason: stringOf(row[9]), Seq: intOf(row[15])}
			c.Veto, c.Unasked, c.IsGroup, c.LastMessageSeq = intOf(row[12]), intOf(row[13]), truthOf(row[14]), intOf(row[16])
			c.Missing = chat.Missing{Through: intOf(row[18]), HoldUntil: timeOf(row[19])}
			if text := bytesOf(row[17]); text != nil {
				if err := json.Unmarshal(text, &c.Seen); err != nil {
					return fmt.Errorf("packs that have seen the newest message: %w", err)
				}
			}
			if c.Postponed, err = postponedOf(row[20]); err != nil {
				return err
			}
			if text := bytesOf(row[21]); text != nil {
				if err := json.Unmarshal(text, &c.Cancelled); err != nil {
					return fmt.Errorf("what packs have cancelled: %w", err)
				}
			}
			if text := bytesOf(row[11]); text != nil {
				if err := json.Unmarshal(text, &c.Recent); err != nil {
					return fmt.Errorf("recent messages: %w", err)
				}
			}
			c.Cooldown, err = cooldownsOf(row[10])
			return err
		}, id)
		if err != nil || !known {
			return err
		}
		err = r.query(context.Background(), selectOpen, func(row []driver.Value) error {
			c.Waiting = append(c.Waiting, actionOf(row))
			return nil
		}, id)
		if err != nil {
			return err
		}
		return r.query(context.Background(), selectTimers, func(row []driver.Value) error {
			c.Timers = append(c.Timers, chat.Timer{
				Pack: stringOf(row[0]), Name: stringOf(row[1]), Version: stringOf(row[2]), Due: timeOf(row[3]),
				Payload: bytesOf(row[4]), Seq: intOf(row[5]), N: int(intOf(row[6])), Depth: int(intOf(row[7])), Fired: intOf(row[8]) != 0,
			})
			return nil
		}, id)
	})
	return c, err
}

// Holds implements store.Reader.
func (s *Store) Holds(ctx context.Context, now time.Time, limit int) ([]store.Hold, int64, error) {
	return lasting(ctx, s, "read which chats are held", selectHolds, countHolds, now, limit, func(row []driver.Value) (store.Hold, error) {
		return store.Hold{Chat: stringOf(row[0]), Hold: chat.Hold{
			Until: timeOf(row[1]), By: stringOf(row[2]), Reason: stringOf(row[3]), Seq: intOf(row[4]),
		}}, nil
	})
}

// Postponed implements store.Reader.
func (s *Store) Postponed(ctx context.Context, now time.Time, limit int) ([]store.Postponement, int64, error) {
	return lasting(ctx, s, "read which chats are postponed", selectPostponed, countPostponed, now, limit, func(row []driver.Value) (p store.Postponement, err error) {
		c := chat.Chat{ID: stringOf(row[0])}
		c.Postponed, err = postponedOf(row[1])
		if last := c.LastPostponement(); last != nil {
			p = store.Postponement{Chat: c.ID, Postponement: *last}
		}
		return p, err
	})
}

// lasting lists what lasts beyond a time, at most limit, and counts all of it, up
// to store.CountedHolds.
func lasting[T any](ctx context.Context, s *Store, doing string, list, count *statement, now time.Time, limit int, read func([]driver.Value) (T, error)) ([]T, int64, error) {
	type found struct {
		list  []T
		total int64
	}
	f, err := browse(ctx, s, doing, func(c *conn) (f found, err error) {
		err = c.query(ctx, list, func(row []driver.Value) error {
			one, err := read(row)
			f.list = append(f.list, one)
			return err
		}, now.UnixMicro(), int64(max(limit, 0)))
		if f.total = int64(len(f.list)); err != nil || len(f.list) < limit {
			return f, err
		}
		n, err := c.one(ctx, count, now.UnixMicro(), int64(store.CountedHolds))
		f.total = intOf(n)
		return f, err
	})
	return f.list, f.total, err
}

// State implements store.Store.
func (s *Store) State(ctx context.Context, pack, chat string) (json.RawMessage, error) {
	var value json.RawMessage
	err := s.read(ctx, "read a state", func(c *conn) error {
		v, err := c.one(context.Background(), selectState, pack, chat)
		value = bytesOf(v)
		return err
	})
	return value, err
}

// CallLines implements store.Store.
func (s *Store) CallLines(ctx context.Context, from string, limit int) (lines []string, err error) {
	err = s.read(ctx, "read the phone lines with calls due", func(c *conn) error {
		return c.query(context.Background(), selectCallLines, func(row []driver.Value) error {
			lines = append(lines, stringOf(row[0]))
			return nil
		}, from, int64(max(limit, 0)))
	})
	return lines, err
}

// CallsDue implements store.Store.
func (s *Store) CallsDue(ctx context.Context, line string, after store.Due, limit int) ([]store.Due, error) {
	return s.due(ctx, selectCallsDue, after, limit, line)
}

// TimersDue implements store.Store.
func (s *Store) TimersDue(ctx context.Context, after store.Due, limit int) ([]store.Due, error) {
	return s.due(ctx, selectTimersDue, after, limit)
}

func (s *Store) due(ctx context.Context, what *statement, after store.Due, limit int, more ...driver.Value) (list []store.Due, err error) {
	from := int64(math.MinInt64)
	if !after.At.IsZero() {
		from = after.At.UnixMicro()
	}
	err = s.read(ctx, "read what is due", func(c *conn) error {
		return c.query(context.Background(), what, func(row []driver.Value) error {
			list = append(list, store.Due{Chat: stringOf(row[0]), At: timeOf(row[1]), Retry: intOf(row[2]) > 0})
			return nil
		}, append([]driver.Value{from, after.Chat, int64(max(limit, 0))}, more...)...)
	})
	return list, err
}

// truth is a column of 1, 0 or, if it is unknown, NULL.
func truth(t event.Truth) driver.Value {
	if v, known := t.Known(); known {
		return flag(v)
	}
	return nil
}

func truthOf(v driver.Value) event.Truth {
	if v == nil {
		return event.Unknown
	}
	return event.TruthOf(intOf(v) != 0)
}

func actionOf(row []driver.Value) chat.Action {
	return chat.Action{
		ID:   chat.ActionID{Seq: intOf(row[0]), N: int(intOf(row[1]))},
		Chat: stringOf(row[2]), Kind: chat.Kind(stringOf(row[3])), Status: chat.Status(stringOf(row[4])), Why: stringOf(row[5]),
		Pack: stringOf(row[6]), Version: stringOf(row[7]), Rule: stringOf(row[8]), Place: stringOf(row[9]), Reason: stringOf(row[10]),
		EvenIfNewer: intOf(row[11]) != 0, Body: bytesOf(row[12]), Target: stringOf(row[13]), Depth: int(intOf(row[14])),
		Asked: timeOf(row[15]), Due: timeOf(row[16]), Settled: timeOf(row[17]),
		Attempts: int(intOf(row[18])), Code: int(intOf(row[19])), HTTP: int(intOf(row[20])),
		TraceID: stringOf(row[21]), Error: stringOf(row[22]), Covers: intOf(row[23]), Follows: intOf(row[24]) != 0,
	}
}

func postponedOf(v driver.Value) (list []chat.Postponement, err error) {
	if text := bytesOf(v); text != nil {
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, fmt.Errorf("postponements: %w", err)
		}
	}
	return list, nil
}

func cooldownsOf(v driver.Value) (map[string]time.Time, error) {
	text := bytesOf(v)
	if text == nil {
		return nil, nil
	}
	var in map[string]int64
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, fmt.Errorf("cooldowns: %w", err)
	}
	out := make(map[string]time.Time, len(in))
	for rule, until := range in {
		out[rule] = time.UnixMicro(until).UTC()
	}
	return out, nil
}

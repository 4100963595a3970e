package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"
	"time"

	"chertd/engine/store"
)

// lineOf is the expression that the index chats_call begins with.
const lineOf = `ifnull(line, '')`

var (
	selectCallsDue = declare(`SELECT id, call_at, retries FROM chats
		WHERE call_at IS NOT NULL AND ` + lineOf + ` = ?4 AND (call_at, id) > (?1, ?2) ORDER BY call_at, id LIMIT ?3`)
	selectCallLines = declareCostly("a step of the index for each line that has calls due", `WITH RECURSIVE lines (line) AS (
		SELECT min(`+lineOf+`) FROM chats WHERE call_at IS NOT NULL AND `+lineOf+` >= ?1
		UNION ALL SELECT (SELECT min(`+lineOf+`) FROM chats WHERE call_at IS NOT NULL AND `+lineOf+` > lines.line)
		FROM lines WHERE lines.line IS NOT NULL LIMIT ?2)
		SELECT line FROM lines WHERE line IS NOT NULL`)
	selectTimersDue = declare(`SELECT id, timer_at, 0 FROM chats WHERE timer_at IS NOT NULL AND (timer_at, id) > (?, ?)
		ORDER BY timer_at, id LIMIT ?`)

	selectHolds = declare(`SELECT ` + chatColumns + ` FROM chats
		WHERE hold_until IS NOT NULL AND hold_until > ? ORDER BY hold_until DESC, id DESC LIMIT ?`)
	countHolds = declareCostly("steps of an index, a bounded number",
		`SELECT count(*) FROM (SELECT 1 FROM chats WHERE hold_until IS NOT NULL AND hold_until > ? LIMIT ?)`)
	selectPostponed = declare(`SELECT ` + chatColumns + ` FROM chats
		WHERE postponed_until IS NOT NULL AND postponed_until > ? ORDER BY postponed_until DESC, id DESC LIMIT ?`)
	countPostponed = declareCostly("steps of an index, a bounded number",
		`SELECT count(*) FROM (SELECT 1 FROM chats WHERE postponed_until IS NOT NULL AND postponed_until > ? LIMIT ?)`)
)

// CallLines implements store.Store.
func (s *Store) CallLines(ctx context.Context, from string, limit int) (lines []string, err error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("read the phone lines with calls due: %w", err)
	}
	err = s.read(ctx, "read the phone lines with calls due", func(c *conn) error {
		lines, err = list(context.Background(), c, selectCallLines, firstString, from, int64(max(limit, 0)))
		return err
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

func (s *Store) due(ctx context.Context, what *statement, after store.Due, limit int, more ...driver.Value) (all []store.Due, err error) {
	from := int64(math.MinInt64)
	if !after.At.IsZero() {
		from = after.At.UnixMicro()
	}
	args := append([]driver.Value{from, after.Chat, int64(max(limit, 0))}, more...)
	if err := s.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("read due chats: %w", err)
	}
	err = s.read(ctx, "read due chats", func(c *conn) error {
		all, err = list(context.Background(), c, what, dueOf, args...)
		return err
	})
	return all, err
}

func dueOf(row []driver.Value) (store.Due, error) {
	return store.Due{Chat: stringOf(row[0]), At: timeOf(row[1]), Retry: intOf(row[2]) != 0}, nil
}

// Holds implements store.Reader.
func (s *Store) Holds(ctx context.Context, now time.Time, limit int) ([]store.Hold, int64, error) {
	return lasting(ctx, s, "read held chats", selectHolds, countHolds, now, limit, func(row []driver.Value) (store.Hold, error) {
		c, _, err := chatOf(row)
		return store.Hold{Chat: c.ID, Hold: c.Hold}, err
	})
}

// Postponed implements store.Reader.
func (s *Store) Postponed(ctx context.Context, now time.Time, limit int) ([]store.Postponement, int64, error) {
	return lasting(ctx, s, "read postponed chats", selectPostponed, countPostponed, now, limit, func(row []driver.Value) (p store.Postponement, err error) {
		c, _, err := chatOf(row)
		if last := c.LastPostponement(); last != nil {
			p = store.Postponement{Chat: c.ID, Postponement: *last}
		}
		return p, err
	})
}

// lasting lists at most limit rows that end after a time, and counts all such rows,
// up to store.CountedHolds.
func lasting[T any](ctx context.Context, s *Store, doing string, chosen, count *statement, now time.Time, limit int, of func([]driver.Value) (T, error)) ([]T, int64, error) {
	type found struct {
		all   []T
		total int64
	}
	if err := s.catchUp(ctx); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", doing, err)
	}
	f, err := browse(ctx, s, doing, func(c *conn) (f found, err error) {
		f.all, err = list(ctx, c, chosen, of, now.UnixMicro(), int64(max(limit, 0)))
		if f.total = int64(len(f.all)); err != nil || len(f.all) < limit {
			return f, err
		}
		n, err := c.one(ctx, count, now.UnixMicro(), int64(store.CountedHolds))
		f.total = intOf(n)
		return f, err
	})
	return f.all, f.total, err
}

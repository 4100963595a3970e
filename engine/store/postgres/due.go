package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"chertd/engine/store"
)

const (
	selectCallsDue = `SELECT id, call_at, retries <> 0 FROM chats WHERE call_at IS NOT NULL AND line = $4
		AND (call_at, id) > ($1, $2) ORDER BY call_at, id LIMIT $3`
	selectTimersDue = `SELECT id, timer_at, false FROM chats WHERE timer_at IS NOT NULL AND (timer_at, id) > ($1, $2) ORDER BY timer_at, id LIMIT $3`
	// A step of the index for each line that has calls due. $2: whether $1 itself is one.
	selectCallLines = `WITH RECURSIVE lines (line, n) AS (
		SELECT (SELECT min(line) FROM chats WHERE call_at IS NOT NULL AND line >= $1 AND ($2 OR line <> $1)), 1
		UNION ALL SELECT (SELECT min(line) FROM chats WHERE call_at IS NOT NULL AND line > lines.line), n + 1
		FROM lines WHERE lines.line IS NOT NULL AND n < $3)
		SELECT line FROM lines WHERE line IS NOT NULL ORDER BY line`
)

// CallLines implements store.Store.
func (s *Store) CallLines(ctx context.Context, from string, limit int) ([]string, error) {
	if limit <= 0 {
		return nil, nil
	}
	first, itself := textFrom(from)
	return selectRows(ctx, s, "read the phone lines with calls due", func(row pgx.CollectableRow) (line string, err error) {
		err = row.Scan(&line)
		return untext(line), err
	}, selectCallLines, first, itself, limit)
}

// textFrom encodes a string from which on others are listed, and reports whether it is one of
// them. With a NUL at its end it is what comes right after the string before: its own encoding
// would come after others that begin with that string.
func textFrom(s string) (from string, itself bool) {
	if before, next := strings.CutSuffix(s, "\x00"); next {
		return text(before), false
	}
	return text(s), true
}

// CallsDue implements store.Store.
func (s *Store) CallsDue(ctx context.Context, line string, after store.Due, limit int) ([]store.Due, error) {
	return s.due(ctx, selectCallsDue, after, limit, text(line))
}

// TimersDue implements store.Store.
func (s *Store) TimersDue(ctx context.Context, after store.Due, limit int) ([]store.Due, error) {
	return s.due(ctx, selectTimersDue, after, limit)
}

func (s *Store) due(ctx context.Context, query string, after store.Due, limit int, more ...any) ([]store.Due, error) {
	args := append([]any{earliest(after.At), text(after.Chat), max(limit, 0)}, more...)
	return selectRows(ctx, s, "read due chats", func(row pgx.CollectableRow) (d store.Due, err error) {
		err = row.Scan(&d.Chat, &d.At, &d.Retry)
		d.Chat, d.At = untext(d.Chat), d.At.UTC()
		return d, err
	}, query, args...)
}

// earliest returns a time to compare columns with: the zero time is before all others.
func earliest(t time.Time) any {
	if t.IsZero() {
		return pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	}
	return t
}

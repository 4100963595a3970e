package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/engine/store/rowjson"
	"chertd/rules/chat"
)

const (
	selectHolds = `SELECT id, line, last_seq, state FROM chats WHERE hold_until > $1 ORDER BY hold_until DESC, id DESC LIMIT $2`
	countHolds  = `SELECT count(*) FROM (SELECT 1 FROM chats WHERE hold_until > $1 LIMIT $2) held`

	selectPostponed = `SELECT id, line, last_seq, state FROM chats WHERE postponed_until > $1 ORDER BY postponed_until DESC, id DESC LIMIT $2`
	countPostponed  = `SELECT count(*) FROM (SELECT 1 FROM chats WHERE postponed_until > $1 LIMIT $2) postponed`
)

// bareChat returns the chat of a row of id, line, last_seq and state, without its timers and
// the actions that wait.
func bareChat(row pgx.CollectableRow) (chat.Chat, error) {
	var id, line string
	var newest int64
	var state []byte
	if err := row.Scan(&id, &line, &newest, &state); err != nil {
		return chat.Chat{}, err
	}
	c, _, err := rowjson.ParseChat(untext(id), untext(line), newest, state)
	return c, err
}

// Holds implements store.Reader.
func (s *Store) Holds(ctx context.Context, now time.Time, limit int) ([]store.Hold, int64, error) {
	return lasting(ctx, s, "read held chats", selectHolds, countHolds, now, limit, func(row pgx.CollectableRow) (store.Hold, error) {
		c, err := bareChat(row)
		return store.Hold{Chat: c.ID, Hold: c.Hold}, err
	})
}

// Postponed implements store.Reader.
func (s *Store) Postponed(ctx context.Context, now time.Time, limit int) ([]store.Postponement, int64, error) {
	return lasting(ctx, s, "read postponed chats", selectPostponed, countPostponed, now, limit, func(row pgx.CollectableRow) (p store.Postponement, err error) {
		c, err := bareChat(row)
		if last := c.LastPostponement(); last != nil {
			p = store.Postponement{Chat: c.ID, Postponement: *last}
		}
		return p, err
	})
}

// lasting lists at most limit rows that end after a time, and counts all such rows, up to
// store.CountedHolds.
func lasting[T any](ctx context.Context, s *Store, doing, chosen, count string, now time.Time, limit int, of pgx.RowToFunc[T]) (all []T, total int64, err error) {
	all, err = browse(ctx, s, doing, func(tx pgx.Tx) ([]T, error) {
		all, err := collect(ctx, tx, of, chosen, now, max(limit, 0))
		if total = int64(len(all)); err != nil || len(all) < limit {
			return all, err
		}
		return all, tx.QueryRow(ctx, count, now, store.CountedHolds).Scan(&total)
	})
	return all, total, err
}

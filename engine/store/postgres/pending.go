package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// selectPending stops after the row with which the bodies reach $5 bytes. PostgreSQL takes a
// comparison of slot % $2 for one that few rows pass, and would sort all; of CASE it expects half.
const selectPending = `SELECT ` + entryColumns + ` FROM (
	SELECT e.*, sum(coalesce(octet_length(e.raw), 0)) OVER (ORDER BY e.seq) - coalesce(octet_length(e.raw), 0) AS before
	FROM (SELECT seq FROM pending WHERE seq > $1 AND CASE WHEN slot % $2 = $3 THEN true END ORDER BY seq LIMIT $4) p JOIN events e ON e.seq = p.seq
) e WHERE e.before < $5 ORDER BY e.seq`

const selectUnhandled = `SELECT coalesce(max(seq), 0) FROM pending WHERE chat_id = $1`

// Pending implements store.Store.
func (s *Store) Pending(ctx context.Context, shard store.Shard, after int64, limit int) ([]turn.Entry, error) {
	return selectRows(ctx, s, "read pending events", entryOf, selectPending, after, max(shard.Of, 1), shard.Index, max(limit, 0), store.PendingBytes)
}

// Unhandled implements store.Store.
func (s *Store) Unhandled(ctx context.Context, chatID string) (int64, error) {
	return selectRow(ctx, s, "look for unhandled events", pgx.RowTo[int64], selectUnhandled, text(chatID))
}

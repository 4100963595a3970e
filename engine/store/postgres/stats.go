package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules/chat"
)

// selectStats reads what appends and the writers have counted: nothing counts millions of
// rows. The oldest early events are deleted first, and their numbers have no gaps.
const selectStats = `SELECT j.appended - c.removed, j.appended - c.handled, c.chats,
	ARRAY[c.waiting, c.sent, c.done, c.dropped, c.blocked, c.dead, c.shadow],
	(SELECT coalesce(max(n) - min(n) + 1, 0) FROM early_events), (SELECT count(*) FROM quarantine),
	(SELECT coalesce(sum(pg_total_relation_size(r.oid)), 0)::bigint FROM pg_class r
		WHERE r.relkind = 'r' AND r.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()))
	FROM journal_lock j, (SELECT coalesce(sum(removed), 0)::bigint AS removed, coalesce(sum(handled), 0)::bigint AS handled,
		coalesce(sum(chats), 0)::bigint AS chats,
		coalesce(sum(actions_waiting), 0)::bigint AS waiting, coalesce(sum(actions_sent), 0)::bigint AS sent, coalesce(sum(actions_done), 0)::bigint AS done,
		coalesce(sum(actions_dropped), 0)::bigint AS dropped, coalesce(sum(actions_blocked), 0)::bigint AS blocked,
		coalesce(sum(actions_dead), 0)::bigint AS dead, coalesce(sum(actions_shadow), 0)::bigint AS shadow FROM counts) c`

// Stats implements store.Reader. Bytes are those of the tables and their indexes.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	return browse(ctx, s, "read the counts", func(tx pgx.Tx) (st store.Stats, err error) {
		var actions []int64 // in the order of statuses
		err = tx.QueryRow(ctx, selectStats).Scan(&st.Events, &st.Pending, &st.Chats, &actions, &st.Early, &st.Quarantined, &st.Bytes)
		st.Actions = map[chat.Status]int64{}
		for i, n := range actions {
			if n != 0 {
				st.Actions[statuses[i]] = n
			}
		}
		return st, err
	})
}

package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/rules/turn"
)

const (
	selectState = `SELECT value FROM states WHERE pack = $1 AND chat_id = $2`
	selectKV    = `SELECT value, expires_at, version FROM kv WHERE pack = $1 AND key = $2`
	// A page ends before the value that it has no room for; the empty key, which no rule can
	// write, can't be the end of one. Values are read only of what is in the page.
	selectKVs = `WITH found AS MATERIALIZED (
			SELECT key, octet_length(value) AS size, expires_at, version FROM kv WHERE pack = $1 AND key >= $2 AND ($3::bytea IS NULL OR key < $3)
			AND value IS NOT NULL AND (expires_at IS NULL OR expires_at > $4) ORDER BY key LIMIT $5),
		placed AS (SELECT *, sum(size) OVER up AS total, lag(key) OVER up AS before FROM found WINDOW up AS (ORDER BY key))
		SELECT key, expires_at, version, before IS NULL OR before = '' OR total <= $6,
			CASE WHEN before IS NULL OR before = '' OR total <= $6 THEN (SELECT v.value FROM kv v WHERE v.pack = $1 AND v.key = placed.key) END
		FROM placed ORDER BY key`
	selectUsage = `SELECT coalesce((SELECT bytes FROM kv_usage WHERE pack = $1), 0)
		- (SELECT coalesce(sum(bytes), 0)::bigint FROM kv WHERE pack = $1 AND expires_at IS NOT NULL AND value IS NOT NULL AND expires_at <= $2)
		- (SELECT coalesce(sum(bytes), 0)::bigint FROM kv WHERE pack = $1 AND key = ANY($3) AND value IS NOT NULL AND (expires_at IS NULL OR expires_at > $2))`
)

// State implements store.Store.
func (s *Store) State(ctx context.Context, pack, chat string) (json.RawMessage, error) {
	return selectRow(ctx, s, "read a state", func(row pgx.CollectableRow) (value json.RawMessage, err error) {
		err = row.Scan((*[]byte)(&value))
		return value, err
	}, selectState, text(pack), text(chat))
}

// KV implements store.Store.
func (s *Store) KV(ctx context.Context, pack, key string, now time.Time) (turn.KV, error) {
	kv, err := selectRow(ctx, s, "read kv", func(row pgx.CollectableRow) (kv turn.KV, err error) {
		var value []byte
		var expires *time.Time
		err = row.Scan(&value, &expires, &kv.Version)
		if value != nil && (expires == nil || expires.After(now)) {
			kv.Value, kv.Expires = value, timeOf(expires)
		}
		return kv, err
	}, selectKV, text(pack), []byte(key))
	kv.Pack, kv.Key = pack, key
	return kv, err
}

// KVList implements store.Store.
func (s *Store) KVList(ctx context.Context, pack, prefix, after string, now time.Time, limit, bytes int) (page []turn.KV, next string, err error) {
	from := prefix
	if after >= prefix && after != "" {
		from = after + "\x00" // the next string
	}
	more := false
	list, err := selectRows(ctx, s, "list kv", func(row pgx.CollectableRow) (kv *turn.KV, err error) {
		var key, value []byte
		var expires *time.Time
		var fits bool
		kv = &turn.KV{Pack: pack}
		if err := row.Scan(&key, &expires, &kv.Version, &fits, &value); err != nil || !fits {
			more = more || err == nil
			return nil, err
		}
		kv.Key, kv.Value, kv.Expires = string(key), value, timeOf(expires)
		return kv, nil
	}, selectKVs, text(pack), []byte(from), behind(prefix), now, max(limit, 0), bytes)
	for _, kv := range list {
		if kv != nil {
			page = append(page, *kv)
		}
	}
	if len(page) > 0 && (more || len(page) == limit) {
		next = page[len(page)-1].Key
	}
	return page, next, err
}

// KVUsage implements store.Store.
func (s *Store) KVUsage(ctx context.Context, pack string, now time.Time, without []string) (int64, error) {
	keys := make([][]byte, len(without))
	for i, key := range without {
		keys[i] = []byte(key)
	}
	return selectRow(ctx, s, "measure kv", pgx.RowTo[int64], selectUsage, text(pack), now, keys)
}

// behind returns the first string after all that begin with prefix; nil: there is none.
func behind(prefix string) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return append([]byte(prefix[:i]), prefix[i]+1)
		}
	}
	return nil
}

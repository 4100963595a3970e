package sqlite

import (
	"context"
	"database/sql/driver"
	"time"

	"chertd/engine/store"
)

var (
	selectVersion = declare(`SELECT version FROM kv WHERE pack = ? AND key = ?`)
	upsertKV      = declare(`INSERT INTO kv (pack, key, value, expires_at, version) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at, version = excluded.version`)
	selectKV  = declare(`SELECT value, expires_at, version FROM kv WHERE pack = ?1 AND key = ?2`)
	selectKVs = declare(`SELECT value, expires_at, version, key FROM kv WHERE pack = ?1 AND key >= ?2 AND key < ?3
		AND value IS NOT NULL AND (expires_at IS NULL OR expires_at > ?4) ORDER BY key LIMIT ?5`)
	selectKVsUp = declare(`SELECT value, expires_at, version, key FROM kv WHERE pack = ?1 AND key >= ?2 AND ?3 IS NULL
		AND value IS NOT NULL AND (expires_at IS NULL OR expires_at > ?4) ORDER BY key LIMIT ?5`)
)

type kvKey struct{ pack, key string }

// validate checks what a request's handlers read against what stands, its own
// earlier steps included, and returns the versions its writes have replaced.
func (w *writer) validate(r *request) (versions map[kvKey]int64, refused, err error) {
	current := func(kv *store.KV) (int64, error) {
		k := kvKey{kv.Pack, kv.Key}
		if v, ok := versions[k]; ok {
			return v, nil
		}
		v, err := w.conn.one(context.Background(), selectVersion, kv.Pack, kv.Key)
		if versions == nil {
			versions = map[kvKey]int64{}
		}
		versions[k] = intOf(v)
		return intOf(v), err
	}
	written := map[kvKey]int64(nil)
	for i := range r.steps {
		s := &r.steps[i]
		for j := range s.reads {
			v, err := current(&s.reads[j])
			if err != nil {
				return nil, nil, err
			}
			if v+written[kvKey{s.reads[j].Pack, s.reads[j].Key}] != s.reads[j].Version {
				return nil, store.ErrConflict, nil
			}
		}
		for j := range s.writes {
			if _, err := current(&s.writes[j]); err != nil {
				return nil, nil, err
			}
			if written == nil {
				written = map[kvKey]int64{}
			}
			written[kvKey{s.writes[j].Pack, s.writes[j].Key}]++
		}
	}
	return versions, nil, nil
}

// writeKV writes one entry with the next version. A deleted entry's row stays,
// without a value: a version that began anew could be mistaken for an old one.
func (w *writer) writeKV(kv store.KV, versions map[kvKey]int64) error {
	k := kvKey{kv.Pack, kv.Key}
	versions[k]++
	_, err := w.conn.exec(upsertKV, kv.Pack, kv.Key, optionalJSON(kv.Value), micros(kv.Expires), versions[k])
	return err
}

// KV implements store.Store.
func (s *Store) KV(ctx context.Context, pack, key string, now time.Time) (store.KV, error) {
	kv := store.KV{Pack: pack, Key: key}
	err := s.read(ctx, "read kv", func(c *conn) error {
		return c.query(context.Background(), selectKV, func(row []driver.Value) error {
			kv.Version = intOf(row[2])
			if expires := timeOf(row[1]); expires.IsZero() || expires.After(now) {
				kv.Value, kv.Expires = bytesOf(row[0]), expires
			}
			return nil
		}, pack, key)
	})
	if kv.Value == nil {
		kv.Expires = time.Time{}
	}
	return kv, err
}

// KVList implements store.Store.
func (s *Store) KVList(ctx context.Context, pack, prefix string, now time.Time, limit int) ([]store.KV, error) {
	var list []store.KV
	what, end := selectKVs, after(prefix)
	if end == nil {
		what = selectKVsUp
	}
	err := s.read(ctx, "list kv", func(c *conn) error {
		return c.query(context.Background(), what, func(row []driver.Value) error {
			list = append(list, store.KV{Pack: pack, Key: stringOf(row[3]), Value: bytesOf(row[0]), Expires: timeOf(row[1]), Version: intOf(row[2])})
			return nil
		}, pack, prefix, end, now.UnixMicro(), int64(max(limit, 0)))
	})
	return list, err
}

// after is the first text behind all that begin with prefix; nil: there is none.
func after(prefix string) driver.Value {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return nil
}

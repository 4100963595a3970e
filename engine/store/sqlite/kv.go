package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"chertd/engine/store"
	"chertd/rules/turn"
)

var (
	selectVersion = declare(`SELECT version, iif(expires_at <= ?3, 0, octet_length(key) + octet_length(value)) FROM kv WHERE pack = ?1 AND key = ?2`)
	selectLive    = declare(`SELECT octet_length(key) + octet_length(value) FROM kv WHERE pack = ?1 AND key = ?2
		AND value IS NOT NULL AND (expires_at IS NULL OR expires_at > ?3)`)
	selectUsage   = declare(`SELECT bytes FROM kv_usage WHERE pack = ?`)
	selectExpired = declare(`SELECT sum(octet_length(key) + octet_length(value)) FROM kv INDEXED BY kv_expiring
		WHERE pack = ? AND expires_at IS NOT NULL AND value IS NOT NULL AND expires_at <= ?`)
	// A cleared entry's row stays for its version, as that of a deleted one does.
	clearExpired = declareCostly("clears at most maxCleared entries, which an index finds", `UPDATE kv SET value = NULL, expires_at = NULL WHERE pack = ?1 AND key IN (
		SELECT key FROM kv INDEXED BY kv_expiring WHERE pack = ?1 AND expires_at IS NOT NULL AND value IS NOT NULL AND expires_at <= ?2
		ORDER BY expires_at LIMIT ?3)`)
	upsertKV = declare(`INSERT INTO kv (pack, key, value, expires_at, version) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at, version = excluded.version`)
	selectKV = declare(`SELECT value, expires_at, version FROM kv WHERE pack = ?1 AND key = ?2`)
	// Sizes are read first: a page ends before the value that it has no room for.
	selectKVs = declare(`SELECT octet_length(value), expires_at, version, key FROM kv WHERE pack = ?1 AND key >= ?2 AND key < ?3
		AND value IS NOT NULL AND (expires_at IS NULL OR expires_at > ?4) ORDER BY key LIMIT ?5`)
	selectKVsUp = declare(`SELECT octet_length(value), expires_at, version, key FROM kv WHERE pack = ?1 AND key >= ?2 AND ?3 IS NULL
		AND value IS NOT NULL AND (expires_at IS NULL OR expires_at > ?4) ORDER BY key LIMIT ?5`)
	selectValue = declare(`SELECT value FROM kv WHERE pack = ? AND key = ?`)
)

// maxCleared limits the expired entries that a batch clears when it writes to their
// pack's kv: more than it can add, and few enough to take a millisecond or two.
const maxCleared = 256

type kvKey struct{ pack, key string }

// entry is what validate knows of a kv row.
type entry struct {
	version int64
	size    int64 // of key and value; 0 if it has none, or has expired
}

// validate checks what a request's handlers read against the current entries, with
// the request's earlier steps applied, and what they wrote against the packs'
// quotas. It returns the current entries under the keys that are written.
func (w *writer) validate(r *request) (entries map[kvKey]entry, refused, err error) {
	quotas := r.quotas()
	current := func(kv *turn.KV) (entry, error) {
		k := kvKey{kv.Pack, kv.Key}
		if e, ok := entries[k]; ok {
			return e, nil
		}
		var e entry
		err := w.conn.query(context.Background(), selectVersion, func(row []driver.Value) error {
			e = entry{intOf(row[0]), intOf(row[1])}
			return nil
		}, kv.Pack, kv.Key, quotas[kv.Pack].At.UnixMicro())
		if entries == nil {
			entries = map[kvKey]entry{}
		}
		entries[k] = e
		return e, err
	}
	written := map[kvKey]int64(nil)
	sizes := map[kvKey]int64(nil) // as the request leaves them
	for i := range r.steps {
		s := &r.steps[i]
		for j := range s.reads {
			e, err := current(&s.reads[j])
			if err != nil {
				return nil, nil, err
			}
			if e.version+written[kvKey{s.reads[j].Pack, s.reads[j].Key}] != s.reads[j].Version {
				return nil, store.ErrConflict, nil
			}
		}
		for j := range s.writes {
			kv := &s.writes[j]
			if _, err := current(kv); err != nil {
				return nil, nil, err
			}
			if written == nil {
				written, sizes = map[kvKey]int64{}, map[kvKey]int64{}
			}
			k := kvKey{kv.Pack, kv.Key}
			written[k]++
			sizes[k] = 0
			if live := kv.Expires.IsZero() || kv.Expires.After(quotas[kv.Pack].At); live && kv.Value != nil {
				sizes[k] = int64(len(kv.Key) + len(kv.Value))
			}
		}
	}
	for pack, q := range quotas {
		more := int64(0)
		for k, size := range sizes {
			if k.pack == pack {
				more += size - entries[k].size
			}
		}
		if fits, err := w.fits(q, more); err != nil || !fits {
			return nil, refusal(!fits), err
		}
	}
	return entries, nil, nil
}

func refusal(refused bool) error {
	if refused {
		return store.ErrConflict
	}
	return nil
}

// quotas returns a request's quotas by pack, as of its last step.
func (r *request) quotas() map[string]turn.Quota {
	var quotas map[string]turn.Quota
	for i := range r.steps {
		for _, q := range r.steps[i].quotas {
			if quotas == nil {
				quotas = map[string]turn.Quota{}
			}
			if q.At.Before(quotas[q.Pack].At) {
				q.At = quotas[q.Pack].At
			}
			quotas[q.Pack] = q
		}
	}
	return quotas
}

// fits reports whether a pack has room for a number of bytes more. It also clears
// some of what has expired.
func (w *writer) fits(q turn.Quota, more int64) (bool, error) {
	if _, err := w.conn.exec(clearExpired, q.Pack, q.At.UnixMicro(), int64(maxCleared)); err != nil {
		return false, err
	}
	if more <= 0 {
		return true, nil
	}
	total, err := w.conn.one(context.Background(), selectUsage, q.Pack)
	if err != nil || intOf(total)+more <= q.Bytes {
		return true, err
	}
	expired, err := w.conn.one(context.Background(), selectExpired, q.Pack, q.At.UnixMicro())
	return intOf(total)-intOf(expired)+more <= q.Bytes, err
}

// writeKV writes one entry with the next version. A deleted entry's row stays,
// without a value: if versions started again, one could be mistaken for an old one.
func (w *writer) writeKV(kv turn.KV, entries map[kvKey]entry) error {
	k := kvKey{kv.Pack, kv.Key}
	e := entries[k]
	e.version++
	entries[k] = e
	_, err := w.conn.exec(upsertKV, kv.Pack, kv.Key, optionalJSON(kv.Value), micros(kv.Expires), e.version)
	return err
}

// KV implements store.Store.
func (s *Store) KV(ctx context.Context, pack, key string, now time.Time) (turn.KV, error) {
	kv := turn.KV{Pack: pack, Key: key}
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
func (s *Store) KVList(ctx context.Context, pack, prefix, after string, now time.Time, limit, bytes int) (page []turn.KV, next string, err error) {
	what, end := selectKVs, behind(prefix)
	if end == nil {
		what = selectKVsUp
	}
	from := prefix
	if after >= prefix && after != "" {
		from = after + "\x00" // the next string
	}
	err = s.snapshot(ctx, "list kv", func(c *conn) error {
		size := int64(0)
		full := errors.New("the page is full")
		err := c.query(context.Background(), what, func(row []driver.Value) error {
			// The empty key, which no rule can write, can't be the end of a page.
			if n := len(page); n > 0 && page[n-1].Key != "" && size+intOf(row[0]) > int64(bytes) {
				return full
			}
			size += intOf(row[0])
			page = append(page, turn.KV{Pack: pack, Key: stringOf(row[3]), Expires: timeOf(row[1]), Version: intOf(row[2])})
			return nil
		}, pack, from, end, now.UnixMicro(), int64(max(limit, 0)))
		if err != nil && !errors.Is(err, full) {
			return err
		}
		if len(page) > 0 && (err != nil || len(page) == limit) {
			next = page[len(page)-1].Key
		}
		for i := range page {
			v, err := c.one(context.Background(), selectValue, pack, page[i].Key)
			if err != nil {
				return err
			}
			page[i].Value = bytesOf(v)
		}
		return nil
	})
	return page, next, err
}

// KVUsage implements store.Store.
func (s *Store) KVUsage(ctx context.Context, pack string, now time.Time, without []string) (n int64, err error) {
	err = s.snapshot(ctx, "measure kv", func(c *conn) error {
		total, err := c.one(context.Background(), selectUsage, pack)
		if err != nil {
			return err
		}
		expired, err := c.one(context.Background(), selectExpired, pack, now.UnixMicro())
		if err != nil {
			return err
		}
		n = intOf(total) - intOf(expired)
		seen := map[string]bool{}
		for _, key := range without {
			if seen[key] {
				continue
			}
			seen[key] = true
			size, err := c.one(context.Background(), selectLive, pack, key, now.UnixMicro())
			if err != nil {
				return err
			}
			n -= intOf(size)
		}
		return nil
	})
	return n, err
}

// behind returns the first string after all that begin with prefix; nil: there is none.
func behind(prefix string) driver.Value {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return nil
}

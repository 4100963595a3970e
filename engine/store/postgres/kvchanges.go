package postgres

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/rules/turn"
)

const (
	insertUsage = `INSERT INTO kv_usage (pack, bytes) SELECT u.pack, 0 FROM unnest($1::text[]) AS u (pack) ON CONFLICT DO NOTHING`
	lockUsage   = `SELECT pack, bytes FROM kv_usage WHERE pack = ANY($1) ORDER BY pack FOR UPDATE`
	selectKVOf  = `SELECT u.i, k.version, k.bytes, k.expires_at FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS u (pack, key, i)
		JOIN kv k ON k.pack = u.pack AND k.key = u.key`
	selectExpired = `SELECT coalesce(sum(bytes), 0)::bigint FROM kv WHERE pack = $1 AND expires_at IS NOT NULL AND value IS NOT NULL AND expires_at <= $2
		AND key <> ALL($3::bytea[])`
	// A cleared entry's row stays for its version, as that of a deleted one does.
	clearExpired = `UPDATE kv SET value = NULL, bytes = 0, expires_at = NULL WHERE pack = $1 AND key IN (
		SELECT key FROM kv WHERE pack = $1 AND expires_at IS NOT NULL AND value IS NOT NULL AND expires_at <= $2 ORDER BY expires_at LIMIT $3)`
	upsertKV = `INSERT INTO kv (pack, key, value, bytes, expires_at, version)
		SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bigint[], $5::timestamptz[], $6::bigint[])
		ON CONFLICT (pack, key) DO UPDATE SET value = excluded.value, bytes = excluded.bytes, expires_at = excluded.expires_at, version = excluded.version`
)

// maxCleared limits the expired entries that a transaction clears when it writes to their
// pack's kv: more than it can add, and few enough to take a millisecond or two.
const maxCleared = 256

type kvKey struct{ pack, key string }

// kvEntry is a row of kv, with the changes of batches before.
type kvEntry struct {
	version int64
	bytes   int64 // of key and value; 0: it has none
	expires time.Time
}

// live returns its bytes, 0 if it has expired by a time.
func (e *kvEntry) live(at time.Time) int64 {
	if !e.expires.IsZero() && !e.expires.After(at) {
		return 0
	}
	return e.bytes
}

// kvChanges is what a transaction reads and writes in kv.
type kvChanges struct {
	entries map[kvKey]*kvEntry
	usage   map[string]int64 // by pack, of all entries with a value
	written map[kvKey]*turn.KV
	quotas  map[string]time.Time // of packs that wrote: what has expired by then may be cleared
}

// note notes what a transition reads and writes.
func (c *kvChanges) note(t *turn.Transition) {
	for _, list := range [...][]turn.KV{t.Reads, t.Writes} {
		for i := range list {
			put(&c.entries, kvKey{list[i].Pack, list[i].Key}, &kvEntry{})
		}
	}
	for _, q := range t.Quotas {
		put(&c.usage, q.Pack, 0)
	}
}

// lookUp reads the entries that were noted, and locks their packs' kv.
func (c *kvChanges) lookUp(b *pgx.Batch) {
	for k := range c.entries {
		put(&c.usage, k.pack, 0)
	}
	if len(c.usage) == 0 {
		return
	}
	packs := slices.Sorted(maps.Keys(c.usage))
	b.Queue(insertUsage, texts(packs))
	b.Queue(lockUsage, texts(packs)).Query(func(rows pgx.Rows) error {
		var pack string
		var n int64
		_, err := pgx.ForEachRow(rows, []any{&pack, &n}, func() error {
			c.usage[untext(pack)] = n
			return nil
		})
		return err
	})
	keys := slices.Collect(maps.Keys(c.entries))
	packs = packs[:0]
	var names [][]byte
	for _, k := range keys {
		packs, names = append(packs, text(k.pack)), append(names, []byte(k.key))
	}
	b.Queue(selectKVOf, packs, names).Query(func(rows pgx.Rows) error {
		var i int64
		var e kvEntry
		var expires *time.Time
		_, err := pgx.ForEachRow(rows, []any{&i, &e.version, &e.bytes, &expires}, func() error {
			e.expires = timeOf(expires)
			*c.entries[keys[i-1]] = e
			return nil
		})
		return err
	})
}

// validate checks what a request's handlers read against the current entries, with
// the request's earlier steps applied, and what they wrote against the packs'
// quotas. If all holds it takes the writes.
func (c *kvChanges) validate(ctx context.Context, tx pgx.Tx, r *commitRequest) (bool, error) {
	quotas := r.quotas()
	times := map[kvKey]int64{} // that the request writes a key
	last := map[kvKey]*turn.KV{}
	for i := range r.steps {
		t := r.steps[i].Transition
		for j := range t.Reads {
			k := kvKey{t.Reads[j].Pack, t.Reads[j].Key}
			if c.entries[k].version+times[k] != t.Reads[j].Version {
				return false, nil
			}
		}
		for j := range t.Writes {
			k := kvKey{t.Writes[j].Pack, t.Writes[j].Key}
			times[k]++
			last[k] = &t.Writes[j]
		}
	}
	for pack, q := range quotas {
		more := int64(0)
		for k, kv := range last {
			if k.pack == pack {
				after := entryAfter(kv)
				more += after.live(q.At) - c.entries[k].live(q.At)
			}
		}
		if fits, err := c.fits(ctx, tx, q, more); err != nil || !fits {
			return false, err
		}
	}
	for k, kv := range last {
		before, after := c.entries[k], entryAfter(kv)
		after.version = before.version + times[k]
		c.usage[k.pack] += after.bytes - before.bytes
		*before = after
		put(&c.written, k, kv)
	}
	for pack, q := range quotas {
		if q.At.After(c.quotas[pack]) {
			put(&c.quotas, pack, q.At)
		}
	}
	return true, nil
}

// entryAfter returns an entry as a write leaves it, but for its version.
func entryAfter(kv *turn.KV) (e kvEntry) {
	if e.expires = kv.Expires; kv.Value != nil {
		e.bytes = int64(len(kv.Key) + len(kv.Value))
	}
	return e
}

// quotas returns a request's quotas by pack, as of its last step.
func (r *commitRequest) quotas() map[string]turn.Quota {
	var quotas map[string]turn.Quota
	for i := range r.steps {
		for _, q := range r.steps[i].Quotas {
			if q.At.Before(quotas[q.Pack].At) {
				q.At = quotas[q.Pack].At
			}
			put(&quotas, q.Pack, q)
		}
	}
	return quotas
}

// fits reports whether a pack has room for a number of bytes more.
func (c *kvChanges) fits(ctx context.Context, tx pgx.Tx, q turn.Quota, more int64) (bool, error) {
	if more <= 0 || c.usage[q.Pack]+more <= q.Bytes {
		return true, nil
	}
	written := [][]byte{}
	expired := int64(0)
	for k := range c.written {
		if e := c.entries[k]; k.pack == q.Pack {
			written = append(written, []byte(k.key))
			expired += e.bytes - e.live(q.At)
		}
	}
	var n int64
	err := tx.QueryRow(ctx, selectExpired, text(q.Pack), q.At, written).Scan(&n)
	return c.usage[q.Pack]-expired-n+more <= q.Bytes, err
}

// write writes the entries with their next versions. A deleted entry's row stays,
// without a value: if versions started again, one could be mistaken for an old one.
func (c *kvChanges) write(b *pgx.Batch) {
	for _, pack := range slices.Sorted(maps.Keys(c.quotas)) {
		b.Queue(clearExpired, text(pack), c.quotas[pack], maxCleared)
	}
	if len(c.written) == 0 {
		return
	}
	var (
		packs           []string
		keys, values    [][]byte
		sizes, versions []int64
		expires         []*time.Time
	)
	for _, k := range slices.SortedFunc(maps.Keys(c.written), func(a, b kvKey) int { return cmp.Or(cmp.Compare(a.pack, b.pack), cmp.Compare(a.key, b.key)) }) {
		kv, e := c.written[k], c.entries[k]
		packs, keys, values = append(packs, text(k.pack)), append(keys, []byte(k.key)), append(values, kv.Value)
		sizes, versions, expires = append(sizes, e.bytes), append(versions, e.version), append(expires, instant(kv.Expires))
	}
	b.Queue(upsertKV, packs, keys, values, sizes, expires, versions)
}

package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules/turn"
)

const (
	// missedColumns are the columns that missedOf reads, in its order.
	missedColumns = `pack, seq, key, at, version, why, can_veto, cause, chats, can_hold`

	// The first events of each pack have the first events of all.
	selectMissed = `SELECT ` + missedColumns + ` FROM (
		SELECT m.*, dense_rank() OVER (ORDER BY m.seq) AS nth FROM unnest($1::text[]) AS p (pack),
			LATERAL (SELECT * FROM missed WHERE pack = p.pack AND seq > $2 AND at >= $3 AND slot % $4 = $5 AND why <> 'elsewhere'
				ORDER BY seq LIMIT $6) m) ranked
		WHERE nth <= $6 ORDER BY seq, pack`
	selectVetoes      = `SELECT ` + missedColumns + ` FROM missed WHERE can_veto AND key = $1 ORDER BY seq, pack`
	selectMissedPacks = `SELECT pack, version, count(*), min(at), max(at) FROM missed WHERE why <> 'elsewhere' GROUP BY pack, version
		ORDER BY pack, version COLLATE "C"`

	countMissed = `SELECT count(*) FILTER (WHERE at >= $2), min(at) FILTER (WHERE at >= $2), count(*) FILTER (WHERE at < $2), min(at) FILTER (WHERE at < $2)
		FROM missed WHERE pack = $1 AND why <> 'elsewhere'`
	countBlocked = `SELECT count(*) FILTER (WHERE at >= $2), count(*) FILTER (WHERE at < $2) FROM (
		SELECT (SELECT max(m.at) FROM missed m WHERE m.can_veto AND m.key = a.chat_id
			AND (m.can_hold OR m.seq >= least(a.event_seq, a.covers_seq)) AND m.pack = $1) AS at
		FROM open_actions a WHERE a.status = 'blocked') blocked`
)

func missedOf(row pgx.CollectableRow) (m turn.Missed, err error) {
	var (
		at    *time.Time
		why   string
		cause *int64
		chats []byte
	)
	if err := row.Scan(&m.Pack, &m.Seq, &m.Key, &at, &m.Version, &why, &m.CanVeto, &cause, &chats, &m.CanHold); err != nil {
		return m, err
	}
	m.Pack, m.Key, m.Version, m.Why, m.At = untext(m.Pack), untext(m.Key), untext(m.Version), turn.MissedWhy(untext(why)), timeOf(at)
	if cause != nil {
		m.Cause = *cause
	}
	return m, parse(chats, &m.Chats, fmt.Sprintf("event %d, missed by pack %s", m.Seq, m.Pack))
}

// MissedPacks implements store.Misses. It looks at every row.
func (s *Store) MissedPacks(ctx context.Context) ([]store.MissedPack, error) {
	return selectRows(ctx, s, "count missed events", func(row pgx.CollectableRow) (p store.MissedPack, err error) {
		var first, last *time.Time
		err = row.Scan(&p.Pack, &p.Version, &p.Events, &first, &last)
		p.Pack, p.Version, p.First, p.Last = untext(p.Pack), untext(p.Version), timeOf(first), timeOf(last)
		return p, err
	}, selectMissedPacks)
}

// Missed implements store.Misses.
func (s *Store) Missed(ctx context.Context, shard store.Shard, packs []string, after int64, since time.Time, limit int) ([]turn.Missed, error) {
	return selectRows(ctx, s, "read missed events", missedOf, selectMissed, texts(packs), after, since, max(shard.Of, 1), shard.Index, max(limit, 1))
}

// Vetoes implements store.Misses.
func (s *Store) Vetoes(ctx context.Context, key string) ([]turn.Missed, error) {
	return selectRows(ctx, s, "read missed events", missedOf, selectVetoes, text(key))
}

// Backlog implements store.Misses. It looks at every read that is blocked.
func (s *Store) Backlog(ctx context.Context, pack string, since time.Time) (recent, older store.Backlog, err error) {
	type split struct{ recent, older store.Backlog }
	both, err := browse(ctx, s, "count the missed events of pack "+pack, func(tx pgx.Tx) (b split, err error) {
		var first, last *time.Time
		err = tx.QueryRow(ctx, countMissed, text(pack), since).Scan(&b.recent.Events, &first, &b.older.Events, &last)
		if err != nil {
			return b, err
		}
		b.recent.First, b.older.First = timeOf(first), timeOf(last)
		return b, tx.QueryRow(ctx, countBlocked, text(pack), since).Scan(&b.recent.Reads, &b.older.Reads)
	})
	return both.recent, both.older, err
}

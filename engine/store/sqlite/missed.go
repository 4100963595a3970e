package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"math"
	"slices"
	"time"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// missedColumns are the columns that missedOf reads, in its order.
const missedColumns = `pack, seq, key, at, version, why, can_veto, cause, chats, can_hold`

var (
	upsertMissed = declare(`INSERT INTO missed (pack, seq, key, slot, at, version, why, can_veto, cause, chats, can_hold) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET key = excluded.key, slot = excluded.slot, at = excluded.at, version = excluded.version,
		why = excluded.why, can_veto = excluded.can_veto, cause = excluded.cause, chats = excluded.chats, can_hold = excluded.can_hold`)
	deleteMissed = declare(`DELETE FROM missed WHERE pack = ? AND seq = ?`)

	selectMissed = declare(`SELECT ` + missedColumns + ` FROM missed
		WHERE pack = ? AND seq > ? AND at >= ? AND slot % ? = ? AND why <> 'elsewhere' ORDER BY seq LIMIT ?`)
	selectVetoes      = declare(`SELECT ` + missedColumns + ` FROM missed WHERE can_veto = 1 AND key = ? ORDER BY seq, pack`)
	selectMissedPacks = declareCostly("looks at all that was missed, once at each start",
		`SELECT pack, version, count(*), min(at), max(at) FROM missed
		WHERE why <> 'elsewhere' GROUP BY pack, version ORDER BY pack, version`)

	countBacklog = declareCostly("looks at all that a pack has missed and all reads that are blocked, now and then while there are some",
		`SELECT 0, at >= ?2, count(*), min(at) FROM missed WHERE pack = ?1 AND why <> 'elsewhere' GROUP BY at >= ?2
		UNION ALL SELECT 1, at >= ?2, count(*), NULL FROM (
			SELECT (SELECT max(m.at) FROM missed m WHERE m.can_veto = 1 AND m.key = a.chat_id
				AND (m.can_hold = 1 OR m.seq >= min(a.event_seq, a.covers_seq)) AND m.pack = ?1) AS at
			FROM open_actions a WHERE a.status = 'blocked')
		WHERE at IS NOT NULL GROUP BY at >= ?2`)
)

// encodeMissed adds the changes of the table missed.
func (s *step) encodeMissed(t *turn.Transition) error {
	for i := range t.Missed {
		m := &t.Missed[i]
		chats, err := encoded(m.Chats, len(m.Chats) == 0)
		if err != nil {
			return fmt.Errorf("event %d, missed by pack %s: %w", m.Seq, m.Pack, err)
		}
		var cause driver.Value
		if m.Cause != 0 {
			cause = m.Cause
		}
		s.add(upsertMissed, m.Pack, m.Seq, m.Key, int64(store.Slot(m.Key)), micros(m.At), m.Version, string(m.Why), flag(m.CanVeto), cause, chats, flag(m.CanHold))
	}
	for _, id := range t.Made {
		s.add(deleteMissed, id.Pack, id.Seq)
	}
	return nil
}

func missedOf(row []driver.Value) (m turn.Missed, err error) {
	m = turn.Missed{
		Pack: stringOf(row[0]), Seq: intOf(row[1]), Key: stringOf(row[2]), At: timeOf(row[3]), Version: stringOf(row[4]),
		Why: turn.MissedWhy(stringOf(row[5])), CanVeto: intOf(row[6]) != 0, Cause: intOf(row[7]), CanHold: intOf(row[9]) != 0,
	}
	return m, decode(row[8], &m.Chats, fmt.Sprintf("event %d, missed by pack %s", m.Seq, m.Pack))
}

// MissedPacks implements store.Misses. It looks at every row.
func (s *Store) MissedPacks(ctx context.Context) ([]store.MissedPack, error) {
	return readList(ctx, s, "count missed events", selectMissedPacks, func(row []driver.Value) (store.MissedPack, error) {
		return store.MissedPack{Pack: stringOf(row[0]), Version: stringOf(row[1]), Events: intOf(row[2]), First: timeOf(row[3]), Last: timeOf(row[4])}, nil
	})
}

// Missed implements store.Misses.
func (s *Store) Missed(ctx context.Context, shard store.Shard, packs []string, after int64, since time.Time, limit int) (all []turn.Missed, err error) {
	limit = max(limit, 1)
	last := int64(math.MaxInt64) // up to which the rows of all packs were read
	err = s.snapshot(ctx, "read missed events", func(c *conn) error {
		for _, pack := range packs {
			rows, err := list(ctx, c, selectMissed, missedOf, pack, after, since.UnixMicro(), int64(max(shard.Of, 1)), int64(shard.Index), int64(limit))
			if err != nil {
				return err
			}
			if len(rows) == limit {
				last = min(last, rows[limit-1].Seq)
			}
			all = append(all, rows...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(m turn.Missed) bool { return m.Seq > last })
	slices.SortFunc(all, func(a, b turn.Missed) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Pack, b.Pack)) })
	for i, events := 1, 1; i < len(all); i++ {
		if all[i].Seq == all[i-1].Seq {
			continue
		}
		if events++; events > limit {
			return all[:i], nil
		}
	}
	return all, nil
}

// Vetoes implements store.Misses.
func (s *Store) Vetoes(ctx context.Context, key string) ([]turn.Missed, error) {
	return readList(ctx, s, "read missed events", selectVetoes, missedOf, key)
}

// Backlog implements store.Misses. It looks at every read that is blocked.
func (s *Store) Backlog(ctx context.Context, pack string, since time.Time) (recent, older store.Backlog, err error) {
	both, err := browse(ctx, s, "count the missed events of pack "+pack, func(c *conn) (both [2]store.Backlog, err error) {
		err = c.query(ctx, countBacklog, func(row []driver.Value) error {
			b := &both[intOf(row[1])]
			if intOf(row[0]) == 0 {
				b.Events, b.First = intOf(row[2]), timeOf(row[3])
			} else {
				b.Reads = intOf(row[2])
			}
			return nil
		}, pack, since.UnixMicro())
		return both, err
	})
	return both[1], both[0], err
}

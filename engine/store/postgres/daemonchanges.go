package postgres

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/rules"
)

const (
	upsertSchedules = `INSERT INTO schedules (pack, rule, every, done_until, expires_at) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[])
		ON CONFLICT (pack, rule, every) DO UPDATE SET done_until = excluded.done_until, expires_at = excluded.expires_at`
	deleteSchedules = `DELETE FROM schedules s USING unnest($1::text[], $2::text[], $3::text[]) AS u (pack, rule, every)
		WHERE s.pack = u.pack AND s.rule = u.rule AND s.every = u.every`
	upsertReadCounts = `INSERT INTO read_counts (pack, count, reads, per) SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
		ON CONFLICT (pack) DO UPDATE SET count = excluded.count, reads = excluded.reads, per = excluded.per`
	upsertReadCalls = `INSERT INTO read_calls (pack, place, count, at) SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::timestamptz[])
		ON CONFLICT (pack, place) DO UPDATE SET count = excluded.count, at = excluded.at`
	deleteReadCalls = `DELETE FROM read_calls c USING unnest($1::text[], $2::bigint[]) AS u (pack, place) WHERE c.pack = u.pack AND c.place = u.place`
)

// writeDaemon writes the runs of schedules and the counted reads.
func (c *restChanges) writeDaemon(b *pgx.Batch) {
	c.writeSchedules(b)
	var (
		packs       []string
		counts      []int64
		reads, pers []*int64
	)
	for _, pack := range slices.Sorted(maps.Keys(c.readCounts)) {
		n := c.readCounts[pack]
		var limit, per *int64
		if n.Limit != (rules.Rate{}) {
			a, b := int64(n.Limit.N), n.Limit.Per.Microseconds()
			limit, per = &a, &b
		}
		packs, counts, reads, pers = append(packs, text(pack)), append(counts, n.Count), append(reads, limit), append(pers, per)
	}
	if len(packs) > 0 {
		b.Queue(upsertReadCounts, packs, counts, reads, pers)
	}
	c.writeReadCalls(b)
}

func (c *restChanges) writeSchedules(b *pgx.Batch) {
	var (
		gonePacks, goneRules, goneEvery []string
		packs, names, every             []string
		done                            []time.Time
		expires                         []*time.Time
	)
	for _, id := range slices.SortedFunc(maps.Keys(c.schedules), func(a, b rules.ScheduleID) int {
		return cmp.Or(cmp.Compare(a.Pack, b.Pack), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Every, b.Every))
	}) {
		r := c.schedules[id]
		if r.Done.IsZero() {
			gonePacks, goneRules, goneEvery = append(gonePacks, text(id.Pack)), append(goneRules, text(id.Rule)), append(goneEvery, text(id.Every))
			continue
		}
		packs, names, every = append(packs, text(id.Pack)), append(names, text(id.Rule)), append(every, text(id.Every))
		done, expires = append(done, r.Done), append(expires, instant(r.Expires))
	}
	if len(gonePacks) > 0 {
		b.Queue(deleteSchedules, gonePacks, goneRules, goneEvery)
	}
	if len(packs) > 0 {
		b.Queue(upsertSchedules, packs, names, every, done, expires)
	}
}

func (c *restChanges) writeReadCalls(b *pgx.Batch) {
	var (
		gonePacks, packs           []string
		gonePlaces, places, counts []int64
		ats                        []time.Time
	)
	for _, k := range slices.SortedFunc(maps.Keys(c.readCalls), func(a, b readPlace) int {
		return cmp.Or(cmp.Compare(a.pack, b.pack), cmp.Compare(a.place, b.place))
	}) {
		n := c.readCalls[k]
		if n.At.IsZero() {
			gonePacks, gonePlaces = append(gonePacks, text(k.pack)), append(gonePlaces, int64(k.place))
			continue
		}
		packs, places, counts, ats = append(packs, text(k.pack)), append(places, int64(k.place)), append(counts, n.Count), append(ats, n.At)
	}
	if len(gonePacks) > 0 {
		b.Queue(deleteReadCalls, gonePacks, gonePlaces)
	}
	if len(packs) > 0 {
		b.Queue(upsertReadCalls, packs, places, counts, ats)
	}
}

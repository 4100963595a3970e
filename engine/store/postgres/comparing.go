package postgres

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules/turn"
)

const (
	countVersions = `UPDATE pack_versions v SET events = v.events + u.events, failures = v.failures + u.failures
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS u (pack, version, events, failures) WHERE v.pack = u.pack AND v.version = u.version`
	countCompared = `INSERT INTO pack_comparisons AS c (pack, version, against, result, since_at, events)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[])
		ON CONFLICT (pack, version, against, result) DO UPDATE SET events = c.events + excluded.events`
	insertDifferences = `INSERT INTO pack_differences (pack, event_seq, version, against, result)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[]) ON CONFLICT DO NOTHING`
	pruneDifferences = `DELETE FROM pack_differences d USING unnest($1::text[]) AS u (pack) WHERE d.pack = u.pack
		AND d.event_seq <= (SELECT k.event_seq FROM pack_differences k WHERE k.pack = u.pack ORDER BY k.event_seq DESC LIMIT 1 OFFSET $2)`
)

// comparing counts the comparisons of a transaction.
type comparing struct {
	counts map[turn.Compared]int64
	first  map[turn.Compared]time.Time
	differ []differing
}

type differing struct {
	turn.Compared
	seq int64
}

// note notes the comparisons of a decision.
func (c *comparing) note(d *decisionRow, at time.Time) {
	for _, x := range d.compared {
		put(&c.counts, x, c.counts[x]+1)
		if c.counts[x] == 1 {
			put(&c.first, x, at)
		}
		if x.Result != turn.Agrees {
			c.differ = append(c.differ, differing{x, d.Seq})
		}
	}
}

func (c *comparing) write(b *pgx.Batch) {
	if len(c.counts) > 0 {
		var packs, versions, against, results []string
		var first []*time.Time
		var events []int64
		for _, x := range slices.SortedFunc(maps.Keys(c.counts), func(a, b turn.Compared) int {
			return cmp.Or(cmp.Compare(a.Pack, b.Pack), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Against, b.Against), cmp.Compare(a.Result, b.Result))
		}) {
			packs, versions, against, results = append(packs, text(x.Pack)), append(versions, text(x.Version)), append(against, text(x.Against)), append(results, string(x.Result))
			first, events = append(first, instant(c.first[x])), append(events, c.counts[x])
		}
		b.Queue(countCompared, packs, versions, against, results, first, events)
	}
	if len(c.differ) > 0 {
		var packs, versions, against, results []string
		var seqs []int64
		for _, d := range c.differ {
			packs, versions, against, results = append(packs, text(d.Pack)), append(versions, text(d.Version)), append(against, text(d.Against)), append(results, string(d.Result))
			seqs = append(seqs, d.seq)
		}
		b.Queue(insertDifferences, packs, seqs, versions, against, results)
		packs = slices.Clone(packs)
		slices.Sort(packs)
		b.Queue(pruneDifferences, slices.Compact(packs), int64(store.KeptDifferences))
	}
}

// writeTallies writes what the transaction has counted. A version that is not kept has no row and
// is not counted.
func (g *changes) writeTallies(b *pgx.Batch) {
	if len(g.versions) > 0 {
		packs, names := columnsOf(g.versions)
		var events, failures []int64
		for _, k := range sortedVersions(g.versions) {
			events, failures = append(events, g.versions[k].events), append(failures, g.versions[k].failures)
		}
		b.Queue(countVersions, packs, names, events, failures)
	}
	g.compared.write(b)
	g.rules.write(b)
}

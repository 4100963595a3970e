package postgres

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

// ruleSums are the columns of rule_totals that are added up, in the order of sumsOf.
var ruleSums = []string{"matched", "ran", "failed", "steps", "took", "requests", "reads", "read", "vetoed", "superseded", "dead", "ended", "actions"}

// sumsOf returns the fields of counts that are added up.
func sumsOf(c *turn.RuleCounts) [13]*int64 {
	return [...]*int64{&c.Matched, &c.Ran, &c.Failed, &c.Steps, (*int64)(&c.Took), &c.Requests, &c.Reads, &c.Read, &c.Vetoed, &c.Superseded, &c.Dead, &c.Ended, &c.Actions}
}

// ruleVeto is a rule, and what vetoed reads of it.
type ruleVeto struct{ pack, rule, by string }

// ruleTally has what rules did in a transaction.
type ruleTally struct {
	after  int64 // up to here events do not count
	counts map[turn.RuleRun]*ruleCount
	vetoes map[ruleVeto]int64
}

type ruleCount struct {
	turn.RuleCounts
	first time.Time // of the events
}

func (t *ruleTally) add(run turn.RuleRun, c *turn.RuleCounts, n int64) *ruleCount {
	total := t.counts[run]
	if total == nil {
		total = &ruleCount{}
		put(&t.counts, run, total)
	}
	total.Add(c, n)
	return total
}

// decide counts a decision. was is the decision that it replaces; nil: none. Of two the first
// one's Took stays, as nothing keeps how it was shared.
func (t *ruleTally) decide(d, was *turn.Decision) {
	if d.Seq <= t.after {
		return
	}
	if was != nil {
		turn.CountDecision(was, func(run turn.RuleRun, c *turn.RuleCounts) { t.add(run, c, -1) })
	}
	turn.CountDecision(d, func(run turn.RuleRun, c *turn.RuleCounts) {
		if total := t.add(run, c, 1); total.first.IsZero() {
			total.first = d.At
		}
	})
}

// action counts what has changed of an action; was is nil if it is new.
func (t *ruleTally) action(was, now *chat.Action) {
	if now.ID.Seq <= t.after || was != nil && was.Status == now.Status && was.Why == now.Why && was.EndedBy == now.EndedBy {
		return
	}
	t.count(now, 1)
	if was != nil {
		t.count(was, -1)
	}
}

func (t *ruleTally) count(a *chat.Action, n int64) {
	run, c := turn.CountAction(a)
	t.add(run, &c, n)
	if by := turn.VetoedBy(a); by != "" {
		v := ruleVeto{a.Pack, a.Rule, by}
		put(&t.vetoes, v, t.vetoes[v]+n)
	}
}

// countRules adds to rule_totals. Times and a sequence are replaced by later ones, all else is
// added up.
var countRules = func() string {
	var b strings.Builder
	b.WriteString("INSERT INTO rule_totals AS t (pack, rule, shadow, since_at, " + strings.Join(ruleSums, ", ") +
		", matched_at, requested_at, failed_at, failed_seq)\n\tSELECT * FROM unnest($1::text[], $2::text[], $3::integer[], $4::timestamptz[]")
	for i := range len(ruleSums) + 4 {
		fmt.Fprintf(&b, ", $%d::bigint[]", 5+i)
	}
	b.WriteString(")\n\tON CONFLICT (pack, rule, shadow) DO UPDATE SET ")
	for _, column := range ruleSums {
		fmt.Fprintf(&b, "%[1]s = t.%[1]s + excluded.%[1]s, ", column)
	}
	b.WriteString(`matched_at = greatest(t.matched_at, excluded.matched_at), requested_at = greatest(t.requested_at, excluded.requested_at),
	failed_seq = CASE WHEN excluded.failed_at > t.failed_at THEN excluded.failed_seq ELSE t.failed_seq END,
	failed_at = greatest(t.failed_at, excluded.failed_at)`)
	return b.String()
}()

const countVetoes = `INSERT INTO rule_vetoes AS v (pack, rule, veto_by, reads) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
	ON CONFLICT (pack, rule, veto_by) DO UPDATE SET reads = v.reads + excluded.reads`

// write writes what was counted, in the order of the rows' keys.
func (t *ruleTally) write(b *pgx.Batch) {
	if len(t.counts) > 0 {
		var (
			packs, names []string
			roles        []int32
			first        []*time.Time
			numbers      [17][]int64
		)
		for _, run := range slices.SortedFunc(maps.Keys(t.counts), func(a, b turn.RuleRun) int {
			return cmp.Or(cmp.Compare(a.Pack, b.Pack), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Role, b.Role))
		}) {
			c := t.counts[run]
			packs, names, roles, first = append(packs, text(run.Pack)), append(names, text(run.Rule)), append(roles, int32(run.Role)), append(first, instant(c.first))
			i := 0
			for _, n := range sumsOf(&c.RuleCounts) {
				numbers[i] = append(numbers[i], *n)
				i++
			}
			for _, n := range [...]int64{microsOrZero(c.LastMatched), microsOrZero(c.LastRequested), microsOrZero(c.LastFailed), c.LastFailedSeq} {
				numbers[i] = append(numbers[i], n)
				i++
			}
		}
		args := []any{packs, names, roles, first}
		for _, column := range numbers {
			args = append(args, column)
		}
		b.Queue(countRules, args...)
	}
	if len(t.vetoes) > 0 {
		var packs, names, by []string
		var reads []int64
		for _, v := range slices.SortedFunc(maps.Keys(t.vetoes), func(a, b ruleVeto) int {
			return cmp.Or(cmp.Compare(a.pack, b.pack), cmp.Compare(a.rule, b.rule), cmp.Compare(a.by, b.by))
		}) {
			packs, names, by, reads = append(packs, text(v.pack)), append(names, text(v.rule)), append(by, text(v.by)), append(reads, t.vetoes[v])
		}
		b.Queue(countVetoes, packs, names, by, reads)
	}
}

// microsOrZero returns microseconds since 1970, and 0 for the zero time: greatest compares them.
func microsOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

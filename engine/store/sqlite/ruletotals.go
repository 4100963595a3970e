package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"slices"
	"strings"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var (
	// Times and a sequence are replaced by later ones, all else is added up.
	countRule = declare(`INSERT INTO rule_totals (pack, rule, shadow, since_at, ` + strings.Join(ruleSums, ", ") + `, matched_at, requested_at, failed_at, failed_seq)
		VALUES (?, ?, ?, ?` + strings.Repeat(", ?", len(ruleSums)) + `, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET ` + addedTo(ruleSums) + `,
		matched_at = max(matched_at, excluded.matched_at), requested_at = max(requested_at, excluded.requested_at),
		failed_seq = iif(excluded.failed_at > failed_at, excluded.failed_seq, failed_seq), failed_at = max(failed_at, excluded.failed_at)`)
	countVeto = declare(`INSERT INTO rule_vetoes (pack, rule, veto_by, reads) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET reads = reads + excluded.reads`)
	insertRule = declare(`INSERT INTO rule_totals (pack, rule, shadow, since_at) VALUES (?, ?, 0, ?) ON CONFLICT DO NOTHING`)

	selectRuleTotals = declareCostly("rules are few", `SELECT pack, rule, shadow, since_at, `+strings.Join(ruleSums, ", ")+`, matched_at, requested_at, failed_at, failed_seq
		FROM rule_totals ORDER BY pack, rule, shadow`)
	selectRuleVetoes = declareCostly("pairs of rules are few", `SELECT pack, rule, veto_by, reads FROM rule_vetoes WHERE reads <> 0`)
	selectRulesSince = declare(`SELECT rules_since FROM daemon WHERE id = 1`)
	selectRulesAfter = declare(`SELECT rules_after FROM daemon WHERE id = 1`)
)

// ruleSums are the columns of rule_totals that are added up, in the order of sumsOf.
var ruleSums = []string{"matched", "ran", "failed", "steps", "took", "requests", "reads", `"read"`, "vetoed", "superseded", "dead", "ended", "actions"}

// sumsOf returns the fields of counts that are added up.
func sumsOf(c *turn.RuleCounts) [13]*int64 {
	return [...]*int64{&c.Matched, &c.Ran, &c.Failed, &c.Steps, (*int64)(&c.Took), &c.Requests, &c.Reads, &c.Read, &c.Vetoed, &c.Superseded, &c.Dead, &c.Ended, &c.Actions}
}

// ruleVeto is a rule, and what vetoed reads of it.
type ruleVeto struct{ pack, rule, by string }

// ruleTally has what rules did, for example in a transaction.
type ruleTally struct {
	after  int64 // up to here events do not count
	counts map[turn.RuleRun]*ruleCount
	vetoes map[ruleVeto]int64
}

type ruleCount struct {
	turn.RuleCounts
	first time.Time // of the events
}

// clear forgets what was counted.
func (t *ruleTally) clear() {
	clear(t.counts)
	clear(t.vetoes)
}

func (t *ruleTally) add(run turn.RuleRun, c *turn.RuleCounts, n int64) *ruleCount {
	total := t.counts[run]
	if total == nil {
		if t.counts == nil {
			t.counts = map[turn.RuleRun]*ruleCount{}
		}
		total = &ruleCount{}
		t.counts[run] = total
	}
	total.Add(c, n)
	return total
}

// decide counts a decision. was has the rules of the decision that it replaces.
func (t *ruleTally) decide(d *turn.Decision, was []turn.RuleDecision) {
	if d.Seq <= t.after {
		return
	}
	turn.CountDecision(d, func(run turn.RuleRun, c *turn.RuleCounts) {
		if total := t.add(run, c, 1); total.first.IsZero() {
			total.first = d.At
		}
	})
	if len(was) == 0 {
		return
	}
	before := turn.Decision{Seq: d.Seq, At: d.At, Rules: was, Took: d.Took}
	turn.CountDecision(&before, func(run turn.RuleRun, c *turn.RuleCounts) { t.add(run, c, -1) })
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
		if t.vetoes == nil {
			t.vetoes = map[ruleVeto]int64{}
		}
		t.vetoes[ruleVeto{a.Pack, a.Rule, by}] += n
	}
}

// countDecision counts a decision in the totals of rules. was has the rules of the decision
// that it replaces.
func (w *writer) countDecision(d *decisionRow, was []turn.RuleDecision) {
	w.rules.decide(&turn.Decision{Seq: d.seq, At: d.origin.at, Rules: d.origin.rules, Took: d.ruleTime}, was)
}

// countRules writes what the current transaction has counted, with one statement for each
// rule and each pair of rules.
func (w *writer) countRules() error {
	for run, c := range w.rules.counts {
		if c.RuleCounts == (turn.RuleCounts{}) {
			continue
		}
		args := make([]driver.Value, 0, 8+len(ruleSums))
		args = append(args, run.Pack, run.Rule, flag(run.Shadow), micros(c.first))
		for _, n := range sumsOf(&c.RuleCounts) {
			args = append(args, *n)
		}
		args = append(args, microsOrZero(c.LastMatched), microsOrZero(c.LastRequested), microsOrZero(c.LastFailed), c.LastFailedSeq)
		if _, err := w.conn.exec(countRule, args...); err != nil {
			return err
		}
	}
	for v, n := range w.rules.vetoes {
		if n == 0 {
			continue
		}
		if _, err := w.conn.exec(countVeto, v.pack, v.rule, v.by, n); err != nil {
			return err
		}
	}
	return nil
}

// microsOrZero is micros for a column that has 0 for the zero time: max(NULL, 1) is NULL.
func microsOrZero(t time.Time) driver.Value {
	if t.IsZero() {
		return int64(0)
	}
	return t.UnixMicro()
}

// timeOrZero reads what microsOrZero wrote.
func timeOrZero(v driver.Value) time.Time {
	if intOf(v) == 0 {
		return time.Time{}
	}
	return timeOf(v)
}

// RuleTotals implements store.Rules.
func (s *Store) RuleTotals(ctx context.Context) (all store.RuleTotals, err error) {
	err = s.snapshot(ctx, "read the totals of rules", func(c *conn) error {
		all, err = ruleTotals(ctx, c)
		return err
	})
	return all, err
}

func ruleTotals(ctx context.Context, c *conn) (all store.RuleTotals, err error) {
	since, err := c.one(ctx, selectRulesSince)
	if err != nil {
		return all, err
	}
	all.Since = timeOf(since)
	err = c.query(ctx, selectRuleTotals, func(row []driver.Value) error {
		r := store.RuleTotal{Pack: stringOf(row[0]), Rule: stringOf(row[1]), Since: timeOf(row[3])}
		if r.Since.Before(all.Since) {
			r.Since = all.Since
		}
		counts := turn.RuleCounts{}
		row, shadow := row[4:], intOf(row[2]) != 0
		for i, n := range sumsOf(&counts) {
			*n = intOf(row[i])
		}
		row = row[len(ruleSums):]
		counts.LastMatched, counts.LastRequested, counts.LastFailed, counts.LastFailedSeq = timeOrZero(row[0]), timeOrZero(row[1]), timeOrZero(row[2]), intOf(row[3])
		if last := len(all.Rules) - 1; shadow && last >= 0 && all.Rules[last].Pack == r.Pack && all.Rules[last].Rule == r.Rule {
			all.Rules[last].Shadow = counts
			return nil
		}
		if shadow {
			r.Shadow = counts
		} else {
			r.Live = counts
		}
		all.Rules = append(all.Rules, r)
		return nil
	})
	if err != nil {
		return all, err
	}
	err = c.query(ctx, selectRuleVetoes, func(row []driver.Value) error {
		pack, rule := stringOf(row[0]), stringOf(row[1])
		at, found := slices.BinarySearchFunc(all.Rules, pack, func(r store.RuleTotal, pack string) int {
			return cmp.Or(cmp.Compare(r.Pack, pack), cmp.Compare(r.Rule, rule))
		})
		if found {
			all.Rules[at].Vetoes = append(all.Rules[at].Vetoes, store.RuleVetoes{By: stringOf(row[2]), Reads: intOf(row[3])})
		}
		return nil
	})
	for i := range all.Rules {
		slices.SortFunc(all.Rules[i].Vetoes, func(a, b store.RuleVetoes) int { return cmp.Or(cmp.Compare(b.Reads, a.Reads), cmp.Compare(a.By, b.By)) })
	}
	return all, err
}

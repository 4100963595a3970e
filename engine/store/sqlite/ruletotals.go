package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"maps"
	"slices"
	"strings"
	"time"

	"chertd/engine/store"
	"chertd/rules"
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
	selectRulesLate  = declare(`SELECT rules_late FROM counts WHERE id = 1`)
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
		t.veto(ruleVeto{a.Pack, a.Rule, by}, n)
	}
}

func (t *ruleTally) veto(v ruleVeto, n int64) {
	if t.vetoes == nil {
		t.vetoes = map[ruleVeto]int64{}
	}
	t.vetoes[v] += n
}

func (t *ruleTally) empty() bool { return len(t.counts)+len(t.vetoes) == 0 }

// countDecision counts a decision in the totals of rules. was is what it replaces; nil: it is
// the first one of its event.
func (w *writer) countDecision(d *decisionRow, was *decided) {
	now := turn.Decision{Seq: d.seq, At: d.origin.At, Rules: d.origin.Rules}
	if was == nil {
		now.Took = d.ruleTime
		w.rules.decide(&now, nil)
		return
	}
	w.rules.decide(&now, &turn.Decision{Seq: d.seq, At: was.origin.At, Rules: was.origin.Rules})
}

// countRules adds what the current transaction has counted to what rule_totals lacks, or with
// flush, or if that is much, writes it, with one statement for each rule and each pair.
func (w *writer) countRules(flush bool) error {
	if !w.rules.empty() {
		w.tx.ruleLate = w.ruleLate.with(&w.rules)
	}
	late := w.tx.ruleLate
	if !flush && len(late.text) <= maxRuleLate {
		return nil
	}
	for run, c := range late.counts {
		args := make([]driver.Value, 0, 8+len(ruleSums))
		pack, shadow := rowOfRun(run)
		args = append(args, pack, run.Rule, flag(shadow), micros(c.first))
		for _, n := range sumsOf(&c.RuleCounts) {
			args = append(args, *n)
		}
		args = append(args, microsOrZero(c.LastMatched), microsOrZero(c.LastRequested), microsOrZero(c.LastFailed), c.LastFailedSeq)
		if _, err := w.conn.exec(countRule, args...); err != nil {
			return err
		}
	}
	for v, n := range late.vetoes {
		if _, err := w.conn.exec(countVeto, v.pack, v.rule, v.by, n); err != nil {
			return err
		}
	}
	w.tx.ruleLate = &ruleLate{}
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
	text, err := c.one(ctx, selectRulesLate)
	if err != nil {
		return all, err
	}
	late, err := parseRuleLate(stringOf(text))
	if err != nil {
		return all, err
	}
	totals := late.ruleTally
	err = c.query(ctx, selectRuleTotals, func(row []driver.Value) error {
		run := runOfRow(stringOf(row[0]), stringOf(row[1]), intOf(row[2]) != 0)
		first, counts := timeOf(row[3]), turn.RuleCounts{}
		row = row[4:]
		for i, n := range sumsOf(&counts) {
			*n = intOf(row[i])
		}
		row = row[len(ruleSums):]
		counts.LastMatched, counts.LastRequested, counts.LastFailed, counts.LastFailedSeq = timeOrZero(row[0]), timeOrZero(row[1]), timeOrZero(row[2]), intOf(row[3])
		totals.add(run, &counts, 1).first = first
		return nil
	})
	if err == nil {
		err = c.query(ctx, selectRuleVetoes, func(row []driver.Value) error {
			totals.veto(ruleVeto{stringOf(row[0]), stringOf(row[1]), stringOf(row[2])}, intOf(row[3]))
			return nil
		})
	}
	all.Rules = totals.byRule(all.Since)
	return all, err
}

// byRule returns the totals by pack and rule.
func (t *ruleTally) byRule(since time.Time) (list []store.RuleTotal) {
	at := map[turn.RuleRun]int{}
	for _, run := range slices.SortedFunc(maps.Keys(t.counts), compareRuns) {
		c := t.counts[run]
		rule := turn.RuleRun{Pack: run.Pack, Rule: run.Rule}
		i, known := at[rule]
		if !known {
			i = len(list)
			at[rule] = i
			list = append(list, store.RuleTotal{Pack: run.Pack, Rule: run.Rule, Since: c.first})
			if c.first.Before(since) {
				list[i].Since = since
			}
		}
		*sideOf(&list[i], run.Role) = c.RuleCounts
	}
	for v, n := range t.vetoes {
		if i, known := at[turn.RuleRun{Pack: v.pack, Rule: v.rule}]; known && n != 0 {
			list[i].Vetoes = append(list[i].Vetoes, store.RuleVetoes{By: v.by, Reads: n})
		}
	}
	for i := range list {
		slices.SortFunc(list[i].Vetoes, func(a, b store.RuleVetoes) int { return cmp.Or(cmp.Compare(b.Reads, a.Reads), cmp.Compare(a.By, b.By)) })
	}
	return list
}

// sideOf returns what a total has of a role.
func sideOf(t *store.RuleTotal, role rules.Role) *turn.RuleCounts {
	switch role {
	case rules.RoleShadow:
		return &t.Shadow
	case rules.RoleCandidate:
		return &t.Candidate
	}
	return &t.Live
}

// rowOfRun returns pack and shadow of the row that counts a run. The column shadow has two
// values: candidates are counted under a name that no pack can have.
func rowOfRun(run turn.RuleRun) (pack string, shadow bool) {
	if run.Role == rules.RoleCandidate {
		return run.Role.Key(run.Pack), true
	}
	return run.Pack, run.Role == rules.RoleShadow
}

// runOfRow is the inverse of rowOfRun.
func runOfRow(pack, rule string, shadow bool) turn.RuleRun {
	of, role := rules.ParseRoleKey(pack)
	if role != rules.RoleCandidate {
		of, role = pack, rules.RoleOf(shadow, false)
	}
	return turn.RuleRun{Pack: of, Rule: rule, Role: role}
}

func compareRuns(a, b turn.RuleRun) int {
	return cmp.Or(cmp.Compare(a.Pack, b.Pack), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Role, b.Role))
}

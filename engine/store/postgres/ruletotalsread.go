package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules/turn"
)

const (
	// The column shadow of rule_totals.
	totalLive = iota
	totalShadow
	totalCandidate
)

const (
	selectRulesSince = `SELECT rules_since FROM daemon WHERE id = 1`
	selectRuleTotals = `SELECT pack, rule, shadow, since_at, matched, ran, failed, steps, took, requests, reads, read, vetoed, superseded, dead, ended, actions,
		matched_at, requested_at, failed_at, failed_seq FROM rule_totals ORDER BY pack, rule, shadow`
	selectRuleVetoes = `SELECT pack, rule, veto_by, reads FROM rule_vetoes WHERE reads <> 0`
)

// RuleTotals implements store.Rules.
func (s *Store) RuleTotals(ctx context.Context) (all store.RuleTotals, err error) {
	err = s.read(ctx, "read the totals of rules", func(tx pgx.Tx) (err error) {
		all, err = readRuleTotals(ctx, tx)
		return err
	})
	return all, err
}

func readRuleTotals(ctx context.Context, tx pgx.Tx) (all store.RuleTotals, err error) {
	var since *time.Time
	if err := tx.QueryRow(ctx, selectRulesSince).Scan(&since); err != nil {
		return all, err
	}
	all.Since = timeOf(since)
	type name struct{ pack, rule string }
	at := map[name]int{}

	rows, _ := tx.Query(ctx, selectRuleTotals)
	var of name
	var shadow int
	var first *time.Time
	var c turn.RuleCounts
	var matched, requested, failed int64
	into := []any{&of.pack, &of.rule, &shadow, &first, &c.Matched, &c.Ran, &c.Failed, &c.Steps, (*int64)(&c.Took), &c.Requests, &c.Reads, &c.Read, &c.Vetoed, &c.Superseded,
		&c.Dead, &c.Ended, &c.Actions, &matched, &requested, &failed, &c.LastFailedSeq}
	_, err = pgx.ForEachRow(rows, into, func() error {
		i, known := at[of]
		if !known {
			i = len(all.Rules)
			at[of] = i
			all.Rules = append(all.Rules, store.RuleTotal{Pack: untext(of.pack), Rule: untext(of.rule), Since: timeOf(first)})
			if all.Rules[i].Since.Before(all.Since) {
				all.Rules[i].Since = all.Since
			}
		}
		c.LastMatched, c.LastRequested, c.LastFailed = timeOrZero(matched), timeOrZero(requested), timeOrZero(failed)
		*sideOf(&all.Rules[i], shadow) = c
		return nil
	})
	if err != nil {
		return all, err
	}

	rows, _ = tx.Query(ctx, selectRuleVetoes)
	var v store.RuleVetoes
	_, err = pgx.ForEachRow(rows, []any{&of.pack, &of.rule, &v.By, &v.Reads}, func() error {
		if i, known := at[of]; known {
			all.Rules[i].Vetoes = append(all.Rules[i].Vetoes, store.RuleVetoes{By: untext(v.By), Reads: v.Reads})
		}
		return nil
	})
	for i := range all.Rules {
		slices.SortFunc(all.Rules[i].Vetoes, func(a, b store.RuleVetoes) int { return cmp.Or(cmp.Compare(b.Reads, a.Reads), cmp.Compare(a.By, b.By)) })
	}
	return all, err
}

// sideOf returns what a total has of a value of the column shadow.
func sideOf(t *store.RuleTotal, shadow int) *turn.RuleCounts {
	switch shadow {
	case totalShadow:
		return &t.Shadow
	case totalCandidate:
		return &t.Candidate
	}
	return &t.Live
}

// timeOrZero reads a column of microseconds that has 0 for the zero time.
func timeOrZero(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// rules checks that the totals of rules have at least what the kept decisions add up to;
// decisions has counted those. Removed ones stay counted.
func (k *checking) rules(ctx context.Context) error {
	kept, err := ruleTotals(ctx, k.conn)
	if err != nil {
		return fmt.Errorf("check the table rule_totals: %w", err)
	}
	counted := map[turn.RuleRun]*turn.RuleCounts{}
	vetoes := map[ruleVeto]int64{}
	var less, more, pairs flaws
	for i := range kept.Rules {
		r := &kept.Rules[i]
		// An older chertd counted candidates as Shadow, and a rule that ran in both roles once.
		both := r.Shadow
		both.Add(&r.Candidate, 1)
		counted[turn.RuleRun{Pack: r.Pack, Rule: r.Rule}] = &r.Live
		for _, role := range []rules.Role{rules.RoleShadow, rules.RoleCandidate} {
			counted[turn.RuleRun{Pack: r.Pack, Rule: r.Rule, Role: role}] = &both
		}
		c := &r.Live
		if c.Ran > c.Matched || c.Failed > c.Ran || c.Read+c.Vetoed+c.Superseded+c.Dead+c.Ended > c.Reads {
			more.add("rule %q", chat.Key(r.Pack, r.Rule))
		}
		sum := int64(0)
		for _, v := range r.Vetoes {
			vetoes[ruleVeto{r.Pack, r.Rule, v.By}] = v.Reads
			sum += v.Reads
		}
		if sum != c.Vetoed {
			pairs.add("rule %q", chat.Key(r.Pack, r.Rule))
		}
	}
	for run, want := range k.totals.rules.counts {
		if got := counted[run]; got == nil || fewer(got, &want.RuleCounts) {
			less.add("rule %q", chat.Key(run.Pack, run.Rule))
		}
	}
	for v, n := range k.totals.rules.vetoes {
		if vetoes[v] < n {
			pairs.add("rule %q", chat.Key(v.pack, v.rule))
		}
	}
	for _, f := range []*flaws{&less, &more, &pairs} {
		slices.SortFunc(f.first, strings.Compare)
	}
	k.found(&less, "rule_totals", "rules have done more than is counted, so that chertd rules shows too little", fixFollows)
	k.found(&more, "rule_totals", "more ends of events or reads are counted than there were, so that chertd rules shows too much", fixFollows)
	k.found(&pairs, "rule_vetoes", "vetoed reads and what vetoed them do not agree, so that chertd rules shows other pairs than there are", fixFollows)
	return nil
}

// fewer reports whether counts lack some of what a part of the decisions adds up to.
func fewer(got, part *turn.RuleCounts) bool {
	have, want := sumsOf(got), sumsOf(part)
	for i := range have {
		if *have[i] < *want[i] {
			return true
		}
	}
	return false
}

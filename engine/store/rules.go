package store

import (
	"context"
	"time"

	"chertd/rules/turn"
)

// Rules counts what became of rules, by name, whichever version of their pack has them.
// Commit counts, once, what a decision and the actions of its event add
// (turn.CountDecision, turn.CountAction); if an event runs again, what has changed. Nothing
// removes the counts: neither retention nor the removal of the rule.
type Rules interface {
	// RuleTotals returns the totals of all rules that were live, ran as a candidate or were
	// counted.
	RuleTotals(ctx context.Context) (RuleTotals, error)
}

// RuleTotals are the totals of all rules.
type RuleTotals struct {
	// Since is when the store began to count. Events that were journaled before do not count.
	Since time.Time
	Rules []RuleTotal // by pack and rule
}

// RuleTotal is what a rule did.
type RuleTotal struct {
	Pack, Rule string
	// Since is when SaveVersion first stored a version with the rule, or the rule's first
	// event; never before RuleTotals.Since.
	Since     time.Time
	Live      turn.RuleCounts
	Shadow    turn.RuleCounts // in shadow; in older stores also as part of a candidate
	Candidate turn.RuleCounts // as part of a candidate in shadow
	// Vetoes count Live.Vetoed by what vetoed the reads, the most first.
	Vetoes []RuleVetoes
}

// RuleVetoes counts reads that were vetoed by one rule or operator.
type RuleVetoes struct {
	By    string // a rule key, "operator" or turn.UnknownVeto
	Reads int64
}

package rules

import (
	"cmp"
	"fmt"
	"time"
)

// RuleSuspension is a rule that is suspended.
type RuleSuspension struct {
	Rule  string // "": all of the pack's
	Scope SuspensionScope
	Chat  string    // of OneChat
	Until time.Time // then the next event probes whether it works again
	Why   string    // WhyFails or WhyShare, for people
}

// WhyFails is why most rules are suspended.
const WhyFails = "it fails again and again"

// Subject names what is suspended, for people.
func (r *RuleSuspension) Subject() string {
	if r.Rule == "" {
		return "all its rules are"
	}
	return "rule " + r.Rule + " is"
}

func compareSuspensions(a, b RuleSuspension) int {
	return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Chat, b.Chat), cmp.Compare(a.Why, b.Why))
}

// SuspensionScope is for which events a rule is suspended.
type SuspensionScope string

const (
	AllChats SuspensionScope = "all_chats"
	NoChat   SuspensionScope = "no_chat" // events without a chat
	OneChat  SuspensionScope = "one_chat"
)

// blocks says why reads are blocked though a version of the pack is live. A rule
// that is suspended for one chat blocks that chat's alone, and does not count
// here: whether reads wait for what it missed is counted elsewhere.
func (p *Pack) blocks(mode Mode, suspended []RuleSuspension) string {
	if !p.CanVeto || mode != Live {
		return ""
	}
	var first *RuleSuspension
	n := 0
	for i := range suspended {
		if suspended[i].Scope == AllChats {
			if n++; n == 1 {
				first = &suspended[i]
			}
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return first.Subject() + " suspended: " + first.Why
	}
	return fmt.Sprintf("rule %s and %d more are suspended; the first because %s", first.Rule, n-1, first.Why)
}

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

	since time.Time // set by suspension alone
}

// Begun is a suspension that begins.
type Begun struct {
	RuleSuspension
	Pack    string
	Version string
	Place   string // of the rule, as file:line; "": all of the pack's
}

func (p *Pack) begun(s RuleSuspension, place string) Begun {
	return Begun{RuleSuspension: s, Pack: p.Name, Version: p.Version, Place: place}
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

// scopeOf is for which events a rule is suspended that is for those of one chat ("":
// of none).
func scopeOf(chat string) SuspensionScope {
	if chat == "" {
		return NoChat
	}
	return OneChat
}

// suspensionClock tells whether the clock that suspensions are timed by was set
// back: they would last until it is as late again.
type suspensionClock struct{ latest time.Time }

// clockBehind is how much earlier one event may run than one that was noted before
// it, on another shard.
const clockBehind = time.Second

// setBack notes a time, and reports whether it is earlier than any event can be.
func (c *suspensionClock) setBack(now time.Time) bool {
	back := c.latest.Sub(now) > clockBehind
	if back || now.After(c.latest) {
		c.latest = now
	}
	return back
}

// earlier is the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

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

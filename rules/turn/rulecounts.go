package turn

import (
	"time"

	"chertd/rules"
	"chertd/rules/chat"
)

// RuleRun names what is counted together: a rule, whichever version of its pack has it.
type RuleRun struct {
	Pack, Rule string
	Role       rules.Role // as what it ran
}

// RuleCounts is what a rule did. Those of all decisions and actions add up to its totals.
type RuleCounts struct {
	Matched int64 // events on which its where held
	Ran     int64 // of these: its handler was called
	Failed  int64 // of these: its handler failed, and has not succeeded since
	Steps   int64 // VM steps
	// Took is its part of the time that the rules of its events took, by their steps.
	Took     time.Duration
	Requests int64 // of its handler, of every kind

	Reads      int64 // that it requested, apart from those that left no action
	Read       int64 // of Reads: a call for it succeeded
	Vetoed     int64 // of Reads: dropped by keep_unread or a hold
	Superseded int64 // of Reads: dropped, as a newer message came that no read covers
	Dead       int64 // of Reads: Chert refused it, or it failed for a day
	Ended      int64 // of Reads: dropped for another reason
	Actions    int64 // of other kinds that it requested

	LastMatched, LastRequested, LastFailed time.Time // zero: never
	LastFailedSeq                          int64     // the event of LastFailed
}

// Add adds other, n times; n may be -1, which leaves the times as they are.
func (c *RuleCounts) Add(other *RuleCounts, n int64) {
	c.Matched += n * other.Matched
	c.Ran += n * other.Ran
	c.Failed += n * other.Failed
	c.Steps += n * other.Steps
	c.Took += time.Duration(n) * other.Took
	c.Requests += n * other.Requests
	c.Reads += n * other.Reads
	c.Read += n * other.Read
	c.Vetoed += n * other.Vetoed
	c.Superseded += n * other.Superseded
	c.Dead += n * other.Dead
	c.Ended += n * other.Ended
	c.Actions += n * other.Actions
	if n < 0 {
		return
	}
	c.LastMatched = later(c.LastMatched, other.LastMatched)
	c.LastRequested = later(c.LastRequested, other.LastRequested)
	if other.LastFailed.After(c.LastFailed) {
		c.LastFailed, c.LastFailedSeq = other.LastFailed, other.LastFailedSeq
	}
}

// maxCounted is how many steps of one run count at most: far more than limits.steps allows.
// With it no sum can overflow, which would keep the store from storing the decision.
const maxCounted = 1 << 32

// CountDecision calls add with what each rule of a decision adds to its totals. It needs of
// the decision Seq, At, Rules and Took. When a rule ran on the event again, its last run
// decides whether it ran and failed.
func CountDecision(d *Decision, add func(RuleRun, *RuleCounts)) {
	var steps int64 // of the runs that Took measured
	for i := range d.Rules {
		if d.Rules[i].Rerun.IsZero() {
			steps += min(max(d.Rules[i].Steps, 0), maxCounted)
		}
	}
	for i := range d.Rules {
		r := &d.Rules[i]
		if r.Rule == "" || r.Skipped == rules.SkippedPackOff {
			continue // its pack did not run
		}
		at := later(d.At, r.Rerun)
		c := RuleCounts{Steps: min(max(r.Steps, 0), maxCounted), Requests: int64(len(r.Asked))}
		if c.Requests > 0 {
			c.LastRequested = at
		}
		if r.Rerun.IsZero() && steps > 0 {
			c.Took = time.Duration(float64(min(d.Took, time.Hour)) * float64(c.Steps) / float64(steps))
		}
		if !runsLater(d.Rules[i+1:], r) {
			c.Matched, c.LastMatched = 1, at
			if r.Skipped == "" {
				c.Ran = 1
				if r.Error != "" {
					c.Failed, c.LastFailed, c.LastFailedSeq = 1, at, d.Seq
				}
			}
		}
		add(runOf(r), &c)
	}
}

// CountAction returns what an action, as it is, adds to the totals of its rule.
func CountAction(a *chat.Action) (RuleRun, RuleCounts) {
	shadow := a.Status == chat.Shadowed
	run := RuleRun{a.Pack, a.Rule, rules.RoleOf(shadow, shadow && a.Why == chat.WhyCandidate)}
	if a.Kind != chat.Read {
		return run, RuleCounts{Actions: 1}
	}
	c := RuleCounts{Reads: 1}
	switch {
	case a.Status == chat.Done:
		c.Read = 1
	case a.Status == chat.Dead:
		c.Dead = 1
	case VetoedBy(a) != "":
		c.Vetoed = 1
	case a.Status == chat.Dropped && a.Why == chat.WhySuperseded:
		c.Superseded = 1
	case a.Status == chat.Dropped:
		c.Ended = 1
	}
	return run, c
}

// UnknownVeto is what VetoedBy returns if the rule is not known: a read met an earlier veto that an
// older chertd handled.
const UnknownVeto = "unknown"

// VetoedBy returns the key of the rule that vetoed a read, "operator" or UnknownVeto; "": the
// read was not vetoed.
func VetoedBy(a *chat.Action) string {
	if a.Kind != chat.Read || a.Status != chat.Dropped || a.Why != chat.WhyVetoed && a.Why != chat.WhyHeld {
		return ""
	}
	if a.EndedBy.By == "" {
		return UnknownVeto
	}
	return a.EndedBy.By
}

func runOf(r *RuleDecision) RuleRun { return RuleRun{r.Pack, r.Rule, r.Role()} }

// runsLater reports whether a list has a later run of the same rule.
func runsLater(list []RuleDecision, r *RuleDecision) bool {
	for i := range list {
		if runOf(&list[i]) == runOf(r) {
			return true
		}
	}
	return false
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

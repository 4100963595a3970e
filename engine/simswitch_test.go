package engine

import (
	"context"
	"slices"
	"time"

	"chertd/engine/control"
	"chertd/rules"
	"chertd/rules/turn"
)

// simSwitched are the rules whose modes operators set.
var simSwitched = []string{"read", "later", "sure"}

// simSwitch is a mode that an operator has set of a rule.
type simSwitch struct {
	begun, done simMoment
	mode, base  rules.Mode // base returns at the end
	until       time.Time  // by the local clock; zero: it has no end
}

// simModeLate is how late a mode may end after the clock was set, and while the store is slow.
const simModeLate = 20 * time.Second

// setRuleMode sets the mode of a rule as an operator.
func (w *simWorld) setRuleMode(run *simRun, s *simStep) {
	begun := w.moment()
	in := control.ModeRequest{Rule: s.rule, Mode: string(s.mode), Reset: s.mode == "", By: "anna"}
	if s.d > 0 {
		in.For = s.d.Truncate(time.Second).String()
	}
	p, err := run.m.SetMode(context.Background(), "words", in)
	w.must("set the mode of a rule", err)
	w.mu.Lock()
	defer w.mu.Unlock()
	now := simSwitch{begun: begun, done: w.now(), mode: s.mode}
	for _, x := range p.Switches {
		if x.Rule == s.rule {
			now.until, now.base = x.Until, rules.Mode(x.Then)
		}
	}
	w.book.switched[s.rule] = append(w.book.switched[s.rule], now)
}

// mutes reports whether a rule in a mode requests nothing that is carried out.
func mutes(mode rules.Mode) bool { return mode == rules.Off || mode == rules.Shadow }

// switchedAt notes whether a rule was off or in shadow on an entry, and checks that against the
// commands. w.mu is held.
func (w *simWorld) switchedAt(x *simEntry, r *turn.RuleDecision) {
	if r.Pack != "words" {
		return
	}
	mode := rules.Live
	switch {
	case r.Skipped == "rule_off":
		mode = rules.Off
	case r.Shadow:
		mode = rules.Shadow
	}
	if mode != rules.Live {
		if x.muted == nil {
			x.muted = map[string]bool{}
		}
		x.muted[r.Rule] = true
	}
	may := []rules.Mode{rules.Live}
	for _, s := range w.book.switched[r.Rule] {
		switch {
		case !s.done.before(x.journaled):
			return // it was set when the entry waited
		case !s.until.IsZero() && len(w.book.jumps) > 0:
			may = []rules.Mode{s.mode, s.base}
		case s.until.IsZero() || x.handled.Before(s.until):
			may = []rules.Mode{s.mode}
		case x.handled.Before(s.until.Add(simModeLate)):
			may = []rules.Mode{s.mode, s.base}
		default:
			may = []rules.Mode{s.base}
		}
	}
	if i := slices.Index(may, ""); i >= 0 {
		may[i] = rules.Live
	}
	if !slices.Contains(may, mode) {
		w.fail("rule %s is %s on entry %d, and by command it is %q", r.Rule, mode, x.seq, may)
	}
}

// muted reports whether a command has switched a rule off, or to shadow, after it requested a
// read on an entry, and was done before a call was written.
func (b *simBook) muted(x *simEntry, rule string, c *simCall) bool {
	return slices.ContainsFunc(b.switched[rule], func(s simSwitch) bool {
		return mutes(s.mode) && x.decided.before(s.begun) && s.done.before(c.written)
	})
}

// mayBeMuted reports whether a mode of a rule began or ended after it requested a read on an
// entry.
func (b *simBook) mayBeMuted(x *simEntry, rule string) bool {
	return slices.ContainsFunc(b.switched[rule], func(s simSwitch) bool {
		return mutes(s.mode) && x.journaled.before(s.done) || mutes(s.base) && !s.until.IsZero() && x.handled.Before(s.until.Add(simModeLate))
	})
}

package live

import (
	"log/slog"
	"time"

	"chertd/rules"
)

// apply sets the mode of a single rule.
func (in SetRuleMode) apply(t *step) {
	s := &t.s
	was := s.RuleModes.Of(in.Rule)
	in.At = t.now.UTC().Round(0).Truncate(time.Microsecond)
	next := RuleMode{Rule: in.Rule, Mode: in.Mode, Author: in.Author, Until: endOf(t.now, in.For)}
	if !next.Until.IsZero() {
		next.Under = was.under()
	}
	next.PendingKept = next.restricts() && in.KeepPending
	state := s.PackState
	state.RuleModes = state.RuleModes.with(next)
	if !t.keep(state) {
		return
	}
	attrs := []any{"rule", in.Rule, "mode", modeWord(next.Mode), "from", modeWord(was.Mode)}
	t.log(slog.LevelInfo, "the mode of a rule changed", append(attrs, authorAttrs(in.Author, next.Until)...)...)
	t.dropRule(&next)
}

// authorAttrs are who set a mode, until when and why, for the log.
func authorAttrs(a Author, until time.Time) (attrs []any) {
	if !until.IsZero() {
		attrs = append(attrs, "until", until.UTC().Format(time.RFC3339))
	}
	if a.By != "" {
		attrs = append(attrs, "set_by", a.By)
	}
	if a.Reason != "" {
		attrs = append(attrs, "reason", a.Reason)
	}
	return attrs
}

// dropRule drops what a rule has pending that is not live.
func (t *step) dropRule(r *RuleMode) {
	if r.restricts() && !r.PendingKept {
		t.drop(Drop{Rule: r.Rule, Why: DropWhy(r.Mode), By: r.words()})
	}
}

// under returns what a mode for a time of the rule that is set now would cover.
func (r *RuleMode) under() Under {
	if !r.Until.IsZero() {
		return r.Under
	}
	return Under{Author: r.Author, Mode: r.Mode, PendingKept: r.PendingKept}
}

// afterwards returns the mode once the one for a time has ended.
func (r RuleMode) afterwards() RuleMode {
	u := r.Under
	kept := u.PendingKept && (!r.restricts() || r.PendingKept)
	return RuleMode{Rule: r.Rule, Mode: u.Mode, Author: u.Author, PendingKept: kept}
}

// modeWord returns the mode of a rule for logs: without one, it is that of the pack.
func modeWord(m rules.Mode) rules.Mode {
	if m == "" {
		return "as its pack"
	}
	return m
}

// apply ends the modes for a time whose time is up: what they covered holds again. What is
// pending where that is not live is dropped.
func (TimeUp) apply(t *step) {
	s, state := &t.s, t.s.PackState
	over := func(until time.Time) bool { return !until.IsZero() && !until.After(t.now) }
	var rest []RuleMode // of rules, that hold from now on
	for _, r := range state.RuleModes.All() {
		if over(r.Until) {
			rest = append(rest, r.afterwards())
			state.RuleModes = state.RuleModes.with(rest[len(rest)-1])
		}
	}
	ended, packOver := func() {}, over(state.Until)
	if packOver {
		if state = state.afterwards(); s.Share != 0 && state.Share == 0 && s.modeBy(state) == rules.Live {
			ended = t.endShare(false)
		}
		if t.out.Keep.Pending == nil {
			t.out.Keep.Pending = map[string]bool{}
		}
		t.out.Keep.Pending[""] = state.PendingKept
	}
	if state == s.PackState {
		return
	}
	before := s.PackState
	if !t.keep(state) {
		return
	}
	ended()
	if packOver {
		t.countShare()
		mode, by := s.modeNow()
		t.log(slog.LevelInfo, "a mode for a time ended", append([]any{"was", before.Mode, "mode", mode, "by", by}, authorAttrs(before.Author, before.Until)...)...)
		if !state.PendingKept {
			t.dropInactive()
		}
	}
	for i := range rest {
		was := before.RuleModes.Of(rest[i].Rule)
		t.log(slog.LevelInfo, "a mode for a time ended", append([]any{"rule", was.Rule, "was", was.Mode, "mode", modeWord(rest[i].Mode)}, authorAttrs(was.Author, was.Until)...)...)
		t.dropRule(&rest[i])
	}
}

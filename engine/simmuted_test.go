package engine

import (
	"slices"
	"time"

	"chertd/rules"
	"chertd/rules/turn"
)

// mutes reports whether a rule in a mode requests nothing that is carried out.
func mutes(mode rules.Mode) bool { return mode == rules.Off || mode == rules.Shadow }

// switchedAt notes whether a rule was off or in shadow on an entry, and checks that against the
// commands. w.mu is held.
func (w *simWorld) switchedAt(x *simEntry, r *turn.RuleDecision) {
	if r.Pack != "words" && r.Pack != "night" {
		return
	}
	mode, names := rules.Live, []string{r.Rule}
	switch {
	case r.Skipped == "rule_off":
		mode = rules.Off
	case r.Skipped == rules.SkippedPackOff:
		mode, names = rules.Off, simNightRules // one stands for all
	case r.Shadow:
		mode = rules.Shadow
	}
	if mode != rules.Live {
		for _, name := range names {
			if x.muted == nil {
				x.muted = map[string]bool{}
			}
			x.muted[name] = true
		}
	}
	w.noteEnds()
	var may []rules.Mode
	for _, p := range w.modesOf(r.Pack, x) {
		for _, of := range w.modesOf(r.Pack+"/"+r.Rule, x) {
			switch {
			case p == rules.Off || of == rules.Off:
				may = append(may, rules.Off)
			case p == rules.Shadow || of == rules.Shadow:
				may = append(may, rules.Shadow)
			default:
				may = append(may, rules.Live)
			}
		}
	}
	if !slices.Contains(may, mode) {
		w.fail("rule %s/%s is %s on entry %d, and by command it is %q", r.Pack, r.Rule, mode, x.seq, may)
	}
}

// modesOf returns the modes that a pack or a rule may have had when an entry was handled: after it was
// journaled, and before its decision was durable.
func (w *simWorld) modesOf(target string, x *simEntry) (may []rules.Mode) {
	list := w.book.switched[target]
	over := func(i int) bool { return i < len(list) && list[i].done.set() && list[i].done.before(x.journaled) }
	if !over(0) {
		may = append(may, rules.Live)
	}
	for i, s := range list {
		if over(i+1) || !s.begun.before(x.decided) {
			continue
		}
		if !s.ended.set() || x.journaled.at.Before(s.ended.at.Add(simSwapTime)) {
			if w.run != nil && !s.due.IsZero() && s.due.Before(w.run.began.at) && !s.lost && !s.ended.set() && i == len(list)-1 {
				w.fail("entry %d is handled before the mode %s of %s ends, whose time was up before the start", x.seq, s.mode, target)
			}
			may = append(may, liveIfNone(s.mode))
		}
		if s.ended.set() && s.ended.before(x.decided) || s.lost {
			may = append(may, liveIfNone(s.base))
		}
	}
	return may
}

// simModesOf returns the pack of a rule, and its name in simSwitched.
func simModesOf(rule string) []string {
	pack := "words"
	if slices.Contains(simNightRules, rule) {
		pack = "night"
	}
	return []string{pack, pack + "/" + rule}
}

// muted reports whether a rule, or its pack, was switched off, or to shadow, after it requested
// something on an entry, and that was done before a moment.
func (b *simBook) muted(x *simEntry, rule string, by simMoment) bool {
	return slices.ContainsFunc(simModesOf(rule), func(target string) bool {
		return slices.ContainsFunc(b.switched[target], func(s *simSwitch) bool {
			if mutes(s.mode) && s.done.set() && x.decided.before(s.begun) && s.done.before(by) {
				return true
			}
			return mutes(s.base) && s.ended.set() && x.decided.before(s.ended) && s.ended.at.Add(time.Second).Before(by.at)
		})
	})
}

// mayBeMuted reports whether a mode of a rule, or of its pack, that does not let it act began, or may
// have begun, after it requested something on an entry.
func (b *simBook) mayBeMuted(x *simEntry, rule string) bool {
	return slices.ContainsFunc(simModesOf(rule), func(target string) bool {
		return slices.ContainsFunc(b.switched[target], func(s *simSwitch) bool {
			if mutes(s.mode) && (!s.done.set() || x.journaled.before(s.done)) {
				return true
			}
			return mutes(s.base) && !s.until.IsZero() && (!s.ended.set() || x.journaled.at.Before(s.ended.at.Add(time.Second)))
		})
	})
}

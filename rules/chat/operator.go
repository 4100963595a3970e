package chat

import (
	"cmp"
	"slices"
	"strings"
)

// appliedPrefix is what the rule of an applied read begins with.
const appliedPrefix = "apply:"

// AppliedRule is the rule of the reads of a batch: reads that a rule would have requested of past
// events, and that an operator requests. Their pack is "".
func AppliedRule(batch string) string { return appliedPrefix + batch }

// Batch returns the batch of an applied read; ok is false for any other action.
func (a *Action) Batch() (batch string, ok bool) {
	if a.Pack != "" {
		return "", false
	}
	return strings.CutPrefix(a.Rule, appliedPrefix)
}

// cancel drops what a pack, or one version or rule of it, has pending. For a pack or a rule it also
// ends the postponements; those of a version stay, as its hold always does, until they end or are released.
func (s *step) cancel(in Cancel) {
	match := func(pack, version string) bool {
		return pack == in.Pack && (in.Version == "" || version == in.Version)
	}
	gone := func(a *Action) bool {
		return match(a.Pack, a.Version) && (in.Rule == "" || a.Rule == in.Rule) && (in.Rules == nil || a.Kind == Read && !slices.Contains(in.Rules, a.Rule))
	}
	why := cause{WhyPackInactive, Ender{Cause: in.Cause}}
	s.endWhere(Dropped, why, gone)
	s.dropBlocked(in.Blocked, why, gone)
	if in.Rules == nil {
		s.dropTimers(func(t *Timer) bool { return match(t.Pack, t.Version) && (in.Rule == "" || t.Rule == in.Rule) })
	}
	if in.Rules == nil && in.Version == "" {
		s.endPostponements(func(p *Postponement) bool { return p.Pack == in.Pack && (in.Rule == "" || p.Rule == in.Rule) })
	}
}

// operate holds or releases the chat as a rule's request does.
func (s *step) operate(in Operate) {
	if in.Release {
		s.release(in.Blocked)
		return
	}
	in.Hold.By = cmp.Or(in.Hold.By, Operator)
	if was := s.c.Hold; in.Hold.Reason == "" && was.By == in.Hold.By && was.Active(s.now) {
		in.Hold.Reason = was.Reason // the hold is extended
	}
	s.setHold(in.Hold)
	if m := s.c.Missed.Through; m > 0 {
		// Packs that later run on events they missed must not bring a read back: the
		// operator's hold is for everything that came until now.
		s.vetoed(max(m, s.c.LastEvent, s.c.LastMessageSeq), in.Hold.By)
	}
	by := cause{WhyVetoed, Ender{By: in.Hold.By}}
	s.dropReads(by, func(*Action) bool { return true })
	s.dropBlocked(in.Blocked, by, func(*Action) bool { return true })
}

// dropBlocked drops blocked reads: those passed with the input, and those that this step blocked.
func (s *step) dropBlocked(blocked []Action, why cause, match func(*Action) bool) {
	for _, a := range append(slices.Clip(blocked), s.out.Actions...) {
		if a.Kind == Read && a.Status == Blocked && match(&a) {
			s.end(a, Dropped, why)
		}
	}
}

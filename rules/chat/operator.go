package chat

import (
	"cmp"
	"slices"
	"time"
)

// cancel drops what a pack, or one version of it, has pending. For a pack it also ends the
// postponements; those of a version stay, as its hold always does, until they end or are released.
func (s *step) cancel(in Cancel) {
	match := func(pack, version string) bool {
		return pack == in.Pack && (in.Version == "" || version == in.Version)
	}
	gone := func(a *Action) bool {
		return match(a.Pack, a.Version) && (in.Rules == nil || a.Kind == Read && !slices.Contains(in.Rules, a.Rule))
	}
	s.endWhere(Dropped, WhyPackInactive, gone)
	s.dropBlocked(in.Blocked, WhyPackInactive, gone)
	if in.Rules == nil {
		s.dropTimers(func(t *Timer) bool { return match(t.Pack, t.Version) })
	}
	if in.Rules == nil && in.Version == "" {
		s.endPostponements(func(p *Postponement) bool { return p.Pack == in.Pack })
	}
}

func (s *step) revive(in Revive) {
	if in.Missed != nil {
		s.c.Missed = *in.Missed
	}
	for _, a := range in.Inactive {
		s.end(a, Dropped, WhyPackInactive)
	}
	actions := slices.Clone(in.Actions)
	slices.SortFunc(actions, func(a, b Action) int {
		return cmp.Or(cmp.Compare(a.ID.Seq, b.ID.Seq), cmp.Compare(a.ID.N, b.ID.N))
	})
	for _, a := range actions {
		switch {
		case a.Status != Dead && a.Status != Blocked:
			continue // it has ended, or waits already
		case a.Kind == Read && s.c.Missed.Blocks(&a, s.now):
			continue // still blocked, by another pack or for another event
		case a.Kind == React && a.Why == WhyUnknown, a.Kind == Typing:
			continue // never to be repeated
		case slices.ContainsFunc(s.c.Waiting, func(b Action) bool { return b.ID == a.ID }):
			continue
		}
		if why := cmp.Or(s.barred(&a), s.dueInHold(&a), s.cancelledBlocked(&a), s.replaces(&a)); why != "" {
			s.end(a, Dropped, why)
			continue
		}
		if a.Kind == Read {
			s.dropReads(WhyReplaced, func(b *Action) bool { return b.RuleKey() == a.RuleKey() })
		}
		a.Status, a.Why, a.Ended, a.Requested = Waiting, "", time.Time{}, s.now
		if a.Due.Before(s.now) {
			a.Due = s.now // otherwise the rest of the delay still applies
		}
		s.wait(a)
	}
}

// operate holds or releases the chat as a rule's request does.
func (s *step) operate(in Operate) {
	if in.Release {
		s.release(in.Blocked)
		return
	}
	in.Hold.By = cmp.Or(in.Hold.By, "operator")
	if was := s.c.Hold; in.Hold.Reason == "" && was.By == in.Hold.By && was.Active(s.now) {
		in.Hold.Reason = was.Reason // the hold is extended
	}
	s.setHold(in.Hold)
	if m := s.c.Missed.Through; m > 0 {
		// Packs that later run on events they missed must not bring a read back: the
		// operator's hold is for everything that came until now.
		s.c.Veto = max(s.c.Veto, m, s.c.LastEvent, s.c.LastMessageSeq)
	}
	s.dropReads(WhyVetoed, func(*Action) bool { return true })
	s.dropBlocked(in.Blocked, WhyVetoed, func(*Action) bool { return true })
}

// replaces returns WhyReplaced for a read whose rule requested another since, otherwise "".
func (s *step) replaces(a *Action) string {
	if a.Kind == Read && slices.ContainsFunc(s.c.Waiting, func(b Action) bool {
		return b.Kind == Read && b.RuleKey() == a.RuleKey() && b.ID.Seq > a.ID.Seq
	}) {
		return WhyReplaced
	}
	return ""
}

// dropBlocked drops blocked reads: those passed with the input, and those that this step blocked.
func (s *step) dropBlocked(blocked []Action, why string, match func(*Action) bool) {
	for _, a := range append(slices.Clip(blocked), s.out.Actions...) {
		if a.Kind == Read && a.Status == Blocked && match(&a) {
			s.end(a, Dropped, why)
		}
	}
}

package chat

import (
	"cmp"
	"slices"
	"time"
)

// cancel drops what a pack, or one version of it, still has waiting. It ends what a
// pack has postponed; that of a version stays, as its hold does in any case: it keeps
// the chat unread until it ends or is released.
func (s *step) cancel(in Cancel) {
	match := func(pack, version string) bool {
		return pack == in.Pack && (in.Version == "" || version == in.Version)
	}
	gone := func(a *Action) bool {
		return match(a.Pack, a.Version) && (in.Rules == nil || a.Kind == Read && !slices.Contains(in.Rules, a.Rule))
	}
	s.settleWhere(Dropped, WhyPackInactive, gone)
	s.dropBlocked(in.Blocked, WhyPackInactive, gone)
	if in.Rules == nil {
		s.dropTimers(func(t *Timer) bool { return match(t.Pack, t.Version) })
	}
	if in.Rules == nil && in.Version == "" {
		s.endPostponements(func(p *Postponement) bool { return p.Pack == in.Pack })
	}
}

func (s *step) revive(in Revive) {
	if in.Missing != nil {
		s.c.Missing = *in.Missing
	}
	for _, a := range in.Inactive {
		s.settle(a, Dropped, WhyPackInactive)
	}
	actions := slices.Clone(in.Actions)
	slices.SortFunc(actions, func(a, b Action) int {
		return cmp.Or(cmp.Compare(a.ID.Seq, b.ID.Seq), cmp.Compare(a.ID.N, b.ID.N))
	})
	for _, a := range actions {
		switch {
		case a.Status != Dead && a.Status != Blocked:
			continue // settled for good, or waiting already
		case a.Kind == Read && s.c.Missing.Blocks(&a, s.now):
			continue // by another pack, or for another event
		case a.Kind == React && a.Why == WhyUnknown, a.Kind == Typing:
			continue // not to be repeated, whoever asks
		case slices.ContainsFunc(s.c.Waiting, func(b Action) bool { return b.ID == a.ID }):
			continue
		}
		if why := cmp.Or(s.barred(&a), s.dueInHold(&a), s.cancelledBlocked(&a), s.replaces(&a)); why != "" {
			s.settle(a, Dropped, why)
			continue
		}
		if a.Kind == Read {
			s.dropReads(WhyReplaced, func(b *Action) bool { return b.RuleKey() == a.RuleKey() })
		}
		a.Status, a.Why, a.Settled, a.Asked = Waiting, "", time.Time{}, s.now
		if a.Due.Before(s.now) {
			a.Due = s.now // a delay that is not over goes on
		}
		s.wait(a)
	}
}

// replaces says WhyReplaced of a read whose rule has asked again since.
func (s *step) replaces(a *Action) string {
	if a.Kind == Read && slices.ContainsFunc(s.c.Waiting, func(b Action) bool {
		return b.Kind == Read && b.RuleKey() == a.RuleKey() && b.ID.Seq > a.ID.Seq
	}) {
		return WhyReplaced
	}
	return ""
}

// operate is the same as a rule's hold or release.
func (s *step) operate(in Operate) {
	if in.Remove {
		s.release(in.Blocked)
		return
	}
	in.Hold.By = cmp.Or(in.Hold.By, "operator")
	if was := s.c.Hold; in.Hold.Reason == "" && was.By == in.Hold.By && was.Active(s.now) {
		in.Hold.Reason = was.Reason // it is made longer, for the same reason
	}
	s.hold(in.Hold)
	if m := s.c.Missing.Through; m > 0 {
		// Nor do packs that run later on what they have missed bring a read back:
		// the operator has taken what came until now.
		s.c.Veto = max(s.c.Veto, m, s.c.LastEvent, s.c.LastMessageSeq)
	}
	s.dropReads(WhyVetoed, func(*Action) bool { return true })
	s.dropBlocked(in.Blocked, WhyVetoed, func(*Action) bool { return true })
}

// release ends the chat's hold. Blocked reads that came due in it stay dropped, as
// they would have been had nothing blocked them.
func (s *step) release(blocked []Action) {
	s.dropBlocked(blocked, WhyHeld, func(a *Action) bool { return s.dueInHold(a) != "" })
	if s.c.Hold.Active(s.now) {
		s.c.Hold.Until = s.now
	}
}

// dueInHold says WhyHeld of a read that came due while the chat was held.
func (s *step) dueInHold(a *Action) string {
	if a.Kind == Read && a.Due.Before(s.c.Hold.Until) && !a.Due.After(s.now) {
		return WhyHeld
	}
	return ""
}

// dropBlocked drops reads that are blocked: those that the step was given, and
// those that it has blocked itself.
func (s *step) dropBlocked(blocked []Action, why string, match func(*Action) bool) {
	for _, a := range append(slices.Clip(blocked), s.out.Actions...) {
		if a.Kind == Read && a.Status == Blocked && match(&a) {
			s.settle(a, Dropped, why)
		}
	}
}

package chat

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

func (s *step) applyOutcomes(in Outcomes) {
	if in.Line != "" {
		s.c.Line = in.Line
	}
	s.c.IsGroup = in.IsGroup.Or(s.c.IsGroup)
	if in.First.IsZero() {
		s.c.Newest = max(s.c.Newest, in.Seq)
	}
	newer := s.noteEvent(in)
	if in.Timer != nil {
		s.dropTimers(func(t *Timer) bool { return t.id() == *in.Timer })
	}

	var veto cause // none: no rule vetoes
	asked := false
	for i := range in.Requests {
		w := &in.Requests[i]
		switch {
		case w.Shadow:
		case w.Kind == RequestKeepUnread || w.Kind == RequestHold:
			veto = cmp.Or(veto, cause{WhyVetoed, Ender{Seq: in.Seq, By: Key(w.Pack, w.Rule)}})
		case w.Kind == RequestRead:
			asked = true
		}
	}
	if veto != (cause{}) {
		s.vetoed(in.Seq, veto.by.By)
		// If this event runs again, reads of later events stay.
		s.dropReads(veto, func(a *Action) bool { return in.First.IsZero() || a.vetoedFrom() <= in.Seq })
	}
	// Before anything is blocked, so that a superseded read is recorded as such. If
	// the event requests a read, that is decided after all requests are applied.
	if newer && !asked {
		s.dropSuperseded()
	}
	s.noteMissed(in)
	s.applyHolds(in)
	s.applyPostponements(in)
	s.out.NextN = in.FirstN
	for i := range in.Requests {
		s.apply(in, &in.Requests[i], veto)
	}
	stands := func(a Action) bool {
		return a.Kind == Read && s.c.covers(&a) >= s.c.LastMessageSeq && (a.Status == Waiting || a.Status == Blocked)
	}
	if newer && !slices.ContainsFunc(s.out.Actions, stands) && !slices.ContainsFunc(s.c.Waiting, stands) {
		s.c.Unrequested = s.c.LastMessageSeq
	}
	if len(in.Cooldowns) > 0 {
		s.startCooldowns(in.Cooldowns)
	}
}

// noteMissed records what packs that can veto have missed, and blocks the reads that they might
// have vetoed.
func (s *step) noteMissed(in Outcomes) {
	m := &s.c.Missed
	if !in.First.IsZero() {
		*m = in.Missed
	} else if in.Block {
		m.Through = max(m.Through, in.Seq)
		if in.MayHold {
			m.HoldUntil = s.now.Add(MissedFor)
		}
	}
	s.endReads(Blocked, cause{WhyBlocked, Ender{Seq: in.Seq}}, func(a *Action) bool { return m.Blocks(a, s.now) })
}

// apply carries out one request. Beyond MaxDepth, requests that could cause events without end are
// refused; those that keep a chat unread or cancel something are not.
func (s *step) apply(in Outcomes, w *Request, veto cause) {
	deep := in.Depth > MaxDepth
	switch w.Kind {
	case RequestRead, RequestTyping, RequestReact, RequestSend, RequestNotify:
		a := s.newAction(in, w)
		if !w.Shadow {
			s.continueDelay(&a)
		}
		heldAtFirst := s.heldAtFirst(in, &a)
		switch why := cmp.Or(s.barred(&a), s.replaces(&a)); {
		case w.Candidate:
			s.end(a, Shadowed, because(WhyCandidate))
		case w.Shadow:
			s.end(a, Shadowed, because(WhyShadow))
		case deep:
			s.end(a, Dropped, because(WhyDepth))
		case a.Kind == Read && veto != cause{}:
			s.end(a, Dropped, veto)
		case a.Kind == Read && s.cancelledLater(in, w):
			s.end(a, Dropped, because(WhyCancelled))
		case a.Kind == Read && heldAtFirst != cause{}:
			s.end(a, Dropped, heldAtFirst)
		case why != (cause{}):
			s.end(a, Dropped, why)
		case a.Kind == Notify && len(s.c.Waiting) >= maxNotifications:
			a.Error = backlogError(s.c.ID)
			s.end(a, Dead, because(WhyBacklog))
		case a.Kind == Read && s.c.Missed.Blocks(&a, s.now):
			s.end(a, Blocked, because(WhyBlocked))
		case a.Kind == Read && s.hasEarlierRead(in, &a):
			s.end(a, Dropped, because(WhyReplaced))
		default:
			s.replaceOthers(&a)
			s.wait(a)
		}
	case RequestTimer:
		if deep && !w.Shadow {
			s.refuse(w, WhyDepth)
		} else if !w.Shadow && s.cancelledLater(in, w) {
			s.refuse(w, WhyCancelled)
		} else if !w.Shadow {
			s.setTimer(in, w)
		}
	case RequestCancelTimer:
		if !w.Shadow {
			s.noteCancelled(in, w)
			s.dropTimers(func(t *Timer) bool { return t.Pack == w.Pack && t.Name == w.Name && t.Seq <= in.Seq })
		}
	case RequestCancelRead:
		if !w.Shadow {
			s.noteCancelled(in, w)
			mine := func(a *Action) bool { return a.Pack == w.Pack && a.ID.Seq <= in.Seq }
			by := cause{WhyCancelled, Ender{Seq: in.Seq, By: Key(w.Pack, w.Rule)}}
			s.dropReads(by, mine)
			s.dropBlocked(in.Blocked, by, mine)
		}
	}
}

// refuse records that a request, which leaves no action, is not carried out.
func (s *step) refuse(w *Request, why string) {
	s.out.Refused = append(s.out.Refused, Refusal{Request: *w, Why: why})
}

// hasEarlierRead reports whether the same handler requested a read that is due before this one: of
// one handler's reads the earliest due counts.
func (s *step) hasEarlierRead(in Outcomes, a *Action) bool {
	return slices.ContainsFunc(s.c.Waiting, func(b Action) bool {
		return b.Kind == Read && b.RuleKey() == a.RuleKey() && b.ID.Seq == in.Seq && b.ID.N >= in.FirstN && b.Due.Before(a.Due)
	})
}

// replaceOthers drops the waiting reads of the same rule, which a read replaces. If one of them covers
// the newest message, the rule wants that one read, so the read covers it, too, even if it is late.
func (s *step) replaceOthers(a *Action) {
	if a.Kind != Read {
		return
	}
	newest := s.c.LastMessageSeq
	sameRule := func(b *Action) bool { return b.Kind == Read && b.RuleKey() == a.RuleKey() }
	if a.Late && slices.ContainsFunc(s.c.Waiting, func(b Action) bool { return sameRule(&b) && s.c.covers(&b) >= newest }) {
		a.Covers, a.Late = newest, false
	}
	s.dropReads(cause{WhyReplaced, Ender{Seq: a.ID.Seq}}, sameRule)
}

// newAction makes the action of a request, with the event's next place.
func (s *step) newAction(in Outcomes, w *Request) Action {
	due := w.Due
	if due.Before(s.now) {
		due = s.now
	}
	a := Action{
		ID: ActionID{in.Seq, s.nextN()}, Kind: w.Kind.action(), Chat: s.c.ID,
		Pack: w.Pack, Version: w.Version, Rule: w.Rule, Place: w.Place, Reason: w.Reason,
		EvenIfNewer: w.EvenIfNewer, OnlyIf: w.OnlyIf, Body: w.Body, Target: w.Target, Depth: in.Depth,
		Requested: s.now, Due: due, Status: Waiting,
	}
	if a.Kind == Read {
		a.limitDelay(w.Latest, s.now)
		a.Covers, a.WithoutMessage = s.covers(in, w), !in.Message && !in.Legacy && !in.New
		a.Late = s.late(in) || s.coversLate(w)
	}
	return a
}

// nextN takes the event's next place.
func (s *step) nextN() int {
	s.out.NextN++
	return s.out.NextN - 1
}

func (s *step) startCooldowns(rested []Cooldown) {
	cooldown := maps.Clone(s.c.Cooldown)
	if cooldown == nil {
		cooldown = map[string]time.Time{}
	}
	maps.DeleteFunc(cooldown, func(_ string, until time.Time) bool { return !s.now.Before(until) })
	for _, r := range rested {
		cooldown[r.Rule] = r.Until
	}
	s.c.Cooldown = cooldown
}

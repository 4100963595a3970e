package chat

import (
	"maps"
	"slices"
	"time"
)

// ready gives dispatch the chat's next call, if one is due. What can't or need
// not be called any more is settled on the way.
func (s *step) ready(in Ready) {
	if s.c.Flight != nil || s.c.TimerDue(s.now) {
		return
	}
	s.noteFull(in.Full)
	s.settleWhere(Dropped, WhyExpired, func(a *Action) bool {
		return a.Kind == Typing && s.now.Sub(a.Asked) > TypingLife
	})
	if s.c.nothingNew() {
		s.dropReads(WhyAlreadyRead, func(a *Action) bool { return !s.c.due(a).After(s.now) })
	}
	// All of them, due or not: what the call does not serve protects no other.
	s.dropReads(WhyLimit, func(a *Action) bool { return slices.Contains(in.Spent, a.Pack) })
	s.settleSuperseded()
	first := s.first()
	if first < 0 {
		return
	}
	head := s.c.Waiting[first]
	call := Call{Chat: s.c.ID, Line: s.c.Line, Kind: head.Kind, Wire: in.Wire, Attempt: head.Attempts + 1}
	switch head.Kind {
	case Read:
		call.Attempt = s.c.Retry.Attempts + 1
	case React, Typing:
		// Not to be repeated: a crash from here on leaves "sent", not "waiting".
		s.c.Waiting = slices.Clone(s.c.Waiting)
		s.c.Waiting[first].Status = Sent
		head = s.c.Waiting[first]
		s.put(head)
	}
	call.Actions = []Action{head}
	if head.Kind == Read {
		// One call serves every read that waits, due or not, but for those that have
		// no place in it; the one it is made for stands first.
		for i := range s.c.Waiting {
			a := &s.c.Waiting[i]
			if a.Kind == Read && i != first && !(a.called() && s.c.Full[a.Pack].After(s.now)) {
				call.Actions = append(call.Actions, *a)
			}
		}
	}
	s.c.Flight = &Flight{Call: call}
	out := call
	out.Actions = slices.Clone(call.Actions)
	s.out.Call = &out
}

// noteFull adds to which packs have no place until when.
func (s *step) noteFull(full map[string]time.Time) {
	if len(s.c.Full)+len(full) == 0 {
		return
	}
	all := maps.Clone(full)
	for pack, until := range s.c.Full {
		if until.After(s.now) && full[pack].IsZero() {
			if all == nil {
				all = map[string]time.Time{}
			}
			all[pack] = until
		}
	}
	s.c.Full = all
}

// first is the place of the action to be called for now: the earliest due of
// those that may go, of equals the one asked first; -1 if none is due.
func (s *step) first() int {
	first := -1
	for i := range s.c.Waiting {
		due := s.c.due(&s.c.Waiting[i])
		if due.After(s.now) || first >= 0 && !due.Before(s.c.due(&s.c.Waiting[first])) {
			continue
		}
		if s.c.mayGo(i) {
			first = i
		}
	}
	return first
}

// ReadPacks are the packs of which the call serves a read, each once: the call
// counts for each of them. None if it is no read.
func (c *Call) ReadPacks() []string {
	var packs []string
	for i := range c.Actions {
		if a := &c.Actions[i]; a.Kind == Read && !slices.Contains(packs, a.Pack) {
			packs = append(packs, a.Pack)
		}
	}
	return packs
}

// Repeats reports whether all reads of a pack that the call serves were called
// for before.
func (c *Call) Repeats(pack string) bool {
	return !slices.ContainsFunc(c.Actions, func(a Action) bool { return a.Kind == Read && a.Pack == pack && !a.called() })
}

func (s *step) answer(in Answer) {
	flight := s.c.Flight
	if flight == nil || !flight.answeredBy(in.Call) {
		return
	}
	s.c.Flight = nil
	if in.Unmade {
		s.unmade(in, flight)
		return
	}
	// One that was dropped and waits again since is settled below, over this.
	for _, a := range flight.Recalled {
		a.record(in)
		if in.OK {
			a.Status, a.Settled = Done, s.now
			a.Why = recalledWhy(a.Why)
		}
		s.put(a)
	}
	if flight.Kind == Read {
		s.answerRead(in, flight)
		return
	}
	only := func(a *Action) bool { return a.ID == flight.Actions[0].ID }
	s.each(only, func(a *Action) (Status, string) { return s.answered(a, in) })
}

// unmade lets the call's actions wait on. Why it was not made is recorded, so that
// a waiting action says what it waits for.
func (s *step) unmade(in Answer, flight *Flight) {
	tells := func(a *Action) bool {
		return in.Error != "" && flight.carries(a.ID) && (a.Error != in.Error || a.Code != in.Code || a.HTTP != in.HTTP)
	}
	match := func(a *Action) bool { return a.Status == Sent || tells(a) }
	s.each(match, func(a *Action) (Status, string) {
		if in.Error != "" {
			a.Code, a.HTTP, a.TraceID, a.Error = in.Code, in.HTTP, in.TraceID, in.Error
		}
		return Waiting, ""
	})
}

// recalledWhy is what is recorded of an action that was dropped while its call
// was out, and which the call did all the same.
func recalledWhy(dropped string) string {
	switch dropped {
	case WhySuperseded, WhyReplaced:
		return WhyRead // it went out before the newer message, or the newer wish
	}
	return WhyTooLate
}

// answered says what becomes of an action, other than a read, by its call's answer.
func (s *step) answered(a *Action, in Answer) (Status, string) {
	a.record(in)
	again := s.now.Add(in.After)
	switch {
	case in.OK:
		return Done, string(a.Kind)
	case a.Kind == React && in.Unknown:
		return Dead, WhyUnknown
	case a.Kind == Typing && (in.Retryable || in.Unknown):
		return Dropped, WhyOnce
	case in.Foreign, (in.Retryable || in.Unknown) && again.Sub(a.Asked) < RetryFor:
		a.Due = again
		return Waiting, ""
	}
	return Dead, giveUp(in)
}

// answerRead settles the reads that the call was for. Those asked while it was
// out wait for a call of their own.
func (s *step) answerRead(in Answer, flight *Flight) {
	served := func(a *Action) bool { return flight.carries(a.ID) }
	if in.OK {
		s.c.ReadThrough = max(s.c.ReadThrough, flight.Wire)
		s.c.Retry = Retry{}
		s.each(served, func(a *Action) (Status, string) {
			a.record(in)
			if a.ID == flight.Actions[0].ID {
				return Done, WhyRead
			}
			return Done, WhyCoalesced
		})
		return
	}
	if !in.Retryable && !in.Unknown && !in.Foreign {
		s.c.Retry = Retry{}
		s.each(served, func(a *Action) (Status, string) {
			a.record(in)
			return Dead, giveUp(in)
		})
		return
	}
	r := &s.c.Retry
	switch {
	case in.Foreign:
		r.First = time.Time{} // the day begins when Chert answers again, or nobody does
	case r.First.IsZero():
		r.First = s.now
	}
	r.Attempts++
	r.NotBefore = s.now.Add(in.After)
	s.each(served, func(a *Action) (Status, string) {
		a.record(in)
		// A read that joined a failing call has a day of its own.
		since := r.First
		if a.Due.After(since) {
			since = a.Due
		}
		if !in.Foreign && r.NotBefore.Sub(since) >= RetryFor {
			return Dead, giveUp(in)
		}
		return Waiting, ""
	})
}

// answeredBy reports whether the call is the one in flight, and not an earlier
// one whose answer is late.
func (f *Flight) answeredBy(c Call) bool {
	return len(c.Actions) > 0 && c.Kind == f.Kind && c.Wire == f.Wire && c.Attempt == f.Attempt &&
		c.Actions[0].ID == f.Actions[0].ID
}

// record notes an attempt's answer on the action.
func (a *Action) record(in Answer) {
	a.Attempts++
	a.Code, a.HTTP, a.TraceID, a.Error = in.Code, in.HTTP, in.TraceID, in.Error
}

// giveUp says why an action is not tried again. What the answer said is its Error.
func giveUp(in Answer) string {
	if in.Retryable || in.Unknown {
		return WhyExhausted
	}
	return WhyRefused
}

package chat

import (
	"maps"
	"slices"
	"time"
)

// ready puts the chat's next call into the effects, if one is due. Actions that cannot or need not
// be called for any more end here.
func (s *step) ready(in Ready) {
	if s.c.Flight != nil || s.c.TimerDue(s.now) {
		return
	}
	s.noteLimited(in.LimitedUntil)
	s.endWhere(Dropped, because(WhyExpired), func(a *Action) bool {
		return a.Kind == Typing && s.now.Sub(a.since()) > typingLife
	})
	if s.c.nothingNew() {
		s.dropReads(because(WhyAlreadyRead), func(a *Action) bool { return !s.c.due(a).After(s.now) })
	}
	// All of them, due or not: a read that the call does not serve must not keep
	// others from being superseded.
	s.dropReads(because(WhyLimit), func(a *Action) bool { return slices.Contains(in.LimitReached, a.Reader()) })
	s.dropSuperseded()
	s.decideConditions()
	first := s.first()
	if first < 0 {
		return
	}
	head := &s.c.Waiting[first]
	if head.Kind == Read && !s.meets(head) {
		s.ask(in)
		return
	}
	call := Call{Chat: s.c.ID, Line: s.c.Line, Kind: head.Kind, SentSeq: in.Seq, Attempt: head.Attempts + 1}
	switch head.Kind {
	case Read:
		call.Attempt = s.c.Retry.Attempts + 1
	case React, Typing:
		// It must not be repeated: after a crash from here on its status is "sent", not "waiting".
		s.c.Waiting = slices.Clone(s.c.Waiting)
		head = &s.c.Waiting[first]
		head.Status = Sent
		s.put(*head)
	}
	// Most calls serve one action. Waiting is never written to, so the call may share it.
	call.Actions = s.c.Waiting[first : first+1 : first+1]
	if head.Kind == Read {
		// One call serves all waiting reads, due or not, except those that wait for
		// their limit. The read that is due comes first.
		for i := range s.c.Waiting {
			a := &s.c.Waiting[i]
			if a.Kind == Read && i != first && !(a.attempted() && s.c.LimitedUntil[a.Reader()].After(s.now)) {
				call.Actions = append(call.Actions, *a)
			}
		}
	}
	s.c.Flight = &Flight{Call: call, HandedOut: s.now}
	s.out.Call = &s.c.Flight.Call
}

func (s *step) answer(in Answer) {
	flight := s.c.Flight
	if flight == nil || !flight.answeredBy(in.Call) {
		return
	}
	s.c.Flight = nil
	if flight.Forgotten {
		in.Error = ""
	}
	if !in.OK {
		s.restoreDelays(flight)
	}
	if in.NotSent {
		s.notSent(in, flight)
		return
	}
	if flight.Kind == Question {
		s.answerQuestion(in, flight)
		return
	}
	// An action that was dropped and waits again since gets its final state below.
	for _, a := range flight.Recalled {
		s.record(&a, in, flight)
		if in.OK {
			a.Status, a.Ended = Done, s.now
			if a.Why = recalledWhy(a.Why); a.Why == WhyRead {
				a.EndedBy = Ender{}
			}
		}
		s.put(a)
	}
	if flight.Kind == Read {
		s.answerRead(in, flight)
		return
	}
	only := func(a *Action) bool { return a.ID == flight.Actions[0].ID }
	s.transition(only, func(a *Action) (Status, string) { return s.afterAnswer(a, in, flight) })
}

// noteLimited records until when packs must not make read calls, and keeps earlier records that are
// still in force.
func (s *step) noteLimited(full map[Reader]time.Time) {
	if len(s.c.LimitedUntil)+len(full) == 0 {
		return
	}
	all := maps.Clone(full)
	for reader, until := range s.c.LimitedUntil {
		if until.After(s.now) && full[reader].IsZero() {
			if all == nil {
				all = map[Reader]time.Time{}
			}
			all[reader] = until
		}
	}
	s.c.LimitedUntil = all
}

// first returns the index of the action to call for: the earliest due that may go, and of equal
// ones the one requested first; -1 if none is due. If that is a read whose condition is not known
// to hold, another read that is due goes instead: it needs no question.
func (s *step) first() int {
	first, read := -1, -1
	earliest := func(i, than int) bool {
		return than < 0 || s.c.due(&s.c.Waiting[i]).Before(s.c.due(&s.c.Waiting[than]))
	}
	for i := range s.c.Waiting {
		a := &s.c.Waiting[i]
		sure := a.Kind == Read && s.meets(a)
		if s.c.due(a).After(s.now) || !earliest(i, first) && !(sure && earliest(i, read)) || !s.c.mayCall(i) {
			continue
		}
		if earliest(i, first) {
			first = i
		}
		if sure && earliest(i, read) {
			read = i
		}
	}
	if first >= 0 && read >= 0 && s.c.Waiting[first].Kind == Read {
		return read
	}
	return first
}

// notSent keeps the call's actions waiting. It records the reason, so that a waiting action shows
// what it waits for.
func (s *step) notSent(in Answer, flight *Flight) {
	tells := func(a *Action) bool {
		return in.Error != "" && flight.carries(a.ID) && (a.Error != in.Error || a.Code != in.Code || a.HTTP != in.HTTP)
	}
	match := func(a *Action) bool { return a.Status == Sent || tells(a) }
	s.transition(match, func(a *Action) (Status, string) {
		if in.Error != "" {
			a.Code, a.HTTP, a.TraceID, a.Error = in.Code, in.HTTP, in.TraceID, in.Error
		}
		return Waiting, ""
	})
}

// afterAnswer returns the status of an action, other than a read, after its call.
func (s *step) afterAnswer(a *Action, in Answer, flight *Flight) (Status, string) {
	s.record(a, in, flight)
	again := s.now.Add(in.RetryAfter)
	switch {
	case in.OK:
		return Done, string(a.Kind)
	case a.Kind == React && in.Unknown:
		return Dead, WhyUnknown
	case a.Kind == Typing && (in.Retryable || in.Unknown):
		return Dropped, WhyOnce
	case in.NotChert, (in.Retryable || in.Unknown) && again.Sub(a.since()) < retryFor:
		a.Due = again
		return Waiting, ""
	}
	return Dead, giveUp(in)
}

// answerRead applies the answer to the reads that the call served. Reads requested while it was in
// flight wait for a call of their own.
func (s *step) answerRead(in Answer, flight *Flight) {
	served := func(a *Action) bool { return flight.carries(a.ID) }
	if in.OK {
		s.c.ReadThrough = max(s.c.ReadThrough, flight.SentSeq)
		s.c.Retry = Retry{}
		s.transition(served, func(a *Action) (Status, string) {
			s.record(a, in, flight)
			if a.ID == flight.Actions[0].ID {
				return Done, WhyRead
			}
			a.EndedBy = Ender{Seq: flight.Actions[0].ID.Seq}
			return Done, WhyCoalesced
		})
		return
	}
	if in.final() {
		s.c.Retry = Retry{}
		s.transition(served, func(a *Action) (Status, string) {
			s.record(a, in, flight)
			return Dead, giveUp(in)
		})
		return
	}
	s.retryReads(in, served, func(a *Action) { s.record(a, in, flight) })
}

// final reports whether an answer that is not OK is not worth another attempt.
func (a *Answer) final() bool { return !a.Retryable && !a.Unknown && !a.NotChert }

// retryReads has the reads wait that a failed call served, or ends those that failed for retryFor.
func (s *step) retryReads(in Answer, served func(*Action) bool, record func(*Action)) {
	r := &s.c.Retry
	switch {
	case in.NotChert:
		r.First = time.Time{} // retryFor starts when Chert answers, or nothing does
	case r.First.IsZero():
		r.First = s.now
	}
	r.Attempts++
	r.NotBefore = s.now.Add(in.RetryAfter)
	s.transition(served, func(a *Action) (Status, string) {
		record(a)
		a.Hurried = false
		// A read that joined a failing call has its own retryFor.
		since := r.First
		if a.Due.After(since) {
			since = a.Due
		}
		if !in.NotChert && r.NotBefore.Sub(since) >= retryFor {
			return Dead, giveUp(in)
		}
		return Waiting, ""
	})
}

// answeredBy reports whether the call is the one in flight, not an earlier one whose answer is
// late.
func (f *Flight) answeredBy(c Call) bool {
	return len(c.Actions) > 0 && c.Kind == f.Kind && c.SentSeq == f.SentSeq && c.Attempt == f.Attempt &&
		c.Actions[0].ID == f.Actions[0].ID
}

// record records an answer on the action.
func (a *Action) record(in Answer, flight *Flight) {
	a.Called = flight.HandedOut
	if !in.Local {
		a.Attempts++
	}
	a.Code, a.HTTP, a.TraceID, a.Error = in.Code, in.HTTP, in.TraceID, in.Error
}

// recalledWhy returns the reason to record for an action that was dropped while its call was in
// flight, if the call succeeded all the same.
func recalledWhy(dropped string) string {
	switch dropped {
	case WhySuperseded, WhyReplaced:
		return WhyRead // it was sent before the newer message or the newer request
	}
	return WhyTooLate
}

// giveUp returns why an action is not tried again. Action.Error has the answer.
func giveUp(in Answer) string {
	if in.Retryable || in.Unknown {
		return WhyExhausted
	}
	return WhyRefused
}

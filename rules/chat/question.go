package chat

import (
	"cmp"
	"time"
)

// Condition is what must hold when a read with only_if is due.
type Condition string

const (
	IfAnswered   Condition = "answered"   // the chat's newest message is outbound
	IfUnanswered Condition = "unanswered" // it is inbound
)

// Newest is which side of a chat its newest message is from, by Chert's word.
type Newest string

const (
	NewestInbound  Newest = "inbound"
	NewestOutbound Newest = "outbound"
	NewestUnknown  Newest = "unknown" // Chert's answer does not say it
)

// Asked is an answer to a Question. The zero value is none.
type Asked struct {
	Newest Newest
	// Error is why Newest is NewestUnknown.
	Error string
	// Seq is the journal sequence at which the question was sent. A newer event of the chat
	// makes the answer stale.
	Seq int64
	// At is when the question was handed out: the answer is of then, or later. It counts for
	// askedFor, and for the reads that were due at that time until Until.
	At, Until time.Time
}

// askedFor is how long an answer to a question counts: long enough for reads that come due at about
// the same time, short enough that hardly anyone answers meanwhile. The reads that it was asked for
// may wait longer for their turn, where there are many calls. For them it counts for twice as
// long as the question waited: otherwise the next question would always come before the read.
const (
	askedFor  = 5 * time.Second
	askedMost = time.Hour
	// askedLeast is how long an answer counts from when it comes, even if it took longer than
	// askedFor: otherwise a Chert that answers slowly would be asked without end.
	askedLeast = time.Second
)

// why returns why a read with a condition is dropped, given which message is the newest; "": the
// condition holds.
func (c Condition) why(newest Newest) string {
	switch {
	case newest == NewestOutbound && c == IfUnanswered:
		return WhyAnswered
	case newest == NewestInbound && c == IfAnswered:
		return WhyNotAnswered
	case newest == NewestOutbound, newest == NewestInbound:
		return ""
	}
	return WhyAnswerUnknown
}

// known reports whether Chert's last answer counts for a read. One that came later than now, by a clock
// that was set back since, does not: its age is not known.
func (s *step) known(a *Action) bool {
	asked := &s.c.Asked
	return !asked.At.After(s.now) && s.c.LastEvent <= asked.Seq && (asked.At.Add(askedFor).After(s.now) || !a.Due.After(asked.At) && asked.Until.After(s.now))
}

// meets reports whether a read has no condition, or one that is known to hold.
func (s *step) meets(a *Action) bool {
	return a.OnlyIf == "" || s.known(a) && a.OnlyIf.why(s.c.Asked.Newest) == ""
}

// decideConditions drops the due reads whose condition is known not to hold. A read that may not
// go yet is decided when it may.
func (s *step) decideConditions() {
	if s.c.Asked == (Asked{}) {
		return
	}
	if s.c.Asked.At.After(s.now) || !s.c.Asked.Until.After(s.now) || s.c.LastEvent > s.c.Asked.Seq {
		s.c.Asked = Asked{}
		return
	}
	at := map[ActionID]bool{}
	for i := range s.c.Waiting {
		if a := &s.c.Waiting[i]; a.OnlyIf != "" && !s.c.due(a).After(s.now) && s.c.mayCall(i) {
			at[a.ID] = true
		}
	}
	s.transition(func(a *Action) bool { return at[a.ID] && s.known(a) && !s.meets(a) }, func(a *Action) (Status, string) {
		why := a.OnlyIf.why(s.c.Asked.Newest)
		if why == WhyAnswerUnknown {
			a.Error = cmp.Or(s.c.Asked.Error, "Chert did not say which message of the chat is the newest")
		}
		return Dropped, why
	})
}

// ask makes the chat's next call a question, for all due reads that have a condition. It reads
// nothing, so it may be repeated.
func (s *step) ask(in Ready) {
	call := Call{Chat: s.c.ID, Line: s.c.Line, Kind: Question, SentSeq: in.Seq, Attempt: s.c.Retry.Attempts + 1}
	for i := range s.c.Waiting {
		if a := &s.c.Waiting[i]; a.OnlyIf != "" && !s.c.due(a).After(s.now) && s.c.mayCall(i) {
			call.Actions = append(call.Actions, *a)
		}
	}
	if ids := s.c.Recent.withoutTexts().Newest; len(ids) > 0 {
		call.Known = KnownMessage{IDs: ids, Sent: s.c.Recent.Sent}
	}
	s.c.Flight = &Flight{Call: call, HandedOut: s.now}
	s.out.Call = &s.c.Flight.Call
}

// answerQuestion applies Chert's answer to a question. What was dropped meanwhile stays dropped.
func (s *step) answerQuestion(in Answer, flight *Flight) {
	served := func(a *Action) bool { return flight.carries(a.ID) }
	if in.OK {
		waited := flight.HandedOut.Sub(s.c.due(&flight.Actions[0]))
		until := flight.HandedOut.Add(max(askedFor, min(2*waited, askedMost)))
		if least := s.now.Add(askedLeast); until.Before(least) {
			until = least
		}
		s.c.Asked = Asked{Newest: in.Newest, Error: in.Error, Seq: flight.SentSeq, At: flight.HandedOut, Until: until}
		s.transition(func(a *Action) bool { return served(a) && a.Attempts == 0 && a.Error != "" }, func(a *Action) (Status, string) {
			a.Code, a.HTTP, a.TraceID, a.Error = 0, 0, "", "" // those of an earlier question
			return Waiting, ""
		})
		s.decideConditions()
		return
	}
	noted := func(a *Action) { a.Code, a.HTTP, a.TraceID, a.Error = in.Code, in.HTTP, in.TraceID, in.Error }
	if in.final() {
		s.c.Retry = Retry{}
		s.transition(served, func(a *Action) (Status, string) {
			noted(a)
			return Dropped, WhyAnswerUnknown
		})
		return
	}
	s.retryReads(in, served, noted)
}

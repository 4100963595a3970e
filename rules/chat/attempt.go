package chat

import (
	"slices"
	"time"
)

// Attempt is an attempt of a call that failed, as a record of one of the actions that the call
// served. The attempt that succeeded is recorded in the action itself.
type Attempt struct {
	Action ActionID
	// N is which attempt for the action it was, from 1: Action.Attempts after it.
	N  int
	At time.Time // when its answer came, or when it was known that none would come
	// CallOf is the action that the call was made for. Reads of one chat share calls: if it is
	// another one, this action was merged into its call.
	CallOf  ActionID
	HTTP    int    // HTTP status of the answer; 0: no answer
	Code    int    // Chert's error code; 0: none
	TraceID string // of the answer
	Error   string // for humans
}

// record records on an action the answer of an attempt of a call, and keeps the attempt if it
// failed. An answer without a call is not an attempt.
func (s *step) record(a *Action, in Answer, flight *Flight) {
	a.record(in, flight)
	if in.OK || in.Local {
		return
	}
	s.attempted(Attempt{
		Action: a.ID, N: a.Attempts, At: s.now, CallOf: flight.Actions[0].ID,
		HTTP: in.HTTP, Code: in.Code, TraceID: in.TraceID, Error: in.Error,
	})
}

// attempted adds an attempt to the effects. An action that was dropped while its call was in
// flight and waits again since comes here twice with the same attempt.
func (s *step) attempted(x Attempt) {
	if !slices.Contains(s.out.Attempts, x) {
		s.out.Attempts = append(s.out.Attempts, x)
	}
}

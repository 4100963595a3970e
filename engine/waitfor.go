package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"chertd/engine/control"
	"chertd/rules/chat"
)

// What a due action waits for, beside the values of chat.WaitFor.
const (
	waitInFlight = "in_flight" // a call for it is on its way
	waitDrain    = "drain"     // chertd is stopping
	waitStore    = "store"     // the store fails: calls could not be recorded
	waitPause    = "pause"     // chertd pause
	waitCatchUp  = "catch_up"  // events that may have been missed are read from the events log
	waitOutage   = "outage"    // calls to Chert fail or have stopped
	waitLine     = "line"      // calls of its phone line have stopped
	waitTarget   = "target"    // its turn at the target of notifications
	waitRate     = "rate"      // its turn within the rate, or the end of a 429's pause
	waitBlocked  = "blocked"   // a pack that might have vetoed it has missed its event
)

// waitingFor are all values of for, in the order of the documents.
var waitingFor = []string{
	string(chat.WaitDelay), string(chat.WaitPostponed), string(chat.WaitRetry), string(chat.WaitLimit), string(chat.WaitNewer),
	string(chat.WaitOrder), string(chat.WaitTimer), string(chat.WaitHold), waitBlocked, waitInFlight, waitRate, waitTarget, waitOutage, waitLine, waitCatchUp,
	waitPause, waitStore, waitDrain,
}

// waitReason is what an action waits for.
type waitReason struct {
	For   string
	Until time.Time // zero: not known
	By    string
	After chat.ActionID
}

// due reports whether nothing of its chat keeps the action from being called.
func (w *waitReason) due() bool {
	return !slices.Contains(waitingFor[:slices.Index(waitingFor, waitInFlight)], w.For)
}

// callsState is what keeps due calls waiting, at a time.
type callsState struct {
	at    time.Time
	st    Status
	holds []chat.SelectionHold
}

func (e *Engine) callsState() *callsState {
	return &callsState{at: e.c.Now(), st: e.Status(), holds: e.held.now()}
}

// of returns what the i-th waiting action of a chat waits for.
func (s *callsState) of(c *chat.Chat, i int) waitReason {
	a := &c.Waiting[i]
	if f := c.Flight; f != nil && f.Kind != chat.Question && slices.ContainsFunc(f.Actions, func(b chat.Action) bool { return b.ID == a.ID }) {
		return waitReason{For: waitInFlight}
	}
	w := c.Waits(i, s.at, s.holds...)
	if w.For != chat.WaitCall {
		return waitReason{string(w.For), w.Until, w.By, w.After}
	}
	st := &s.st
	switch {
	case st.Draining:
		return waitReason{For: waitDrain}
	case st.Failing != "":
		return waitReason{For: waitStore}
	case isNotice(c.ID):
		return waitReason{For: waitTarget}
	case st.Paused:
		return waitReason{For: waitPause}
	case !st.CatchUp.IsZero():
		return waitReason{For: waitCatchUp, Until: st.CatchUpEnds}
	case !st.Pause.Until.IsZero():
		return waitReason{For: waitRate, Until: st.Pause.Until}
	case st.Stopped != nil, !st.Outage.IsZero():
		return waitReason{For: waitOutage}
	case s.stopped(c.Line) >= 0:
		return waitReason{For: waitLine}
	}
	return waitReason{For: waitRate}
}

// stopped returns the place among the lines that have stopped of a line; -1: it has not.
func (s *callsState) stopped(line string) int {
	for i := range s.st.Lines {
		if s.st.Lines[i].Line == line {
			return i
		}
	}
	return -1
}

// words returns what an action waits for in a sentence. general is why no calls are made.
func (w *waitReason) words(a *chat.Action, general []string) string {
	until := w.Until.UTC().Format(time.RFC3339)
	switch w.For {
	case string(chat.WaitDelay):
		return "its delay ends at " + until
	case string(chat.WaitPostponed):
		return fmt.Sprintf("%s has postponed it until %s", w.By, until)
	case string(chat.WaitRetry):
		return fmt.Sprintf("attempt %d follows at %s", a.Attempts+1, until)
	case string(chat.WaitLimit):
		return "its pack has made all the read calls that limits.reads allows, until " + until
	case string(chat.WaitNewer):
		return "a read that covers the newest message must go first, and none is requested yet"
	case string(chat.WaitOrder):
		return "action " + w.After.String() + " must go first"
	case string(chat.WaitTimer):
		return "a timer of the chat is due, and its rule runs first"
	case string(chat.WaitHold):
		return fmt.Sprintf("the chat is held by %s until %s: it is dropped once it is due", w.By, until)
	}
	if w.For == waitTarget {
		return "it is due, and waits for its turn at the target"
	}
	if len(general) > 0 {
		return "it is due, and calls wait"
	}
	return "it is due, and waits for its turn within the rate"
}

// lineStopWords returns, for people, that calls of a chat's line have stopped.
func lineStopWords(l *control.LineStop) string {
	return fmt.Sprintf("calls of line %s have stopped since %s: %s", cmp.Or(l.Line, "(unknown)"), l.Since.UTC().Format(time.RFC3339), l.Error)
}

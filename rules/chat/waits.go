package chat

import "time"

// Wait is what a waiting action waits for, as far as its chat is concerned. Whether a call
// that is due goes out also depends on the rate, pauses and outages.
type Wait struct {
	For   WaitFor
	Until time.Time // zero: not known
	By    string    // WaitPostponed: the rule key of the postponement; WaitHold: as in Ender
	After ActionID  // WaitOrder: the action that comes before it
}

// WaitFor is a reason to wait.
type WaitFor string

const (
	WaitCall      WaitFor = "call"      // it is due: nothing of the chat keeps it from being called
	WaitDelay     WaitFor = "delay"     // its rule asked for a delay
	WaitPostponed WaitFor = "postponed" // a rule has postponed reads of the chat
	WaitRetry     WaitFor = "retry"     // its last attempt failed
	WaitLimit     WaitFor = "limit"     // its pack has no read call left (limits.reads)
	WaitNewer     WaitFor = "newer"     // it does not cover the newest message: a read that does has to go first
	WaitOrder     WaitFor = "order"     // an action that was requested before it has to go first
	WaitHold      WaitFor = "hold"      // the chat is held: it is dropped once it is due
	WaitTimer     WaitFor = "timer"     // a timer of the chat is due: what its rule requests comes first
)

// Waits returns what the i-th waiting action waits for. holds are those of selections, as for Step.
func (c *Chat) Waits(i int, now time.Time, holds ...SelectionHold) Wait {
	a := &c.Waiting[i]
	if a.Kind == Read && c.Hold.Active(now) && a.Due.Before(c.Hold.Until) {
		return Wait{For: WaitHold, Until: c.Hold.Until, By: c.Hold.By}
	}
	for j := range holds {
		if h := &holds[j]; h.Of.Has(c) && h.WillDrop(a, now) {
			return Wait{For: WaitHold, Until: h.Until, By: h.Name()}
		}
	}
	if !c.mayCall(i) {
		if a.Kind == Read && !c.coversNewest(a) {
			return Wait{For: WaitNewer}
		}
		return Wait{For: WaitOrder, After: c.Waiting[max(0, i-1)].ID}
	}
	due := c.due(a)
	w := Wait{For: WaitDelay, Until: due}
	switch {
	case !due.After(now):
		if c.TimerDue(now) {
			return Wait{For: WaitTimer}
		}
		return Wait{For: WaitCall}
	case due.Equal(a.Due):
		if a.Kind != Read && a.attempted() {
			w.For = WaitRetry
		}
	case due.Equal(c.LimitedUntil[a.Reader()]):
		w.For = WaitLimit
	case due.Equal(c.PostponedUntil()):
		w.For, w.By = WaitPostponed, c.LastPostponement().By()
	default:
		w.For = WaitRetry
	}
	return w
}

package engine

import (
	"testing/synctest"
	"time"
)

// simRush is a time after all faults in which more reads are due than Chert accepts. Whatever the
// daemon has learned of Chert's limit before, its calls reach the limits of the rush.
type simRush struct {
	limits []float64 // of Chert, calls a second, one after the other; none: there is no rush
	burst  int
}

const (
	// simRushFor is how long the calls may take to reach a limit: docs/operations.md has 15
	// minutes for one that was raised to the double, and faults may have left a much lower one.
	simRushFor = 30 * time.Minute
	// simRushSpan and simRushCalls are how long, and for how many calls, a limit must be kept.
	simRushSpan  = time.Minute
	simRushCalls = 40
	// simRushGood is the share of the limit that calls must reach, and simRushRefused the share of
	// them that may be answered 429 then.
	simRushGood    = 0.85
	simRushRefused = 0.05
)

// simRushChats are the chats of a rush, of which no step knows. They are enough that a read is due
// whenever a call may go out.
var simRushChats = []string{"r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9"}

const simRushLine = "+14155550104"

// rush has messages come in until the calls have reached each limit of the rush, and fails if they
// don't.
func (w *simWorld) rush() {
	for _, limit := range w.plan.rush.limits {
		w.chert.SetLimit(limit, w.plan.rush.burst)
		w.reach(limit)
	}
	w.chert.SetLimit(0, 1)
}

func (w *simWorld) reach(limit float64) {
	target := min(limit, w.plan.rate)
	span := max(simRushSpan, time.Duration(simRushCalls/target*float64(time.Second)))
	began := w.trueNow()
	for n := 0; !w.failed(); n++ {
		w.receive(simRushChats[n%len(simRushChats)], "read")
		time.Sleep(time.Duration(float64(time.Second)/target/1.2) + 1234567*time.Nanosecond)
		synctest.Wait()
		took := w.trueNow().Sub(began)
		if n%10 > 0 || took < span {
			continue
		}
		w.mu.Lock()
		ok, refused := w.answers(w.trueNow().Add(-span))
		rate := float64(ok) / span.Seconds()
		reached := rate >= simRushGood*target && float64(refused) <= 1+simRushRefused*float64(ok)
		switch {
		case reached:
			w.trace("calls reach %.3g/s of the limit %.2g/s", rate, limit)
		case took > simRushFor:
			w.fail("%v after the limit became %.2g/s, with a ceiling of %.2g/s, %.3g calls a second succeed, and %d of %d are answered 429", took, limit, w.plan.rate, rate, refused, ok+refused)
		}
		w.mu.Unlock()
		if reached {
			return
		}
	}
}

// answers returns how many calls have succeeded since a time, and how many were answered 429.
// w.mu is held.
func (w *simWorld) answers(since time.Time) (ok, refused int) {
	for i := len(w.book.calls) - 1; i >= 0; i-- {
		c := w.book.calls[i]
		switch {
		case c.began.at.Before(since):
			return ok, refused
		case c.ok:
			ok++
		case c.code == 1007:
			refused++
		}
	}
	return ok, refused
}

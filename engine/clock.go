package engine

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/store"
)

// chertClock is the local clock, corrected by the Date of Chert's answers. It signs calls and
// checks deliveries, as Chert refuses signatures that are five minutes off and signs
// deliveries by its own clock. Rules never use it.
//
// A single answer does not correct it, as a proxy, a cache or one server may have a
// wrong Date. Several answers in a row that agree do, and so does a refusal for clock
// skew (2013), which proves that the clock was wrong. Its methods may be called from
// many goroutines.
type chertClock struct {
	local  func() time.Time
	offset atomic.Int64 // nanoseconds to add

	mu    sync.Mutex
	other []time.Duration // offsets of the last answers in a row that differ from offset
}

const (
	// clockSlack is how far the clock may be off before it is corrected: Date has a
	// resolution of a second, and the answer takes time to arrive.
	clockSlack = 3 * time.Second
	// clockAgree is how many answers in a row must agree to correct the clock.
	clockAgree = 3
	// maxOffset bounds a correction by ordinary answers. If the clock is further off,
	// Chert refuses calls, and that corrects it.
	maxOffset = 24 * time.Hour
)

// earliestDate is before any Date of Chert's. An earlier Date is from a server without a
// clock.
var earliestDate = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// newClock returns a chertClock with the time of local until answers correct it.
func newClock(local func() time.Time) *chertClock { return &chertClock{local: local} }

// Now returns the corrected time.
func (c *chertClock) Now() time.Time { return c.local().Add(c.Offset()) }

// Offset returns what is added to the local clock.
func (c *chertClock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Restore sets the offset that an earlier run has learned. If the local clock was set
// since, the first answers correct it.
func (c *chertClock) Restore(offset time.Duration) { c.offset.Store(int64(offset)) }

// Learn takes the Date of an answer that has just arrived, and reports whether it
// corrected the clock. refused is set if the answer is a refusal for clock skew. A zero
// Date is ignored.
func (c *chertClock) Learn(date time.Time, refused bool) bool {
	if date.Before(earliestDate) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Compare with the local clock: answers that arrive together must not each add to
	// the correction by the first of them.
	off := date.Sub(c.local())
	switch {
	case (off - c.Offset()).Abs() <= clockSlack:
		c.other = c.other[:0]
		return false
	case refused:
		c.correct(off)
		return true
	case off.Abs() > maxOffset:
		return false
	}
	if n := len(c.other); n > 0 && (off-c.other[0]).Abs() > clockSlack {
		c.other = c.other[:0] // they do not agree: start over with this one
	}
	if c.other = append(c.other, off); len(c.other) < clockAgree {
		return false
	}
	c.correct(off)
	return true
}

func (c *chertClock) correct(off time.Duration) {
	c.offset.Store(int64(off))
	c.other = c.other[:0]
}

// keepOffset returns Learn of a clock whose offset the store keeps, so that deliveries
// are checked by it right after a restart.
func keepOffset(c *chertClock, st store.Store, log *slog.Logger) func(date time.Time, refused bool) bool {
	return func(date time.Time, refused bool) bool {
		if !c.Learn(date, refused) {
			return false
		}
		log.Warn("local clock differs from Chert's; using Chert's time to sign calls and check deliveries", "offset", c.Offset().Round(time.Second).String(), "hint", "set the clock of this machine (NTP)")
		ctx, cancel := context.WithTimeout(context.Background(), keepTime)
		defer cancel()
		if err := st.SetClockOffset(ctx, c.Offset()); err != nil {
			log.Warn("could not store the clock offset; it will be learned again after a restart", keyError, err)
		}
		return true
	}
}

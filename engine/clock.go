package engine

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/store"
)

// Clock is the local clock corrected by what Chert's Date headers say: request
// signatures are refused beyond five minutes of Chert's time, and deliveries
// are signed by it. It serves signing and checking, never rules.
//
// One answer is not believed: a proxy, a cache or a single server may date its
// answers wrongly. The clock is corrected once several answers in a row agree,
// or by the Date of a refusal for clock skew (2013), which proves that the clock
// as it was did not serve.
type Clock struct {
	local  func() time.Time
	offset atomic.Int64 // nanoseconds to add

	mu    sync.Mutex
	other []time.Duration // what the last answers in a row said that differ from offset
}

const (
	// clockSlack is how far the clock may be off before it is corrected: Date has
	// a resolution of a second and arrives late by the way of the answer.
	clockSlack = 3 * time.Second
	// clockAgree is how many answers in a row must agree to correct the clock.
	clockAgree = 3
	// maxOffset bounds what answers alone can teach. A clock that is further off
	// is refused by Chert, and then corrected all the same.
	maxOffset = 24 * time.Hour
)

// earliestDate is before anything Chert could say: a Date below it is a
// server's that has no clock.
var earliestDate = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// NewClock makes a clock that goes by local until it learns better.
func NewClock(local func() time.Time) *Clock { return &Clock{local: local} }

// Now is the time as Chert sees it.
func (c *Clock) Now() time.Time { return c.local().Add(c.Offset()) }

// Offset is what is added to the local clock.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Restore begins with an offset that an earlier run has learned. The local clock
// may have been set right since: then the first answers correct it back.
func (c *Clock) Restore(offset time.Duration) { c.offset.Store(int64(offset)) }

// Learn takes the Date of an answer that has just arrived, and reports whether
// the clock was corrected by it. refused says that the answer refused a request
// for clock skew. The zero time teaches nothing.
func (c *Clock) Learn(date time.Time, refused bool) bool {
	if date.Before(earliestDate) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Against the local clock: answers that arrive together must not each add
	// to what the first of them has corrected.
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
		c.other = c.other[:0] // they do not agree: begin again with this one
	}
	if c.other = append(c.other, off); len(c.other) < clockAgree {
		return false
	}
	c.correct(off)
	return true
}

func (c *Clock) correct(off time.Duration) {
	c.offset.Store(int64(off))
	c.other = c.other[:0]
}

// keepOffset is Learn of a clock whose offset the store keeps: right after a
// restart, deliveries are checked by what was learned before.
func keepOffset(c *Clock, st store.Store, log *slog.Logger) func(date time.Time, refused bool) bool {
	return func(date time.Time, refused bool) bool {
		if !c.Learn(date, refused) {
			return false
		}
		log.Warn("this machine's clock differs from Chert's: set it (NTP). Calls are signed, and deliveries checked, by Chert's", "offset", c.Offset().Round(time.Second).String())
		ctx, cancel := context.WithTimeout(context.Background(), keepTime)
		defer cancel()
		if err := st.SetClockOffset(ctx, c.Offset()); err != nil {
			log.Warn("the clock's offset can't be kept: after a restart it has to be learned again", keyError, err)
		}
		return true
	}
}

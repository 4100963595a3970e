package engine

import (
	"sync/atomic"
	"time"
)

// Clock is the local clock corrected by what Chert's Date headers say: request
// signatures are refused beyond five minutes of Chert's time, and deliveries
// are signed by it. It serves signing and checking, never rules.
type Clock struct {
	local  func() time.Time
	offset atomic.Int64 // nanoseconds to add
}

// clockSlack is how far the clock may be off before it is corrected: Date has
// a resolution of a second and arrives late by the way of the answer.
const clockSlack = 3 * time.Second

// NewClock makes a clock that goes by local until it learns better.
func NewClock(local func() time.Time) *Clock { return &Clock{local: local} }

// Now is the time as Chert sees it.
func (c *Clock) Now() time.Time { return c.local().Add(c.Offset()) }

// Offset is what is added to the local clock.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Learn corrects the clock by a Date header that has just arrived, and reports
// whether it had to. The zero time teaches nothing.
func (c *Clock) Learn(date time.Time) bool {
	if date.IsZero() {
		return false
	}
	// Against the local clock: answers that arrive together must not each add
	// to what the first of them has corrected.
	off := date.Sub(c.local())
	if (off - c.Offset()).Abs() <= clockSlack {
		return false
	}
	c.offset.Store(int64(off))
	return true
}

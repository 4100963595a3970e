// Package wait waits: for a while, for a time of a clock, for a signal, and never
// longer than a context lasts.
package wait

import (
	"context"
	"time"
)

// LookAgain is the longest that Until waits before it reads the clock again. Timers
// notice neither a clock that is set nor the hours that a machine was suspended, so
// whoever waits for a clock in other ways should look again as often.
const LookAgain = 15 * time.Second

// For waits for a duration, a signal or the end of ctx, and reports whether ctx is
// still live. A negative duration is without end. There are at most two signals; a
// nil channel never signals. It takes every signal that has come by its end: the caller
// looks at everything once, however many came, and what it does next does not depend on
// which one ended the wait.
func For(ctx context.Context, d time.Duration, signals ...<-chan struct{}) bool {
	wait(ctx, d, signals)
	return ctx.Err() == nil
}

// Until waits until a clock has reached a time, for a signal or the end of ctx, and
// reports whether ctx is still live. The zero time is never reached. It takes signals as
// For does.
func Until(ctx context.Context, now func() time.Time, due time.Time, signals ...<-chan struct{}) bool {
	for {
		left := time.Duration(-1)
		if !due.IsZero() {
			if left = due.Sub(now()); left <= 0 {
				return ctx.Err() == nil
			}
			left = min(left, LookAgain)
		}
		if signalled := wait(ctx, left, signals); signalled || ctx.Err() != nil {
			return ctx.Err() == nil
		}
	}
}

// wait reports whether a signal, or the end of ctx, came.
func wait(ctx context.Context, d time.Duration, signals []<-chan struct{}) (early bool) {
	var timeUp <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timeUp = t.C
	}
	var first, second <-chan struct{}
	switch len(signals) {
	case 0:
	case 1:
		first = signals[0]
	case 2:
		first, second = signals[0], signals[1]
	default:
		panic("wait: more than two signals")
	}
	select {
	case <-timeUp:
	case <-first:
		early = true
	case <-second:
		early = true
	case <-ctx.Done():
		return true
	}
	for _, signal := range signals {
		select {
		case <-signal:
			early = true
		default:
		}
	}
	return early
}

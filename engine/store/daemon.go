package store

import (
	"context"
	"time"

	"chertd/rules"
)

// Daemon is what a store keeps of chertd itself, so that a restart changes
// nothing. Commit writes how far schedules have come and which calls count, with
// the events and the calls that they belong to.
type Daemon interface {
	// Paused reports whether calls are paused, as SetPaused last set it.
	Paused(ctx context.Context) (bool, error)
	SetPaused(ctx context.Context, paused bool) error

	// ClockOffset returns how far the local clock is behind Chert's, as
	// SetClockOffset last set it; 0 if it never did. It is kept to the microsecond.
	ClockOffset(ctx context.Context) (time.Duration, error)
	SetClockOffset(ctx context.Context, offset time.Duration) error

	// CallPause returns the last time that Chert asked to wait before any further
	// call of a credential, as SetCallPause last set it; its zero value if it never did.
	CallPause(ctx context.Context, credential string) (CallPause, error)
	SetCallPause(ctx context.Context, credential string, p CallPause) error

	// ScheduleDone returns until when the runs of a schedule are done; the zero
	// time if nothing is kept of it, or what is kept has expired by now.
	ScheduleDone(ctx context.Context, s Schedule, now time.Time) (time.Time, error)

	// ReadCount returns which count of a pack's read calls is on, with the calls of
	// all counts by place; its zero value, but for Pack, if none is kept.
	ReadCount(ctx context.Context, pack string) (ReadCount, error)
}

// CallPause is a time that Chert asked to wait before any further call (429).
type CallPause struct {
	Asked time.Time // when the answer came
	Until time.Time // no call before it
	Why   string    // the answer, for people
}

// What rules count and schedule, as a store keeps it.
type (
	Schedule    = rules.ScheduleID
	ScheduleRun = rules.ScheduleRun
	ReadCount   = rules.ReadCount
	ReadCall    = rules.ReadCall
)

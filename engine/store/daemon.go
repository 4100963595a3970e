package store

import (
	"context"
	"time"

	"chertd/rules"
)

// Daemon keeps what chertd has to know about itself after a restart. Commit keeps,
// with the events and calls that they belong to, the progress of schedules and the
// calls that limits.reads counts.
type Daemon interface {
	// Paused reports whether all calls are paused.
	Paused(ctx context.Context) (bool, error)
	// SetPaused sets whether all calls are paused.
	SetPaused(ctx context.Context, paused bool) error

	// ClockOffset returns how far the local clock is behind Chert's; 0 if it was
	// never set.
	ClockOffset(ctx context.Context) (time.Duration, error)
	// SetClockOffset sets the offset. It is kept to the microsecond.
	SetClockOffset(ctx context.Context, offset time.Duration) error

	// CallPause returns the last pause that Chert requested of a credential; its
	// zero value if it never did.
	CallPause(ctx context.Context, credential string) (CallPause, error)
	// SetCallPause sets the pause of a credential.
	SetCallPause(ctx context.Context, credential string, p CallPause) error

	// LineStops returns the phone lines of a credential whose calls had stopped, by name.
	LineStops(ctx context.Context, credential string) ([]LineStop, error)
	// SetLineStop keeps that the calls of a line have stopped, or with a zero Since that
	// they have not.
	SetLineStop(ctx context.Context, credential string, s LineStop) error
	// UnsupportedLines returns the phone lines on which mark-read is not available, by line.
	UnsupportedLines(ctx context.Context) ([]UnsupportedLine, error)
	// SetUnsupportedLine adds a line, or replaces what is known of it.
	SetUnsupportedLine(ctx context.Context, l UnsupportedLine) error
	// DropUnsupportedLine removes a line. It ignores an unknown one.
	DropUnsupportedLine(ctx context.Context, line string) error
	// LearnedRate returns the rate that was learned for the calls of a credential; its
	// zero value if none is kept.
	LearnedRate(ctx context.Context, credential string) (LearnedRate, error)
	// SetLearnedRate sets the learned rate of a credential.
	SetLearnedRate(ctx context.Context, credential string, r LearnedRate) error

	// ScheduleDone returns the time until which the runs of a schedule are done. It
	// is zero if none is kept, or the one that is kept has expired by now.
	ScheduleDone(ctx context.Context, s rules.ScheduleID, now time.Time) (time.Time, error)

	// ReadCount returns the current count of a pack's read calls, with the calls of
	// this count and earlier ones, ordered by place. If none is kept only its Pack
	// is set.
	ReadCount(ctx context.Context, pack string) (rules.ReadCount, error)
}

// CallPause is a pause of all calls that Chert requested (429).
type CallPause struct {
	Asked time.Time // when the answer came in
	Until time.Time // no call before it
	Why   string    // the answer, for people
}

// LineStop is a phone line whose calls wait, apart from probes, because they fail.
type LineStop struct {
	Line    string // "": chats whose line is not known
	Since   time.Time
	Code    int // of the last failure: Chert's error code; 0: none
	HTTP    int // status of its answer; 0: there was none
	Error   string
	TraceID string
}

// UnsupportedLine is a phone line on which mark-read is not available (4099).
type UnsupportedLine struct {
	Line    string
	Since   time.Time // when Chert first answered so
	Until   time.Time // until then reads of the line end without a call; then one tries
	TraceID string    // of Chert's last answer
}

// LearnedRate is the rate at which Chert accepts calls, learned from its 429s.
type LearnedRate struct {
	Rate   float64   // calls per second; 0: nothing is learned
	Unsure float64   // by how much Rate may be wrong, as a share of it
	At     time.Time // of the last 429 that it was learned from
}

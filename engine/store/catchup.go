package store

import (
	"context"
	"time"

	"chertd/rules/turn"
)

// CatchUp keeps how far Chert's events log is read, and the deliveries that come while it
// is behind: they are journaled after the older events that the log has.
type CatchUp interface {
	// LogCursor returns the time up to which the rows of a log are in the journal; zero if
	// it was never set. Other tenants and addresses have other logs.
	LogCursor(ctx context.Context, log string) (time.Time, error)
	// SetLogCursor sets it. It is kept to the microsecond.
	SetLogCursor(ctx context.Context, log string, read time.Time) error

	// AppendEarly keeps arrivals for later, and returns a receipt for each, without a
	// sequence. One whose id is in the journal, or among the early ones, is a duplicate. An
	// end of ctx has the same effect as with Append. Only what event.Decode restores from
	// the body, the id and the type comes back.
	AppendEarly(ctx context.Context, arrivals []turn.Arrival) ([]Receipt, error)
	// Early returns the early arrivals after one, by Early.N, in the order in which they came:
	// at most limit, and fewer if their bodies reach PendingBytes. It returns none only if
	// there are none.
	Early(ctx context.Context, after int64, limit int) ([]Early, error)
	// DropEarly removes early arrivals up to one, which is removed as well.
	DropEarly(ctx context.Context, through int64) error
}

// Early is an arrival that is not in the journal yet.
type Early struct {
	N        int64 // in the order in which they came
	ID       string
	Type     string
	Source   string
	Received time.Time
	Body     []byte
}

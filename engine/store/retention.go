package store

import (
	"context"
	"time"
)

// Retention removes what is old, in steps that are small enough to share a
// transaction with events that come in. It never removes what a later event, call or
// command may need: state, kv, holds, chats and what packs are stay.
//
// Each step looks at no more than limit rows after a cursor, and removes those of them
// that may go. Steps may run while anything else does, and may be repeated.
type Retention interface {
	// PruneEvents removes events that were received before a time, in the order of the
	// journal, with their decisions, actions and attempts. An event stays while it is pending,
	// while an action of it is waiting, sent, blocked or dead, while a pack has missed
	// it, and while a timer that it has set is not done. Its id stays as well: see
	// PruneSeen.
	PruneEvents(ctx context.Context, before time.Time, after Cursor, limit int) (Pruned, error)

	// PruneTexts removes what people wrote from events that were received before a time:
	// the envelope and what was decoded from it, payloads of timers, bodies of calls
	// that have ended, the errors of their attempts, and what rules logged and raised. Type, times, source, chat, line,
	// and the message's id and direction stay, and so do the actions. A pending event
	// keeps its text, and so does one that a pack has missed: it may still run. An event
	// from outside without Raw is one whose text was removed, not one without text.
	PruneTexts(ctx context.Context, before time.Time, after Cursor, limit int) (Pruned, error)

	// PruneSeen removes ids of events that were journaled before a time, as MarkDay has
	// noted it, and that are not in the journal any more. From then on the same event
	// is a new one. The cursor runs through all ids.
	PruneSeen(ctx context.Context, before time.Time, after Cursor, limit int) (Pruned, error)

	// MarkDay notes that all events so far were journaled by now. Only the first mark of
	// a day (UTC) counts, and none before a later one.
	MarkDay(ctx context.Context, now time.Time) error
}

// Cursor is where a step ended, and the next one begins; "": at the start. Only the
// store that returned it knows what is in it, and it is of no use for another method.
type Cursor string

// Pruned is what one step has done.
type Pruned struct {
	Removed int    // events, events whose texts were removed, or ids
	Next    Cursor // where the next step begins
	More    bool   // there is more to look at
}

// TextRemoved stands in a record for an error whose text was removed.
const TextRemoved = "no longer kept (store.raw)"

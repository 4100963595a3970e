package store

import (
	"context"
	"time"

	"chertd/rules/chat"
)

// Misses is what a store remembers of events that packs did not get to look at.
// Such an event is a row for each of those packs, which Commit writes with the
// event's decision and removes with what came of it later.
type Misses interface {
	// MissedPacks counts the rows of each version of each pack, but for those
	// that are MissedElsewhere.
	MissedPacks(ctx context.Context) ([]MissedPack, error)

	// Missed returns rows of a shard and of the packs named, with a sequence
	// above after and missed at since or later, in the order of the journal and
	// then of the packs' names: those of at most limit events. The rows of one
	// event come together; those that are MissedElsewhere do not come. None are returned only if there are none.
	Missed(ctx context.Context, shard Shard, packs []string, after int64, since time.Time, limit int) ([]Missed, error)

	// Vetoes returns the rows with CanVeto of a shard key: for these, reads of
	// that chat are blocked. They are in the order of the journal.
	Vetoes(ctx context.Context, key string) ([]Missed, error)

	// BlockedReads returns the reads of a chat that are blocked, in the order
	// they were asked for.
	BlockedReads(ctx context.Context, chat string) ([]chat.Action, error)

	// Backlog counts what a pack has missed, and the reads that are blocked
	// because of it: recent is what it missed at since or later, older what it
	// missed before. A read counts by the newest row with CanVeto that blocks it.
	Backlog(ctx context.Context, pack string, since time.Time) (recent, older Backlog, err error)

	// Records returns entries and their decisions, without their actions, by
	// sequence. One that is not there is left out.
	Records(ctx context.Context, seqs []int64) ([]Record, error)
}

// Backlog counts what a pack has missed.
type Backlog struct {
	Events int64
	Reads  int64     // that are blocked because of them
	First  time.Time // the earliest At of the events; zero: there are none
}

// MissedPack counts what a version of a pack has missed.
type MissedPack struct {
	Pack    string
	Version string
	Events  int64
	First   time.Time // the earliest At
	Last    time.Time // and the latest
}

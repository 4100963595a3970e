package store

import (
	"context"
	"time"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Misses keeps which events packs missed: those that a pack could have run on and
// did not, because it failed, was suspended or was not loaded. There is a row for
// each such event and pack. Commit writes it with the event's decision, and removes
// it once the event has run through the pack after all.
type Misses interface {
	// MissedPacks counts the rows of each version of each pack, except those that
	// are MissedElsewhere.
	MissedPacks(ctx context.Context) ([]MissedPack, error)

	// Missed returns the rows of a shard and of given packs, except those that are
	// MissedElsewhere, with a sequence above after and At not before since. They are
	// ordered by sequence and then by pack, and are those of at most limit events;
	// the rows of one event are never split. It returns none only if there are none.
	Missed(ctx context.Context, shard Shard, packs []string, after int64, since time.Time, limit int) ([]turn.Missed, error)

	// Vetoes returns the rows with CanVeto of a shard key, in the order of the
	// journal. Reads of that chat are blocked because of them.
	Vetoes(ctx context.Context, key string) ([]turn.Missed, error)

	// BlockedReads returns the blocked reads of a chat, in the order in which they
	// were requested.
	BlockedReads(ctx context.Context, chat string) ([]chat.Action, error)

	// Backlog counts what a pack has missed, and the reads that are blocked because
	// of it: recent is what it missed at since or later, older is the rest. A read
	// counts where the newest row with CanVeto does that blocks it.
	Backlog(ctx context.Context, pack string, since time.Time) (recent, older Backlog, err error)

	// Records returns entries and their decisions, without their actions, by
	// sequence. It leaves out those that do not exist.
	Records(ctx context.Context, seqs []int64) ([]Record, error)
}

// Backlog counts what a pack has missed.
type Backlog struct {
	Events int64
	Reads  int64     // blocked because of them
	First  time.Time // the earliest At of the events; zero if there are none
}

// MissedPack counts what a version of a pack has missed.
type MissedPack struct {
	Pack    string
	Version string
	Events  int64
	First   time.Time // the earliest At
	Last    time.Time // the latest At
}

// Package store is the seam between the engine and what keeps its memory: the
// journal of events, what became of them, chats, actions, timers, rules' state.
//
// The seam says what happened, never how to queue it, and is free of SQL. Every
// store passes storetest.
package store

import (
	"context"
	"errors"
	"hash/fnv"
	"time"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

// ErrClosed is returned by every method once Close was called.
var ErrClosed = errors.New("store is closed")

// ErrConflict is returned by Commit when a kv entry that a handler read has
// changed since, or others have used up the room that a pack had in kv: nothing of
// the batch was kept, and its handlers are to run again.
var ErrConflict = errors.New("kv changed since it was read")

// Store makes events and outcomes durable. Its methods may be called from many
// goroutines. An error other than the named ones means that nothing was kept
// and that the call may be repeated; what an end of ctx means, each method says.
//
// Times are kept to the microsecond and come back in UTC. A clock that is read
// in whole microseconds sees the same before and after a restart.
type Store interface {
	// Journaled sets the function that is told of every new journal entry, in
	// the order of their sequence, once they are durable and before the call
	// that brought them returns. It is called from one goroutine, must not
	// block, and is set once, before the first Append.
	Journaled(func([]Entry))

	// Append journals arrivals and returns a receipt for each, in their order.
	// When it returns without an error all of them are on disk. If ctx ends
	// first it is not known whether they are kept: appended again, those that
	// are come back as duplicates.
	Append(ctx context.Context, arrivals []Arrival) ([]Receipt, error)

	// Quarantine keeps what came with a valid signature and could not be
	// understood. The same body again is kept once. Of an end of ctx the same
	// holds as with Append.
	Quarantine(ctx context.Context, q Quarantined) error

	// Pending returns entries of a shard that are not handled, in the order of
	// the journal, with a sequence above after: at most limit, and fewer once
	// their bodies come to PendingBytes. None are returned only if there are none.
	Pending(ctx context.Context, shard Shard, after int64, limit int) ([]Entry, error)

	// Unhandled reports whether entries with the shard key and a sequence above
	// after are journaled and not handled: a read must not go out ahead of an
	// event that may veto it. The caller knows that those up to after are
	// handled. The cost depends on the key's own entries above after alone, not
	// on how many others are pending.
	Unhandled(ctx context.Context, key string, after int64) (bool, error)

	// Commit makes a batch of transitions durable, all or none, in their order.
	// A transition whose event is handled already (a batch repeated after its
	// answer was lost) replaces what was kept; its Reads are validated all the
	// same. An event that was not handled before counts for each version whose
	// rules its decision names. An end of ctx ends the waiting for a turn, and nothing is kept; once
	// the batch is being written its answer is waited for.
	Commit(ctx context.Context, batch []Transition) error

	// Chat returns what is remembered of a chat; an unknown one has only its id.
	// Actions that were Sent when the process ended are among those that wait:
	// the chat's next step settles them.
	Chat(ctx context.Context, id string) (chat.Chat, error)

	// What packs remember. Commit validates the versions of the entries that were
	// read. KVUsage reads no values.
	turn.Base

	// CallLines returns the phone lines of chats that have a call due, at any
	// time, in order: from one on (inclusive; "" is chats of which no line is
	// known), at most limit.
	CallLines(ctx context.Context, from string, limit int) ([]string, error)
	// CallsDue and TimersDue return chats in the order of the time their next
	// call, or timer, is due: those after the cursor, at most limit. Calls are
	// those of one phone line.
	CallsDue(ctx context.Context, line string, after Due, limit int) ([]Due, error)
	TimersDue(ctx context.Context, after Due, limit int) ([]Due, error)

	// Healthy reports why the store can't keep what it is given at the moment; nil:
	// it can. It answers immediately, also while the disk does not.
	Healthy() error

	// LastSeq is the highest sequence of the journal.
	LastSeq() int64

	// ClockOffset and SetClockOffset keep how far the local clock is behind Chert's;
	// 0 if it was never set. It is kept to the microsecond.
	ClockOffset(ctx context.Context) (time.Duration, error)
	SetClockOffset(ctx context.Context, offset time.Duration) error

	// CallPause and SetCallPause keep the last time that Chert asked to wait
	// before any further call of a credential; the zero value if it never did.
	CallPause(ctx context.Context, credential string) (CallPause, error)
	SetCallPause(ctx context.Context, credential string, p CallPause) error

	Packs
	Misses
	Reader
	Close() error
}

// Reader is what people ask of a store: commands and the console.
type Reader interface {
	Stats(ctx context.Context) (Stats, error)
	// Event returns a journal entry and what became of it, by the event's id;
	// ok is false if there is none.
	Event(ctx context.Context, id string) (r Record, ok bool, err error)
	// Events returns the newest records first; chat "" is all chats.
	Events(ctx context.Context, chat string, before int64, limit int) ([]Record, error)
	// Actions returns the newest actions first.
	Actions(ctx context.Context, f ActionFilter) ([]chat.Action, error)
	// Holds returns chats that are held at a time, the longest hold first: at most
	// limit. It counts all of them, up to CountedHolds.
	Holds(ctx context.Context, now time.Time, limit int) (list []Hold, total int64, err error)
	// Postponed returns chats of which reads wait at a time because a rule has
	// postponed them, those that wait longest first, with the postponement that ends
	// last: at most limit. It counts all of them, up to CountedHolds.
	Postponed(ctx context.Context, now time.Time, limit int) (list []Postponement, total int64, err error)
	// Quarantined returns the newest first.
	Quarantined(ctx context.Context, limit int) ([]Quarantined, error)
}

// Hold is a chat that is held.
type Hold struct {
	Chat string
	chat.Hold
}

// Postponement is a chat of which reads wait.
type Postponement struct {
	Chat string
	chat.Postponement
}

// CountedHolds is up to how many holds, or postponements, are counted: people wait
// for the answer.
const CountedHolds = 10_000

// PendingBytes is about how much Pending returns at most: bodies may be 1 MiB each.
const PendingBytes = 16 << 20

// What a turn makes, by the names it has in a store.
type (
	Arrival      = turn.Arrival
	Entry        = turn.Entry
	Forward      = turn.Forward
	Transition   = turn.Transition
	Decision     = turn.Decision
	RuleDecision = turn.RuleDecision
	Log          = turn.Log
	State        = turn.State
	KV           = turn.KV
	Quota        = turn.Quota
	Missed       = turn.Missed
	MissedID     = turn.MissedID
	MissedWhy    = turn.MissedWhy
)

// MissedElsewhere is turn.MissedElsewhere.
const MissedElsewhere = turn.MissedElsewhere

// Receipt says where an arrival stands in the journal.
type Receipt struct {
	Seq       int64
	Duplicate bool // its id was there already; Seq is that one's
}

// Slots is the number of slots keys are hashed to; a store may keep the slot.
const Slots = 1 << 16

// Slot is the fixed hash of a shard key.
func Slot(key string) int {
	h := fnv.New32a()
	h.Write([]byte(key))
	return int(h.Sum32() % Slots)
}

// Shard is one of a number of equal parts of all slots: those with slot % Of == Index.
type Shard struct{ Index, Of int }

// Holds reports whether the shard has the key.
func (s Shard) Holds(key string) bool { return Slot(key)%s.Of == s.Index }

// Due is a chat whose next call or timer is due at a time.
type Due struct {
	Chat string
	At   time.Time
	// Retry is whether an attempt of the chat's read call has failed.
	Retry bool
}

// CallPause is a time that Chert asked to wait before any further call (429).
type CallPause struct {
	Asked time.Time // when the answer came
	Until time.Time // no call before it
	Why   string    // the answer, for people
}

// Quarantined is a delivery that was signed and not understood.
type Quarantined struct {
	ID       int64
	Received time.Time
	Source   string
	Reason   string
	Header   map[string]string // of the delivery, signatures left out
	Body     []byte
}

// Record is a journal entry and what became of it so far.
type Record struct {
	Entry
	Decision *Decision // nil: not handled yet
	Actions  []chat.Action
}

// ActionFilter chooses actions; zero fields don't.
type ActionFilter struct {
	Status []chat.Status
	Chat   string
	Pack   string
	Limit  int // 0: 100
}

// Stats counts what a store holds.
type Stats struct {
	Events      int64
	Pending     int64
	Quarantined int64
	Actions     map[chat.Status]int64
	Chats       int64
	Bytes       int64 // on disk
}

// Package store is the seam between the engine and what makes its memory durable:
// the journal of events and their decisions, chats, actions and timers, the state
// and kv of rules, and what chertd remembers about packs and itself.
//
// The seam takes what happened, not how to store it, and has no SQL in it. Package
// sqlite is the default store; package storetest tests what every store must do.
package store

import (
	"context"
	"errors"
	"hash/fnv"
	"time"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

// ErrClosed is returned by every method after Close was called.
var ErrClosed = errors.New("store is closed")

// ErrConflict is returned by Commit when a kv entry that a handler read has
// changed since then, or when others have used up the room that a pack has in kv.
// Nothing of the batch is kept; the caller runs its handlers again.
var ErrConflict = errors.New("kv changed since it was read")

// ErrInQuarantine is returned by Quarantine for a delivery that is in quarantine already, or
// has left it.
var ErrInQuarantine = errors.New("the delivery is, or was, in quarantine already")

// Store makes events and what becomes of them durable. Its methods may be called
// from several goroutines. An error other than ErrClosed, ErrConflict and ErrInQuarantine means that
// nothing was kept and that the call may be repeated; each method says what holds
// when ctx ends.
//
// Times are kept to the microsecond and come back in UTC. A clock that is read
// in whole microseconds therefore sees the same before and after a restart.
type Store interface {
	// Journaled sets the function that receives every new entry of the journal, in
	// the order of their sequence, once they are durable and before the call that
	// appended them returns. The store calls f from one goroutine; f must not block.
	// Journaled is called once, before the first Append.
	Journaled(f func([]turn.Entry))

	// Append adds arrivals to the journal and returns a receipt for each, in their
	// order. When it returns without an error all of them are on disk. If ctx ends
	// first they may be on disk or not: those that are come back as duplicates when
	// they are appended again.
	Append(ctx context.Context, arrivals []turn.Arrival) ([]Receipt, error)

	// Quarantine keeps a delivery that has a valid signature and could not be
	// understood. A body or an event that is quarantined already is not kept twice, nor one
	// that was dropped: the error is ErrInQuarantine then. An end of ctx has the same effect
	// as with Append.
	Quarantine(ctx context.Context, q Quarantined) error
	// DropQuarantined removes deliveries from the quarantine. It ignores unknown IDs. What
	// was removed stays known until PruneSeen removes what identifies it.
	DropQuarantined(ctx context.Context, ids []int64) error

	// Pending returns the entries of a shard that are not handled and have a
	// sequence above after, in the order of the journal: at most limit, and fewer
	// if their bodies reach PendingBytes. It returns none only if there are none.
	Pending(ctx context.Context, shard Shard, after int64, limit int) ([]turn.Entry, error)

	// Unhandled returns the sequence of the newest entry of a chat that is not handled, or a
	// higher one; 0: there is none. A read must not overtake an event that may veto it. It
	// does not use the disk.
	Unhandled(ctx context.Context, chat string) (newest int64, err error)

	// Commit makes a batch of transitions durable, all or none, in their order.
	//
	// A transition whose event is handled already replaces what was kept, but for the
	// decision's Prev if the new one has none: that is a batch that is repeated because its
	// answer was lost. A transition's chat is that of its event. Its Reads are validated
	// nevertheless. An event that was not handled before counts for each version
	// whose rules its decision names. An action belongs to an event that is handled, by
	// the same batch or before.
	//
	// The store keeps the chats of the batch in memory: they must not change afterwards.
	//
	// If ctx ends before the batch is being written, nothing is kept; after that,
	// Commit waits for the result.
	Commit(ctx context.Context, batch []turn.Transition) error

	// Chats returns what is remembered about chats, in the order of their ids; an unknown
	// one has only its id. Actions that were Sent when the process ended are among those
	// that wait: the next step of the chat settles them.
	Chats(ctx context.Context, ids []string) ([]chat.Chat, error)

	// What packs remember. Commit validates the versions of the entries that were
	// read. KVUsage reads no values.
	turn.Base

	// CallLines returns the phone lines of chats that have a call due, at any time,
	// in order: at most limit, from one on (inclusive). The line "" is that of chats
	// whose line is not known.
	CallLines(ctx context.Context, from string, limit int) ([]string, error)
	// CallsDue returns chats of one phone line in the order in which their next call
	// is due: at most limit, those after a given one.
	CallsDue(ctx context.Context, line string, after Due, limit int) ([]Due, error)
	// TimersDue returns chats in the order in which their next timer is due: at most
	// limit, those after a given one.
	TimersDue(ctx context.Context, after Due, limit int) ([]Due, error)

	// Healthy returns why the store can't keep anything at the moment; nil if it
	// can. It returns immediately, also while the disk hangs.
	Healthy() error

	// LastSeq returns the highest sequence of the journal.
	LastSeq() int64

	Daemon
	Packs
	Rules
	Misses
	CatchUp
	DeadLetters
	Waits
	Retention
	Erasure
	Lists
	Reader

	// Close makes durable what was requested before, answers it, and releases the
	// store. Later calls return ErrClosed.
	Close() error
}

// Reader answers commands and the console. Its methods may take long; they
// return when ctx ends.
type Reader interface {
	// Stats counts what the store holds.
	Stats(ctx context.Context) (Stats, error)
	// Event returns an entry of the journal and what became of it, by the event's
	// id; ok is false if there is none.
	Event(ctx context.Context, id string) (r Record, ok bool, err error)
	// Events returns records of a chat ("": of all chats) with a sequence below
	// before (0: any), the newest first: at most limit.
	Events(ctx context.Context, chat string, before int64, limit int) ([]Record, error)
	// EventBySeq returns the entry of a sequence and what became of it; ok is false if there
	// is none.
	EventBySeq(ctx context.Context, seq int64) (r Record, ok bool, err error)
	// MessageEvents returns the sequences of the events about a message, the newest first: at
	// most limit. It looks through the whole journal.
	MessageEvents(ctx context.Context, message string, limit int) ([]int64, error)
	// TracedEvents returns the sequences of the events that Chert's trace_id names, the newest
	// first: of events that were delivered with it, and of those with an action to whose call
	// Chert answered with it. It returns at most limit, and looks through the whole journal.
	TracedEvents(ctx context.Context, trace string, limit int) ([]int64, error)
	// EventsNaming returns the sequences of the newest events of chats whose texts contain a
	// part of a handle, in lower case, the newest first: at most limit, of different chats. It looks through
	// the whole journal. The caller checks where the part stands.
	EventsNaming(ctx context.Context, part string, limit int) ([]int64, error)
	// Actions returns the actions that a filter chooses, the newest first.
	Actions(ctx context.Context, f ActionFilter) ([]chat.Action, error)
	// Holds returns the chats that are held at a time, the longest hold first: at
	// most limit. total counts all of them, up to CountedHolds.
	Holds(ctx context.Context, now time.Time, limit int) (list []Hold, total int64, err error)
	// Postponed returns the chats whose reads a rule has postponed beyond a time,
	// each with the postponement that ends last, the longest first: at most limit.
	// total counts all of them, up to CountedHolds.
	Postponed(ctx context.Context, now time.Time, limit int) (list []Postponement, total int64, err error)
	// Quarantined returns quarantined deliveries, the newest first: at most limit.
	Quarantined(ctx context.Context, limit int) ([]Quarantined, error)
	// QuarantinedAfter returns quarantined deliveries with a higher ID than after, the
	// oldest first: at most limit, and fewer if their bodies reach PendingBytes.
	QuarantinedAfter(ctx context.Context, after int64, limit int) ([]Quarantined, error)
}

// Hold is a chat that is held.
type Hold struct {
	Chat string
	chat.Hold
}

// Postponement is a chat whose reads are postponed.
type Postponement struct {
	Chat string
	chat.Postponement
}

// CountedHolds is how many holds, or postponements, are counted at most: people
// wait for the answer.
const CountedHolds = 10_000

// PendingBytes is about how many bytes of bodies Pending returns at most: each may
// have 1 MiB.
const PendingBytes = 16 << 20

// Receipt is the place of an arrival in the journal.
type Receipt struct {
	Seq       int64
	Duplicate bool // the journal had its id already; Seq is that entry's
}

// slots is the number of slots that keys are hashed to. A store may keep a key's slot.
const slots = 1 << 16

// Slot returns the slot of a shard key. It never changes.
func Slot(key string) int {
	h := fnv.New32a()
	h.Write([]byte(key))
	return int(h.Sum32() % slots)
}

// Shard is one of Of equal parts of all slots: those with slot % Of == Index.
type Shard struct{ Index, Of int }

// Holds reports whether the shard has the key.
func (s Shard) Holds(key string) bool { return Slot(key)%s.Of == s.Index }

// Due is a chat and when its next call or timer is due.
type Due struct {
	Chat  string
	At    time.Time
	Retry bool // the call yields to those that have just come due (chat.Chat.Yields)
}

// Quarantined is a delivery with a valid signature that could not be understood.
type Quarantined struct {
	ID       int64
	Received time.Time
	Source   string
	Reason   string
	Header   map[string]string // of the delivery, signatures left out
	Body     []byte
	// Truncated reports that Body is only the beginning of the delivery.
	Truncated bool
	// Event is the identity of the event, the same in all forms in which sources bring it;
	// "": only the body identifies the delivery. Quarantined and QuarantinedAfter leave it out.
	Event string
}

// Record is a journal entry and what became of it so far.
type Record struct {
	turn.Entry
	Decision *turn.Decision // nil: not handled yet
	Actions  []chat.Action
}

// ActionFilter chooses actions. A zero field excludes none.
type ActionFilter struct {
	Status []chat.Status // any of these
	Chat   string
	Pack   string
	Limit  int // 0: 100
}

// Stats counts what a store holds.
type Stats struct {
	Events      int64
	Pending     int64
	Early       int64 // arrivals of AppendEarly that were not dropped
	Quarantined int64
	Actions     map[chat.Status]int64
	Chats       int64
	Bytes       int64 // on disk
}

// Package store is the seam between the engine and what makes its memory durable:
// the journal of events and their decisions, chats, actions and timers, the state
// and kv of rules, and what chertd remembers about packs and itself.
//
// The seam says what happened, not how to store it, and has no SQL in it. Package
// sqlite is the default store; package storetest tests what every store must do.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"strings"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// ErrClosed is returned by every method after Close was called.
var ErrClosed = errors.New("store is closed")

// ErrConflict is returned by Commit when a kv entry that a handler read has
// changed since then, or when others have used up the room that a pack has in kv.
// Nothing of the batch is kept; the caller runs its handlers again.
var ErrConflict = errors.New("kv changed since it was read")

// Store makes events and what becomes of them durable. Its methods may be called
// from several goroutines. An error other than ErrClosed and ErrConflict means that
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
	Journaled(f func([]Entry))

	// Append adds arrivals to the journal and returns a receipt for each, in their
	// order. When it returns without an error all of them are on disk. If ctx ends
	// first they may be on disk or not: those that are come back as duplicates when
	// they are appended again.
	Append(ctx context.Context, arrivals []Arrival) ([]Receipt, error)

	// Quarantine keeps a delivery that has a valid signature and could not be
	// understood. A body that is quarantined already is not kept twice. An end of
	// ctx has the same effect as with Append.
	Quarantine(ctx context.Context, q Quarantined) error

	// Pending returns the entries of a shard that are not handled and have a
	// sequence above after, in the order of the journal: at most limit, and fewer
	// if their bodies reach PendingBytes. It returns none only if there are none.
	Pending(ctx context.Context, shard Shard, after int64, limit int) ([]Entry, error)

	// Unhandled reports whether the journal has entries with the shard key and a
	// sequence above after that are not handled: a read must not overtake an event
	// that may veto it. The caller knows that those up to after are handled. The cost
	// depends only on the key's own entries above after, not on how many others are
	// pending.
	Unhandled(ctx context.Context, key string, after int64) (bool, error)

	// Commit makes a batch of transitions durable, all or none, in their order.
	//
	// A transition whose event is handled already replaces what was kept: that is a
	// batch that is repeated because its answer was lost. Its Reads are validated
	// nevertheless. An event that was not handled before counts for each version
	// whose rules its decision names.
	//
	// If ctx ends before the batch is being written, nothing is kept; after that,
	// Commit waits for the result.
	Commit(ctx context.Context, batch []Transition) error

	// Chat returns what is remembered about a chat; an unknown one has only its id.
	// Actions that were Sent when the process ended are among those that wait: the
	// next step of the chat settles them.
	Chat(ctx context.Context, id string) (chat.Chat, error)

	// State returns a pack's state of a chat as JSON; nil if there is none.
	State(ctx context.Context, pack, chat string) (json.RawMessage, error)

	// KV returns an entry of a pack. One that was never written, or has expired by
	// now, has a nil Value. Its Version is what Commit validates.
	KV(ctx context.Context, pack, key string, now time.Time) (KV, error)

	// KVList returns a page of a pack's live entries whose keys have a prefix and
	// come after a key, in key order: at most limit and, except for the first, none
	// that would bring the size of their values above bytes. The next page comes
	// after next; "": there is none.
	KVList(ctx context.Context, pack, prefix, after string, now time.Time, limit, bytes int) (page []KV, next string, err error)

	// KVUsage returns the size in bytes of the keys and values of a pack's live
	// entries, except those under the given keys. It does not read the values.
	KVUsage(ctx context.Context, pack string, now time.Time, without []string) (int64, error)

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
	Misses
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

// Arrival is an event on its way into the journal.
type Arrival struct {
	Event    event.Event
	Received time.Time
	Cause    int64 // sequence of the event that caused this one; 0: from outside
	// Forward is set on entries that carry a wish from one chat to another
	// instead of an event: no rule sees them.
	Forward *Forward
}

// Forward is a wish that a handler made for a chat other than its event's.
type Forward struct {
	Wish  chat.Wish
	Depth int
	// Block is set when a veto on the event that asked could not be known,
	// because the packs in MissedBy did not get to look at it.
	Block    bool
	MissedBy []string
	// Known, if set, is a pack that has made up for the event that caused this
	// entry, or will not any more: nothing of it blocks reads here. The entry
	// carries no wish then.
	Known string
}

// Receipt is the place of an arrival in the journal.
type Receipt struct {
	Seq       int64
	Duplicate bool // the journal had its id already; Seq is that entry's
}

// Entry is one row of the journal.
type Entry struct {
	Seq int64
	Arrival
}

// ShardKey is what an entry is spread over shards by: its chat, or the event
// itself where there is none. Runs of one schedule have one key: they are
// handled in order.
func (a *Arrival) ShardKey() string {
	if id := a.Event.ChatID(); id != "" {
		return id
	}
	if a.Event.Type == event.Schedule && a.Event.Source == event.SourceEngine {
		if time := strings.LastIndexByte(a.Event.ID, '/'); time > 0 { // see rules.Rule.ScheduleEvent
			return a.Event.ID[:time]
		}
	}
	return a.Event.ID
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

// Transition is what one step of the engine changes, as one.
type Transition struct {
	Decision *Decision          // of the event it handles; nil if it handles none
	Chat     *chat.Chat         // the chat as it is from now on; nil: as it was
	Actions  []chat.Action      // rows to write, new or changed: of a known one how far it has come, not what it is
	Timers   []chat.TimerChange // of Chat
	States   []State            // of rules
	Reads    []KV               // what handlers read: Pack, Key and Version are validated
	Writes   []KV               // what handlers wrote
	Quotas   []Quota            // of the packs that wrote
	Append   []Arrival          // events it causes; a duplicate id is left out

	Schedules  []ScheduleRun // rows to write, new or changed
	ReadCounts []ReadCount   // without their Calls
	ReadCalls  []ReadCall
	Missed     []Missed   // rows to write, new or changed
	Made       []MissedID // rows to remove: what was missed is made up for
}

// Decision is what became of an event, and why: explain is made from it.
type Decision struct {
	Seq     int64             `json:"-"`
	At      time.Time         `json:"-"`                 // when it was handled
	Note    string            `json:"note,omitempty"`    // e.g. "no rule wants it"
	Rules   []RuleDecision    `json:"rules,omitempty"`   // that passed where, in the order they ran
	Failed  bool              `json:"failed,omitempty"`  // some rule failed or was suspended
	Actions int               `json:"actions,omitempty"` // how many actions it has asked for so far
	Packs   map[string]string `json:"packs,omitempty"`   // versions of the packs that took part
}

// RuleDecision is what one rule said to an event.
type RuleDecision struct {
	Pack    string   `json:"pack"`
	Version string   `json:"version"`
	Rule    string   `json:"rule"`
	Place   string   `json:"place"`             // file:line
	Asked   []string `json:"asked,omitempty"`   // its wishes, in words
	Refused []string `json:"refused,omitempty"` // of Asked, what left no action and was not carried out, and why
	Skipped string   `json:"skipped,omitempty"` // passed where, but not run: "cooldown", …
	Error   string   `json:"error,omitempty"`   // it failed: nothing of it was kept
	Steps   int64    `json:"steps,omitempty"`   // VM steps used
	Logs    []Log    `json:"logs,omitempty"`
	// Rerun is when the rule ran on the event again, because its pack had missed
	// it; zero: it did not.
	Rerun time.Time `json:"rerun,omitzero"`
	// Note says of a pack that missed the event why it does not run on it any more.
	Note string `json:"note,omitempty"`
}

// Failed reports whether the rule failed, or was suspended.
func (r *RuleDecision) Failed() bool { return r.Error != "" || r.Skipped == rules.SkippedSuspended }

// Log is a line a rule logged.
type Log struct {
	Level  string         `json:"level"` // debug, info, warn, error
	Msg    string         `json:"msg"`
	Fields map[string]any `json:"fields,omitempty"`
}

// State is a pack's memory of one chat. A nil Value deletes it.
type State struct {
	Pack  string
	Chat  string
	Value json.RawMessage
}

// KV is an entry of a pack's key-value memory. A nil Value deletes it, or says
// that there is none.
type KV struct {
	Pack    string
	Key     string
	Value   json.RawMessage
	Expires time.Time // zero: never
	Version int64     // changes with every write; 0: never written
}

// Quota is how many bytes a pack may keep in kv. A batch whose writes take the
// pack beyond it is refused with ErrConflict: others have written since its
// handlers looked. One that leaves no more than before is not, whatever there is.
type Quota struct {
	Pack  string
	Bytes int64
	At    time.Time // what has expired by then counts nothing
}

// Due is a chat and when its next call or timer is due.
type Due struct {
	Chat  string
	At    time.Time
	Retry bool // an attempt of the chat's read call has failed
}

// Quarantined is a delivery with a valid signature that could not be understood.
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
	Quarantined int64
	Actions     map[chat.Status]int64
	Chats       int64
	Bytes       int64 // on disk
}

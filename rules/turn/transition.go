package turn

import (
	"encoding/json"
	"slices"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
)

// Transition has the changes of one input, to be stored in one transaction.
type Transition struct {
	Decision *Decision          // of the event it handles; nil if it handles none
	Chat     *chat.Chat         // the chat as it is from now on; nil: as it was
	Actions  []chat.Action      // rows to write, new or changed: of a known one its progress alone
	Attempts []chat.Attempt     // that failed, of Actions
	Timers   []chat.TimerChange // of Chat
	States   []State            // of rules
	Reads    []KV               // by handlers: Pack, Key and Version are validated
	Writes   []KV               // by handlers
	Quotas   []Quota            // of the packs that wrote
	Compared []Compared         // of Decision: counted when it is first stored
	Append   []Arrival          // events it causes; a duplicate id is left out

	Schedules  []rules.ScheduleRun // rows to write, new or changed
	ReadCounts []rules.ReadCount   // without their Calls
	ReadCalls  []rules.ReadCall
	Missed     []Missed   // rows to write, new or changed
	Made       []MissedID // rows to remove: their packs have caught up
}

// IsProgress reports whether a transition has nothing but the progress of a chat and of
// actions, with their attempts.
func (t *Transition) IsProgress() bool {
	return t.Decision == nil && len(t.Timers)+len(t.States)+len(t.Reads)+len(t.Writes)+len(t.Quotas)+len(t.Append)+
		len(t.Schedules)+len(t.ReadCounts)+len(t.ReadCalls)+len(t.Missed)+len(t.Made) == 0
}

// Progress replaces an action of the transition by the same one as it is later, or adds it.
func (t *Transition) Progress(a *chat.Action) {
	t.Actions = slices.Clone(t.Actions) // others may have the slice
	i := slices.IndexFunc(t.Actions, func(b chat.Action) bool { return b.ID == a.ID })
	if i < 0 {
		t.Actions = append(t.Actions, *a)
		return
	}
	t.Actions[i] = *a
}

// AddAttempts adds attempts to those of the transition.
func (t *Transition) AddAttempts(all []chat.Attempt) {
	if len(all) > 0 {
		t.Attempts = slices.Concat(t.Attempts, all) // others may have the slice
	}
}

// State is a pack's memory of one chat. A nil Value deletes it.
type State struct {
	Pack  string
	Chat  string
	Value json.RawMessage
}

// KV is an entry of a pack's key-value memory. A nil Value deletes it, or means
// that there is none.
type KV struct {
	Pack    string
	Key     string
	Value   json.RawMessage
	Expires time.Time // zero: never
	Version int64     // changes with every write; 0: never written
}

// Quota is how many bytes a pack may keep in kv. A batch whose writes exceed it
// conflicts with batches that wrote since its handlers read. A batch that leaves no more
// bytes than before does not conflict, however many there are.
type Quota struct {
	Pack  string
	Bytes int64
	At    time.Time // entries that have expired by then do not count
}

// Missed is an event that a pack has missed.
type Missed struct {
	Pack    string
	Seq     int64
	Key     string    // of the event: Arrival.ShardKey
	At      time.Time // when it was handled without the pack
	Version string    // of the pack then: of its files, if it could not be loaded
	Why     MissedWhy
	// CanVeto is whether the pack might have vetoed reads: they are blocked while the
	// row exists.
	CanVeto bool
	// CanHold is whether the pack might have held the chat, which counts as held for
	// chat.MissedFor.
	CanHold bool
	// Cause is the event that the pack missed, if Why is MissedElsewhere.
	Cause int64
	// Chats are the other chats for which rules requested actions on this event: there,
	// rows with this event as their Cause block reads.
	Chats []string
}

// MissedWhy is why a pack has missed an event.
type MissedWhy = rules.MissedWhy

// MissedElsewhere is of an entry that carries a request here from an event that the pack
// missed: the row is removed together with that event's.
const MissedElsewhere MissedWhy = "elsewhere"

// MissedID names a row of Missed.
type MissedID struct {
	Pack string
	Seq  int64
}

// ID returns the name of the row.
func (m *Missed) ID() MissedID { return MissedID{m.Pack, m.Seq} }

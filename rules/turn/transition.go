package turn

import (
	"encoding/json"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
)

// Transition has the changes of one input, to be stored in one transaction.
type Transition struct {
	Decision *Decision          // of the event it handles; nil if it handles none
	Chat     *chat.Chat         // the chat as it is from now on; nil: as it was
	Actions  []chat.Action      // rows to write, new or changed: of a known one its progress alone
	Timers   []chat.TimerChange // of Chat
	States   []State            // of rules
	Reads    []KV               // what handlers read: Pack, Key and Version are validated
	Writes   []KV               // what handlers wrote
	Quotas   []Quota            // of the packs that wrote
	Append   []Arrival          // events it causes; a duplicate id is left out

	Schedules  []rules.ScheduleRun // rows to write, new or changed
	ReadCounts []rules.ReadCount   // without their Calls
	ReadCalls  []rules.ReadCall
	Missed     []Missed   // rows to write, new or changed
	Made       []MissedID // rows to remove: their packs have caught up
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

// Quota is how many bytes a pack may keep in kv. A batch whose writes take the
// pack beyond it conflicts with others that have written since its handlers
// looked. One that leaves no more than before does not, whatever there is.
type Quota struct {
	Pack  string
	Bytes int64
	At    time.Time // what has expired by then counts nothing
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
	// CanHold is whether it might have held the chat: for chat.MissedFor it
	// counts as held.
	CanHold bool
	// Cause is the event that the pack missed, if Why is MissedElsewhere.
	Cause int64
	// Chats are the other chats for which rules requested actions on this event: there,
	// rows with this event as their Cause block reads.
	Chats []string
}

// MissedWhy is why a pack has missed an event.
type MissedWhy = rules.MissedWhy

// MissedElsewhere is of an entry that carries a request here from an event that
// the pack missed: it ends when that one does.
const MissedElsewhere MissedWhy = "elsewhere"

// MissedID names a row of Missed.
type MissedID struct {
	Pack string
	Seq  int64
}

// ID returns the name of the row.
func (m *Missed) ID() MissedID { return MissedID{m.Pack, m.Seq} }

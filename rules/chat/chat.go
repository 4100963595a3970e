// Package chat is the state machine of one chat: Step takes a chat, an input and a time, and
// returns the chat's next state and the effects to carry out.
//
// Vetoes, holds, postponements, superseded and already read messages, coalescing, cooldowns and
// timers are decided here and nowhere else. The engine keeps a Chat in its store and carries out
// the Effects; specs, eval and backtest run the same machine in memory. The package does no I/O,
// reads no clock and starts no goroutine.
//
// Begin with Step. An Input says what happened: Outcomes is an event with the requests of
// its rules, Ready a free place for a call, Answer the result of that call, Wake a due
// time, Cancel the end of a pack or version, and Revive, Discard, Operate and Forget are commands of
// an operator.
package chat

import (
	"encoding/json"
	"slices"
	"time"

	"chertd/engine/event"
)

// Chat is the state of one chat. It is a value: Step returns a changed copy and leaves its argument
// unchanged, slices and maps included.
type Chat struct {
	ID   string
	Line string // the phone line the chat was last seen on
	// IsGroup is as in the last event that has it.
	IsGroup event.Truth
	// Newest is the journal sequence of the chat's newest entry that was handled; 0: none.
	// An entry that runs again does not change it. Each turn.Decision keeps the one
	// before its entry, which links all entries of the chat.
	Newest int64

	LastEvent   int64  // journal sequence of the newest event handled that can be unread; 0: none
	LastMessage string // id of the newest inbound message handled
	// LastMessageSeq is the journal sequence of the event that brought that message
	// first, a message.received or an earlier lead_reply; 0: none.
	LastMessageSeq int64
	// SeenBy is, by pack, the LastMessageSeq of the newest inbound message on which one
	// of its rules ran. A read that the pack requests later, for example by a timer,
	// covers that message and none that came since. Messages that are read already
	// are left out.
	SeenBy Seen
	Recent Messages // recognise a message that comes again
	// Veto is the journal sequence of the newest event that vetoed; Unrequested that of the
	// newest inbound message that no waiting read covered once its event was handled.
	// A read for an earlier event stays dropped when it is revived, or requested by an
	// event that runs again. 0: none.
	Veto, Unrequested int64
	// VetoBy is what vetoed as of Veto, as Ender.By names it; "": a chertd that did not note it.
	VetoBy string
	// ReadThrough is the journal sequence at which the last successful mark-read was
	// sent: everything journaled up to it is read. 0: never.
	ReadThrough int64

	Missed Missed

	Asked     Asked    // the last answer to a Question
	Waiting   []Action // those that have not ended, in the order requested
	Retry     Retry    // of the read call, shared by all waiting reads
	Hold      Hold
	Postponed []Postponement // in the order requested
	// LimitedUntil is until when limits.reads leaves no read call: reads that were attempted
	// before wait until then. It is not kept across a restart.
	LimitedUntil map[Reader]time.Time `json:"-"`
	Timers       []Timer
	// Cancelled are the reads and timers that packs cancelled recently.
	Cancelled []Cancelled
	Cooldown  map[string]time.Time // rule key → end of its cooldown

	// Flight is the call in flight; nil: none. It is not kept across a restart: an
	// action that is Sent without a Flight was on the wire when the process died, and
	// the next Step ends it, whatever its input.
	Flight *Flight `json:"-"`
}

// Missed records the events of a chat on which packs that can veto did not run, because they
// failed, were suspended, or could not be loaded. It blocks reads.
type Missed struct {
	// Through is the journal sequence of the newest such event; 0: none. Reads that
	// a veto of that event would have dropped are blocked.
	Through int64
	// HoldUntil is until when newer reads are blocked as well, because such a pack
	// may hold chats. Zero: none may.
	HoldUntil time.Time
}

// Hold keeps a chat unread until a time, whichever rule requests a read. A hold that has ended
// stays in the chat until the next one begins, so that a later Step still drops the reads that came
// due during it.
type Hold struct {
	Until  time.Time // when it ends, or was released; zero: never held
	By     string    // rule key, or "operator"
	Reason string
	Seq    int64 // of the event that set it; 0: set by an operator
}

// Timer is a request of a rule to run again in this chat. Its event runs only while the chat still
// has the timer: another of the same pack and name replaces it.
type Timer struct {
	Pack    string
	Name    string
	Version string
	Rule    string `json:",omitempty"` // that set it; "": not known, in old stores
	Due     time.Time
	Payload json.RawMessage `json:",omitempty"`
	Seq     int64           // of the event that set it
	N       int             // its place in that event
	Depth   int
	Fired   bool // it came due and its event is journaled, but not handled yet
}

// Retry is the state of a chat's read call between attempts.
type Retry struct {
	Attempts  int
	First     time.Time // of the first attempt
	NotBefore time.Time
}

// Flight is a call in flight.
type Flight struct {
	Call
	HandedOut time.Time
	// Recalled are the actions of the call that were dropped while it was in flight.
	// If it succeeds, they were carried out all the same, which their records show.
	Recalled []Action
	// Forgotten is set once an operator made chertd forget what the call sends: its answer may
	// quote that, and is recorded without its words.
	Forgotten bool
}

// Call is what dispatch sends to Chert for a chat. It must not change: the chat in flight has the
// same one.
type Call struct {
	Chat    string
	Line    string
	Kind    Kind
	SentSeq int64 // journal sequence when it was sent
	Actions []Action
	Attempt int // 1 for the first
	// Known is, of a Question, the newest inbound message: an answer that does not know it is too
	// old. Zero: none is known by an id.
	Known KnownMessage
}

// KnownMessage is a message that an event has brought.
type KnownMessage struct {
	IDs  []string
	Sent time.Time // zero: unknown
}

const (
	// MaxDepth is how many events may cause one another (a timer's event, an
	// action's result) before requests are refused.
	MaxDepth = 5
	// typingLife is how long a typing signal is worth sending.
	typingLife = 10 * time.Second
	// MissedFor is how long a missed event runs again automatically (contract, "the
	// events that it missed in the last hour"), and how long a chat that it might
	// have held counts as held.
	MissedFor = time.Hour
	// retryFor is how long a retryable call is retried before its actions are dead.
	retryFor = 24 * time.Hour
)

// Blocks reports whether a read is blocked.
func (m Missed) Blocks(a *Action, now time.Time) bool {
	return m.Through > 0 && a.vetoedFrom() <= m.Through || now.Before(m.HoldUntil)
}

// Active reports whether the hold is in force.
func (h Hold) Active(now time.Time) bool { return now.Before(h.Until) }

// Reader is a version of a pack, of which limits.reads counts the calls.
type Reader struct{ Pack, Version string }

// Reader returns whose limits.reads counts the calls for a read.
func (a *Action) Reader() Reader { return Reader{a.Pack, a.Version} }

// Readers returns the versions of packs of which the call serves a read, each once. It returns
// nil for a call of another kind.
func (c *Call) Readers() []Reader {
	var readers []Reader
	if c.Kind == Question {
		return nil
	}
	for i := range c.Actions {
		if a := &c.Actions[i]; a.Kind == Read && !slices.Contains(readers, a.Reader()) {
			readers = append(readers, a.Reader())
		}
	}
	return readers
}

// Repeats reports whether an earlier call was made for each read of the call that has one of the
// readers.
func (c *Call) Repeats(readers []Reader) bool {
	return !slices.ContainsFunc(c.Actions, func(a Action) bool {
		return a.Kind == Read && !a.attempted() && slices.Contains(readers, a.Reader())
	})
}

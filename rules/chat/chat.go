// Package chat is the machine of one chat: a pure function from a chat, an
// input and a time to the chat's next state and what is to be done about it.
//
// Waiting reads, vetoes, holds, postponements, "superseded", "already_read", coalescing,
// cooldowns and timers are decided here and nowhere else. The engine keeps the
// state in its store and carries the effects out; specs, eval and backtest run
// the very same machine in memory. Nothing here does I/O, reads a clock or
// starts a goroutine.
package chat

import (
	"encoding/json"
	"fmt"
	"time"

	"chertd/engine/event"
)

// Chat is all that is remembered of one chat. It is a value: Step returns a
// changed copy and leaves its argument as it was, slices included.
type Chat struct {
	ID   string
	Line string // the phone line the chat was last seen on
	// IsGroup is what the last event that said so said of the chat.
	IsGroup event.Truth

	LastEvent   int64  // journal sequence of the newest event handled that can be unread; 0: none
	LastMessage string // id of the newest inbound message handled
	// LastMessageSeq is the journal sequence of the event that brought it first:
	// a message.received, or the lead_reply that told of it before; 0: none.
	LastMessageSeq int64
	// Seen is, by pack, the newest inbound message on which a rule of it ran, as
	// LastMessageSeq gives it. What the pack asks for later, by a timer say, speaks
	// for that message and for none that came since. What is read already is left
	// out.
	Seen   map[string]int64
	Recent Messages // to recognise a message that comes again
	// Veto is the journal sequence of the newest event that vetoed, Unasked that
	// of the newest inbound message for which no read stood once it was handled.
	// A read that is revived, or asked by a handler that is run again, and was
	// meant for an earlier event stays dropped, as it would have been then. 0: none.
	Veto, Unasked int64
	// ReadThrough is the journal sequence noted when the last successful
	// mark-read was put on the wire: what was journaled up to it is read. 0: never.
	ReadThrough int64

	// Missing is what packs that can veto did not get to look at.
	Missing Missing

	Waiting []Action // not settled yet, in the order asked
	Retry   Retry    // of the reads' call, shared by all waiting reads
	Hold    Hold
	// Postponed is what makes reads wait, in the order asked: see postpone.go.
	Postponed []Postponement
	// Full is until when packs have no place for a read call: reads of theirs that
	// were called for before wait until then. It is not kept across a restart.
	Full   map[string]time.Time `json:"-"`
	Timers []Timer
	// Cancelled are the reads and timers that packs have cancelled lately.
	Cancelled []Cancelled
	Cooldown  map[string]time.Time // rule key → until when it rests

	// Flight is the call in flight. It is not kept across a restart: an action
	// that is Sent without a flight was on the wire when the process ended, and
	// the next Step settles it, whatever its input.
	Flight *Flight `json:"-"`
}

// Missing is what packs that can veto did not get to look at in a chat: because
// they failed, were suspended, or could not be loaded. Reads are blocked by it.
type Missing struct {
	// Through is the journal sequence of the newest such event; 0: none. It
	// blocks the reads that a veto of it would have dropped.
	Through int64
	// HoldUntil ends the time in which the chat counts as held, if such a pack
	// may hold chats: then a hold would drop newer reads, too. Zero: none may.
	HoldUntil time.Time
}

// Blocks reports whether a read is blocked.
func (m Missing) Blocks(a *Action, now time.Time) bool {
	return m.Through > 0 && a.since() <= m.Through || now.Before(m.HoldUntil)
}

// ActionID names an action by the journal sequence of the event that asked for
// it and its place among that event's actions.
type ActionID struct {
	Seq int64
	N   int
}

func (id ActionID) String() string { return fmt.Sprintf("%d.%d", id.Seq, id.N) }

// Kind is what an action does at Chert.
type Kind string

const (
	Read   Kind = "read"
	Typing Kind = "typing"
	React  Kind = "react"
	Send   Kind = "send"
)

// Status is how far an action has come.
type Status string

const (
	Waiting  Status = "waiting" // due now or later, or between two attempts
	Sent     Status = "sent"    // on the wire, its answer not known; only for what must not be repeated
	Done     Status = "done"    // Chert confirmed it
	Dropped  Status = "dropped" // it will not be done; Why says why
	Blocked  Status = "blocked" // a rule that could have vetoed it failed; retry-errors runs it
	Dead     Status = "dead"    // Chert refused it, or it was tried for a day
	Shadowed Status = "shadow"  // recorded, never carried out
)

// Words that stand in Action.Why; they are part of the contract and appear as
// they are in records and logs.
const (
	WhyRead         = "read"              // Done: this read's own call
	WhyCoalesced    = "coalesced"         // Done: an earlier read's call served it too
	WhyTooLate      = "veto_too_late"     // Done: the veto came while the call was in flight
	WhyVetoed       = "vetoed"            // Dropped by keep_unread or hold
	WhyHeld         = "held"              // Dropped: came due while the chat was held
	WhySuperseded   = "superseded"        // Dropped: a newer message, and no read stands for it
	WhyAlreadyRead  = "already_read"      // Dropped: nothing that can be unread came since the last successful read
	WhyReplaced     = "replaced"          // Dropped: the same rule asked again, or for sooner in one handler
	WhyCancelled    = "cancelled"         // Dropped by cancel_read
	WhyLimit        = "limit_reached"     // Dropped: its pack has made all the read calls that limits.reads allows
	WhyPackInactive = "pack_inactive"     // Dropped: its pack, or that version, is no longer live
	WhyDepth        = "too_deep"          // Dropped: events caused by events, beyond MaxDepth
	WhyExpired      = "expired"           // Dropped: a typing signal older than TypingLife
	WhyOnce         = "tried_once"        // Dropped: a typing signal failed, or its answer was lost
	WhyRefused      = "refused"           // Dead: Chert says that it is not to be repeated; Error has its answer
	WhyExhausted    = "retries_exhausted" // Dead: it failed for RetryFor; Error has the last answer
	WhyUnknown      = "unknown"           // Dead: the answer was lost, and repeating could do it twice
	WhyShadow       = "shadow"            // Shadowed: the pack is in shadow mode
	WhyBlocked      = "blocked"           // Blocked: a rule that could have vetoed it failed
)

const (
	// MaxDepth is how many events may cause one another (a timer's event, an
	// action's answer) before a wish is refused.
	MaxDepth = 5
	// TypingLife is how long a typing signal is worth sending.
	TypingLife = 10 * time.Second
	// MissedFor is how long after an event was missed it still matters by itself:
	// so long it runs again automatically (contract, "the events that it missed in
	// the last hour"), and so long a chat that it might have held counts as held.
	MissedFor = time.Hour
	// RetryFor is how long a retryable call is tried before it is dead.
	RetryFor = 24 * time.Hour
)

// Action is a wish that was accepted, and what became of it.
type Action struct {
	ID      ActionID
	Kind    Kind
	Chat    string
	Pack    string
	Version string // the pack's version that asked
	Rule    string
	Place   string // file:line of the rule
	Reason  string // as the rule gave it

	EvenIfNewer bool            // reads: not dropped as superseded
	Covers      int64           // reads: the newest inbound message they were asked for, as LastMessageSeq gives it
	Body        json.RawMessage `json:",omitempty"` // other kinds: what to send
	Follows     bool            // reads: no message asked for it, but a timer, say: it speaks for newer ones that its pack sees
	Target      string          // react: the message's id
	Depth       int

	Asked time.Time // when its event was handled, or it was revived
	Due   time.Time

	Status   Status
	Why      string
	Attempts int    // calls made for it
	Code     int    // Chert's error code of the last attempt; 0: none
	HTTP     int    // HTTP status of the last attempt; 0: no answer
	TraceID  string // of the last attempt
	Error    string // of the last attempt, for people
	Settled  time.Time
}

// since is the first event whose veto concerns a read: that of the newest
// message it speaks for, or the one that asked, if that came before.
func (a *Action) since() int64 { return min(a.Covers, a.ID.Seq) }

// RuleKey is what identifies the rule that asked within all packs.
func (a *Action) RuleKey() string { return Key(a.Pack, a.Rule) }

// Key is the identity of a rule within all packs.
func Key(pack, rule string) string { return pack + "/" + rule }

// Retry is how a chat's read call stands between attempts.
type Retry struct {
	Attempts  int
	First     time.Time // of the first attempt
	NotBefore time.Time
}

// Hold keeps a chat unread until a time, whoever asks for a read. One that is over
// stays until another begins: what came due in it is dropped, whenever it is looked at.
type Hold struct {
	Until  time.Time // when it ends, or was released; zero: there was none
	By     string    // rule key, or "operator"
	Reason string
	Seq    int64 // of the event that set it; 0: an operator did
}

// Active reports whether the hold is in force.
func (h Hold) Active(now time.Time) bool { return now.Before(h.Until) }

// Timer is a rule's wish to be woken in this chat. Its row must still stand
// when it comes due: the same pack and name replace it.
type Timer struct {
	Pack    string
	Name    string
	Version string
	Due     time.Time
	Payload json.RawMessage `json:",omitempty"`
	Seq     int64           // of the event that set it
	N       int             // and its place in that event
	Depth   int
	Fired   bool // came due and was journaled; stands until its event is handled
}

// Flight is a call that is on the wire.
type Flight struct {
	Call
	// Recalled are reads that were dropped while the call was out: if it
	// succeeds, the receipt was sent all the same, and they are recorded so.
	// The same goes for other actions whose pack went off meanwhile.
	Recalled []Action
}

// Call is what dispatch does at Chert on behalf of a chat.
type Call struct {
	Chat    string
	Line    string
	Kind    Kind
	Wire    int64 // journal sequence when it went out
	Actions []Action
	Attempt int // 1 for the first
}

// NextCall is when the chat's earliest call is due, a call in flight left out
// of account. Zero means never.
func (c *Chat) NextCall() time.Time {
	var next time.Time
	for i := range c.Waiting {
		if c.mayGo(i) {
			next = sooner(next, c.due(&c.Waiting[i]))
		}
	}
	return next
}

// mayGo reports whether the i-th waiting action may be called for once it is due,
// as far as the others are concerned. Actions other than reads go in the order
// asked. Of one handler, so do its reads and its other actions, unless the read
// is due later or postponed. And a read goes
// when it speaks for the newest message: else it waits for one that does.
func (c *Chat) mayGo(i int) bool {
	a := &c.Waiting[i]
	for j := range i {
		switch b := &c.Waiting[j]; {
		case a.Kind != Read && b.Kind != Read:
			return false
		case a.Kind != Read && a.sameHandler(b) && !b.Due.After(a.Due) && !c.PostponedUntil().After(a.Due) && c.speaks(b),
			a.Kind == Read && b.Kind != Read && a.sameHandler(b):
			return false
		}
	}
	return a.Kind != Read || c.speaks(a)
}

// speaks reports whether a read may go out for all that its call will read: it
// was asked for the newest message, or its pack has seen that, or it does not
// care, or all is read.
func (c *Chat) speaks(a *Action) bool {
	newest := c.LastMessageSeq
	return a.EvenIfNewer || newest <= c.ReadThrough || c.covered(a) >= newest || c.Seen[a.Pack] >= newest
}

// covered is the newest inbound message that a read speaks for by now.
func (c *Chat) covered(a *Action) int64 {
	if a.Follows {
		return max(a.Covers, c.Seen[a.Pack])
	}
	return a.Covers
}

// sameHandler reports whether one run of one handler asked for both.
func (a *Action) sameHandler(b *Action) bool {
	return a.ID.Seq == b.ID.Seq && a.RuleKey() == b.RuleKey()
}

// NextTimer is when the chat's earliest timer fires. Zero means never.
func (c *Chat) NextTimer() time.Time {
	var next time.Time
	for i := range c.Timers {
		if !c.Timers[i].Fired {
			next = sooner(next, c.Timers[i].Due)
		}
	}
	return next
}

// TimerDue reports whether a timer is due whose event is not handled yet: what
// its rule asks for comes before reads that are due at the same time or later.
func (c *Chat) TimerDue(now time.Time) bool {
	for i := range c.Timers {
		if t := &c.Timers[i]; t.Fired || !t.Due.After(now) {
			return true
		}
	}
	return false
}

// Stands reports whether the timer is still set: only then may its event run.
func (c *Chat) Stands(id TimerID) bool {
	for i := range c.Timers {
		if c.Timers[i].id() == id {
			return true
		}
	}
	return false
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// due is when an action may go out: reads share the call's back-off and what
// postpones them, and those that were called for before wait for a place.
func (c *Chat) due(a *Action) time.Time {
	due := a.Due
	if a.Kind != Read {
		return due
	}
	if c.Retry.NotBefore.After(due) {
		due = c.Retry.NotBefore
	}
	if until := c.PostponedUntil(); until.After(due) {
		due = until
	}
	if full := c.Full[a.Pack]; a.called() && full.After(due) {
		due = full
	}
	return due
}

// called reports whether a call for the action was on the wire before.
func (a *Action) called() bool { return a.Attempts > 0 || a.Error != "" }

// Idle reports whether nothing of the chat waits for a time or an answer.
func (c *Chat) Idle() bool {
	return len(c.Waiting) == 0 && len(c.Timers) == 0 && c.Flight == nil
}

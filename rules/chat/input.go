package chat

import (
	"slices"
	"time"

	"chertd/engine/event"
)

// Input is something that happened to a chat: an Outcomes, Ready, Wake, Answer, Cancel, Revive,
// Discard, Operate, Forget, Sweep, Unqueue or Hurry.
type Input interface{ input() }

// Outcomes is the input for an event that rules ran on: what the event brings, and what its rules
// requested.
type Outcomes struct {
	Seq    int64 // journal sequence of the event, from 1; the same if it runs again
	FirstN int   // 0, or Effects.NextN of the event's previous run
	// First is when the event was first handled, if it runs again through a pack that
	// had missed it; otherwise zero. Later decisions of events, operators and rules
	// stay in force: the event does not become the newest again.
	First     time.Time
	New       bool      // it can be unread (event.Event.New)
	Message   bool      // it brings an inbound message (event.Event.InboundMessage)
	Legacy    bool      // it is a lead_reply (event.Event.LegacyReply)
	IDs       []string  // of its message (event.Event.MessageIDs)
	Texts     []string  // of a message (event.Event.MessageTexts)
	Sent      time.Time // when the message was sent; zero: unknown
	Line      string
	IsGroup   event.Truth // of its chat
	Depth     int
	RanPacks  []string   // live packs with a rule that ran on it and did not fail
	Requests  []Request  // of the handlers that succeeded, in the order they ran
	Cooldowns []Cooldown // cooldowns that start with this event
	Timer     *TimerID   // the timer whose event this is
	// Block is set if a pack that can veto failed or did not run: the reads of this
	// event, and those that its veto would have dropped, are blocked. MayHold is set
	// if the pack can also hold the chat or postpone its reads.
	Block, MayHold bool
	// Missed, if the event runs again, is what packs still miss.
	Missed Missed
	// Blocked are the chat's blocked reads, see NeedsBlocked.
	Blocked []Action
}

// Ready is the input for a free place on the wire: Step puts the chat's next call into
// Effects.Call, if one is due.
type Ready struct {
	Seq int64 // the journal's sequence now: a read covers everything up to it
	// LimitReached are those that have reached limits.reads: their reads are dropped.
	LimitReached []Reader
	// LimitedUntil is until when limits.reads leaves no read call, for readers whose reads in
	// the call were all attempted before: those wait until then.
	LimitedUntil map[Reader]time.Time
}

// Wake is the input for a due time of the chat. Due timers fire.
type Wake struct{}

// Answer is the input for the end of a call. One that is not for the call in flight is ignored.
type Answer struct {
	Call       Call
	OK         bool
	Newest     Newest        // of a Question that is OK: what Chert said
	NotSent    bool          // nothing was sent, or Chert rejected the account: nothing has changed
	Unknown    bool          // it was sent and Chert's answer was lost: it may have been carried out
	Local      bool          // chertd answered itself, without a call: it counts as no attempt
	NotChert   bool          // the answer is not Chert's: it says nothing about the chat, and does not count towards retryFor
	Retryable  bool          // according to Chert, or a transport failure
	RetryAfter time.Duration // if retryable: how long to wait, jitter and retry_after included
	Code       int
	HTTP       int
	TraceID    string
	Error      string // why it is not OK; of a Question whose Newest is NewestUnknown, why
}

// Cancel is the input for a pack, one version or one rule of it, that is no longer live: what it has pending
// is dropped ("off means off").
type Cancel struct {
	Pack    string
	Version string // "": every version
	// Blocked are the chat's blocked reads (see NeedsBlocked); the pack's are dropped
	// as well.
	Blocked []Action
	// Rules, if not nil, are all rules of the pack: only reads of rules that it no
	// longer has are dropped.
	Rules []string
	// Cause is what made it inactive, for Ender.Cause.
	Cause string
	// Rule, if not "", is the only rule whose pending work is dropped. A timer that was set
	// before its rule was kept stays.
	Rule string
}

// Revive is the input that makes dead and blocked actions wait again: dead ones when an operator
// retries them, blocked ones once the veto is known. They have a new retryFor. Reads that were
// vetoed, superseded or read since, or came due while the chat was held, are dropped instead. A
// dead read that a pack might have vetoed becomes blocked. Dead actions that must not be repeated
// stay as they are.
type Revive struct {
	Actions []Action
	// Repeat also revives reactions whose answer was lost (WhyUnknown): the retry may react
	// twice.
	Repeat bool
	// Inactive are actions whose pack or version is no longer live: they are dropped
	// instead.
	Inactive []Action
	// Missed, if set, is what packs that can veto still miss. It keeps blocking.
	Missed *Missed
}

// Discard is the input for dead actions that an operator drops.
type Discard struct{ Actions []Action }

// Operate is the input for an operator's hold or release of the chat. Like a rule's hold, it never
// shortens the one in force: release first.
type Operate struct {
	Hold    Hold
	Release bool // release instead
	// Blocked are the chat's blocked reads (see NeedsBlocked): a hold drops them as
	// well; a release drops those that came due while the chat was held.
	Blocked []Action
}

// Cooldown starts a rule's cooldown.
type Cooldown struct {
	Rule  string // rule key
	Until time.Time
}

// TimerID identifies one setting of a timer.
type TimerID struct {
	Pack string
	Name string
	Seq  int64
	N    int
}

// OutcomesOf returns the fields of an Outcomes that the event alone decides.
func OutcomesOf(seq int64, ev *event.Event) Outcomes {
	in := Outcomes{
		Seq: seq, New: ev.New(), Message: ev.InboundMessage(), Legacy: ev.LegacyReply(),
		Line: ev.Line(), Depth: ev.Depth,
	}
	if in.Message || in.Legacy {
		in.IDs, in.Texts, in.Sent = ev.MessageIDs(), ev.MessageTexts(), ev.At
		if ev.Message != nil && !ev.Message.SentAt.IsZero() {
			in.Sent = ev.Message.SentAt
		}
	}
	if ev.Chat != nil {
		in.IsGroup = ev.Chat.IsGroup
		if _, ok := NotifyTarget(ev.Chat.ID); ok {
			in.Line = ev.Chat.ID // the calls of each target wait for that target alone
		}
	}
	return in
}

// WithBlocked returns the input with the blocked reads of its chat.
func WithBlocked(in Input, reads []Action) Input {
	switch in := in.(type) {
	case Outcomes:
		in.Blocked = reads
		return in
	case Cancel:
		in.Blocked = reads
		return in
	case Operate:
		in.Blocked = reads
		return in
	case Forget:
		in.Blocked = reads
		return in
	case Sweep:
		in.Blocked = reads
		return in
	case Unqueue:
		in.Blocked = reads
		return in
	}
	return in
}

// NeedsBlocked reports whether an input may end blocked reads of the chat. A Chat does not contain
// those: the caller loads them and passes them by WithBlocked.
func (c *Chat) NeedsBlocked(in Input) bool {
	switch in := in.(type) {
	case Cancel, Operate, Forget, Sweep, Unqueue:
		return true
	case Outcomes:
		return (c.Missed.Through > 0 || in.Block || !in.First.IsZero()) && slices.ContainsFunc(in.Requests, func(w Request) bool {
			return !w.Shadow && (w.Kind == RequestCancelRead || w.Kind == RequestRelease)
		})
	}
	return false
}

// OnWire reports whether the request was sent, whatever its result: it counts for limits.reads.
func (a *Answer) OnWire() bool { return a.OK || a.Unknown || a.HTTP != 0 || a.Code != 0 }

func (Outcomes) input() {}

func (Ready) input() {}

func (Wake) input() {}

func (Answer) input() {}

func (Cancel) input() {}

func (Revive) input() {}

func (Discard) input() {}

func (Operate) input() {}

func (Forget) input() {}

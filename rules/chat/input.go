package chat

import (
	"encoding/json"
	"slices"
	"time"

	"chertd/engine/event"
)

// Input is something that happens to a chat: one of Handled, Ready, Wake,
// Answer, Cancel, Revive and Operate.
type Input interface{ input() }

// Handled says that the rules have looked at an event, and what they wish.
type Handled struct {
	Seq    int64 // journal sequence of the event, from 1; that of an earlier one if it is run again
	FirstN int   // 0, or Effects.NextN of the event's run before
	// First is when the event was handled first, if it runs again through a pack
	// that had missed it; else zero. What newer events, operators and rules have
	// decided since then stands: the event does not become the newest again.
	First   time.Time
	New     bool      // it can be unread (event.Event.New)
	Message bool      // it brings an inbound message (event.Event.InboundMessage)
	Legacy  bool      // it is a lead_reply (event.Event.LegacyReply)
	IDs     []string  // of its message (event.Event.MessageIDs)
	Texts   []string  // of a message (event.Event.MessageTexts)
	Sent    time.Time // when the message was sent; zero: that is not known
	Line    string
	IsGroup event.Truth // of its chat, if it says so
	Depth   int
	Saw     []string // live packs of which a rule ran on it and did not fail
	Wishes  []Wish   // of the handlers that succeeded, in the order they ran
	Rested  []Rest   // cooldowns that begin with this event
	Timer   *TimerID // the timer whose event this is
	// Block is set when a pack that could veto did not get to say so: reads
	// fail closed, those of this event and those that its veto would have hit.
	// MayHold is set if it could have held the chat, or postponed its reads.
	Block, MayHold bool
	// Missing, if the event runs again, is all that is missed still.
	Missing Missing
	// Blocked are the chat's blocked reads: see EndsBlocked.
	Blocked []Action
}

// KeepsUnread reports whether a wish keeps a chat unread, and does nothing else.
func (w *Wish) KeepsUnread() bool {
	return w.Kind == WishKeepUnread || w.Kind == WishHold || w.Kind == WishPostpone || w.Kind == WishCancelRead
}

// HandledOf is what the event alone says of how it was handled.
func HandledOf(seq int64, ev *event.Event) Handled {
	in := Handled{
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
	}
	return in
}

// Wish is one thing a handler asked for, for this chat.
type Wish struct {
	Kind    WishKind
	Pack    string
	Version string
	Rule    string
	Place   string // file:line of the rule
	Reason  string
	Shadow  bool // recorded, without effect

	Due         time.Time       // WishRead, WishHold and WishPostpone (their end), WishTimer
	EvenIfNewer bool            // WishRead
	Name        string          // WishTimer, WishCancelTimer
	Body        json.RawMessage // WishTimer: payload; WishTyping, WishReact, WishSend: what to send
	Target      string          // WishReact: message id
}

// WishKind names a wish as the rule wrote it.
type WishKind string

const (
	WishRead        WishKind = "mark_read"
	WishCancelRead  WishKind = "cancel_read"
	WishPostpone    WishKind = "postpone"
	WishKeepUnread  WishKind = "keep_unread"
	WishHold        WishKind = "hold"
	WishRelease     WishKind = "release"
	WishTimer       WishKind = "set_timer"
	WishCancelTimer WishKind = "cancel_timer"
	WishTyping      WishKind = "typing"
	WishReact       WishKind = "react"
	WishSend        WishKind = "send"
)

// Acts reports whether the wish becomes an action, which can wait; others are
// done at once.
func (w *Wish) Acts() bool { return w.Kind.action() != "" }

// Rest begins a rule's cooldown.
type Rest struct {
	Rule  string // rule key
	Until time.Time
}

// TimerID names one setting of a timer.
type TimerID struct {
	Pack string
	Name string
	Seq  int64
	N    int
}

// Ready says that dispatch could put a call of this chat on the wire now.
type Ready struct {
	Wire int64 // the journal's sequence: what a read would speak for
	// Spent are packs whose limit leaves no further read call: their reads are
	// dropped.
	Spent []string
	// Full are packs whose limit leaves none until a time, and whose reads in the
	// call were all called for before: those wait until then.
	Full map[string]time.Time
}

// Wake says that a time of the chat has come. It makes timers fire.
type Wake struct{}

// Answer is how a call ended. One that is not of the call in flight is ignored.
type Answer struct {
	Call      Call
	OK        bool
	Unmade    bool          // it never went out, or Chert looked no further than the account: nothing has changed
	Unknown   bool          // it went out and no answer of Chert's came back: it may have been done
	Foreign   bool          // what answered was not Chert: it says nothing about the chat, and uses up none of its time
	Retryable bool          // as Chert says, or a transport failure
	After     time.Duration // if retryable: how long to wait, jitter and retry_after included
	Code      int
	HTTP      int
	TraceID   string
	Error     string
}

// OnWire reports whether the call was put on the wire, whatever came of it: it
// counts for limits.reads.
func (a *Answer) OnWire() bool { return a.OK || a.Unknown || a.HTTP != 0 || a.Code != 0 }

// Cancel drops what a pack still has waiting ("off means off").
type Cancel struct {
	Pack    string
	Version string // "": every version
	// Blocked are the chat's blocked reads (see EndsBlocked): those of the pack are
	// dropped as well.
	Blocked []Action
	// Rules, if not nil, are all rules that the pack has: only reads of others
	// are dropped.
	Rules []string
}

// Revive makes dead and blocked actions wait again: the former retried by
// hand, the latter once the veto is known. What may not be repeated, and reads
// that have been vetoed or superseded since, stay settled and say so.
type Revive struct {
	Actions []Action
	// Inactive are actions whose pack, or that version of it, is no longer live:
	// they are dropped instead.
	Inactive []Action
	// Missing, if set, is all that packs which can veto still miss. It blocks on.
	Missing *Missing
}

// Operate is an operator's hold or release of the chat. Like a rule's, a hold
// never shortens one in force: release comes first.
type Operate struct {
	Hold   Hold
	Remove bool // release instead
	// Blocked are the chat's blocked reads (see EndsBlocked): a hold drops them as
	// well, a release those that came due while the chat was held.
	Blocked []Action
}

// EndsBlocked reports whether an input may end reads of the chat that are blocked. A
// chat does not remember those: Step is to be given them, by WithBlocked.
func (c *Chat) EndsBlocked(in Input) bool {
	switch in := in.(type) {
	case Cancel, Operate:
		return true
	case Handled:
		return (c.Missing.Through > 0 || in.Block || !in.First.IsZero()) && slices.ContainsFunc(in.Wishes, func(w Wish) bool {
			return !w.Shadow && (w.Kind == WishCancelRead || w.Kind == WishRelease)
		})
	}
	return false
}

// WithBlocked gives an input the blocked reads of its chat.
func WithBlocked(in Input, reads []Action) Input {
	switch in := in.(type) {
	case Handled:
		in.Blocked = reads
		return in
	case Cancel:
		in.Blocked = reads
		return in
	case Operate:
		in.Blocked = reads
		return in
	}
	return in
}

func (Handled) input() {}
func (Ready) input()   {}
func (Wake) input()    {}
func (Answer) input()  {}
func (Cancel) input()  {}
func (Revive) input()  {}
func (Operate) input() {}

// Effects is what a step wants done besides remembering the chat: rows to
// write, a call to make, timers to journal.
type Effects struct {
	Actions []Action // each as it is now, at most once each
	Timers  []TimerChange
	Fired   []Timer // came due: to be journaled as events
	Refused []Refusal
	NextN   int // Handled: the event's next free place, for FirstN when it is run again
	// Call is to be put on the wire, if Ready asked, once what is above is
	// durable: a reaction is written as sent before it is, so that a crash
	// can't repeat it. Reads may go out at once.
	Call *Call
}

// Refusal is a wish that was not carried out and leaves no action that says why:
// a timer, a hold, a release or a postponement.
type Refusal struct {
	Wish
	Why string // WhyDepth; WhyReplaced: what is newer stands; WhyExpired: it would be over; WhyAlreadyRead: so is its event
}

// TimerChange is a timer that was set, or is gone.
type TimerChange struct {
	Timer Timer
	Gone  bool
}

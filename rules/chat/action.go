package chat

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Action is a request that was accepted, and its progress.
type Action struct {
	ID      ActionID
	Kind    Kind
	Chat    string
	Pack    string
	Version string // of the pack, when it requested this
	Rule    string
	Place   string // file:line of the rule
	Reason  string // as the rule gave it

	EvenIfNewer    bool            // reads: not dropped as superseded
	OnlyIf         Condition       // reads: what must hold when it is due; empty: nothing
	Covers         int64           // reads: the LastMessageSeq of the newest inbound message that they cover
	Body           json.RawMessage `json:",omitempty"` // other kinds: what to send
	Hurried        bool            // reads: an operator has lifted what they waited for; see Hurry
	WithoutMessage bool            // reads: requested by no message (by a timer, say): it also covers newer ones that its pack sees
	Late           bool            // reads: requested by a message that is older than that of Covers, which they do not cover
	Target         string          // react: the message's id; send, notify: the idempotency key, empty in old stores
	Depth          int

	Requested time.Time
	Revived   time.Time // when it was made to wait again, after it was dead or blocked; zero: never
	Due       time.Time // not after Latest
	// Latest is, of a read with at_most, until when reads of its rule that replace one another
	// may restart the delay: the first of them sets it. Restarts is how often they did.
	// Zero: as often as they are requested.
	Latest   time.Time
	Restarts int

	Status   Status
	Why      string
	Attempts int       // calls made for it
	Code     int       // Chert's error code of the last attempt; 0: none
	HTTP     int       // HTTP status of the last attempt; 0: no answer
	TraceID  string    // of the last attempt
	Error    string    // of the last attempt, for humans
	Called   time.Time // when the last call was handed out to be sent; zero: none was
	Ended    time.Time // when it ended
	EndedBy  Ender     // what ended it, where Why alone does not say; zero: nothing but Why
}

// Ender is what ended an action.
type Ender struct {
	// Seq is the journal sequence of the event: the veto's, the newer message's, or that of
	// the read whose call served this one, too. 0: no event.
	Seq int64
	// By is the rule key of the veto or the hold, Operator, or SelectionHold.Name; "": no rule
	// decided.
	By string
	// Cause is, for WhyPackInactive, the command or the edit that made the pack, the version or
	// the rule inactive, for people; "": it is not known.
	Cause string
}

// ActionID names an action by the journal sequence of the event that requested it and its place
// among that event's actions.
type ActionID struct {
	Seq int64
	N   int
}

// Kind is what an action does at Chert.
type Kind string

const (
	Read   Kind = "read"
	Typing Kind = "typing"
	React  Kind = "react"
	Send   Kind = "send"
	Notify Kind = "notify" // at a target of the configuration, not at Chert; see NotifyChat
	// Question is the kind of a call that asks Chert for the newest message of a chat, for
	// reads with a Condition. No action is of this kind.
	Question Kind = "question"
)

// Status is the progress of an action.
type Status string

const (
	Waiting  Status = "waiting" // due now or later, or between two attempts
	Sent     Status = "sent"    // on the wire without an answer yet; only for what must not be repeated
	Done     Status = "done"    // Chert confirmed it
	Dropped  Status = "dropped" // it will not be carried out; Why has the reason
	Blocked  Status = "blocked" // a pack that might have vetoed it failed; retry-errors runs that again
	Dead     Status = "dead"    // Chert refused it, or it failed for a day
	Shadowed Status = "shadow"  // recorded, never carried out
)

// These are the values of Action.Why. They are part of the contract: records and logs contain them
// unchanged.
const (
	WhyRead          = "read"                  // Done: this read's own call
	WhyCoalesced     = "coalesced"             // Done: the call of another read served it too
	WhyTooLate       = "veto_too_late"         // Done: the veto came while the call was in flight
	WhyVetoed        = "vetoed"                // Dropped by keep_unread or hold
	WhyHeld          = "held"                  // Dropped: came due while the chat was held
	WhySuperseded    = "superseded"            // Dropped: by a newer message that no read covers
	WhyAlreadyRead   = "already_read"          // Dropped: nothing that can be unread came since the last successful read
	WhyReplaced      = "replaced"              // Dropped: the same rule requested another read, or an earlier one in the same handler
	WhyCancelled     = "cancelled"             // Dropped by cancel_read
	WhyUnqueued      = "cancelled_by_operator" // Dropped: an operator cancelled it while it waited
	WhyNotAnswered   = "not_answered"          // Dropped: only_if is "answered", and the newest message is inbound
	WhyAnswered      = "answered"              // Dropped: only_if is "unanswered", and the newest message is outbound
	WhyAnswerUnknown = "answer_unknown"        // Dropped: Chert did not say which message is the newest; Error has its answer
	WhyLimit         = "limit_reached"         // Dropped: its pack reached limits.reads
	WhyPackInactive  = "pack_inactive"         // Dropped: its pack, that version or its rule is no longer live
	WhyForgotten     = "forgotten"             // Dropped: an operator made chertd forget the chat
	WhyDepth         = "too_deep"              // Dropped: events caused by events, beyond MaxDepth
	WhyExpired       = "expired"               // Dropped: a typing signal older than typingLife
	WhyOnce          = "tried_once"            // Dropped: a typing signal failed, or its answer was lost
	WhyRefused       = "refused"               // Dead: Chert's answer is not retryable; Error has it
	WhyExhausted     = "retries_exhausted"     // Dead: it failed for retryFor; Error has the last answer
	WhyDiscarded     = "discarded"             // Dropped: an operator dropped it when it was dead
	WhyUnknown       = "unknown"               // Dead: the answer was lost, and repeating could do it twice
	WhyBacklog       = "backlog_full"          // Dead: maxNotifications wait for the target already
	WhyShadow        = "shadow"                // Shadowed: the pack, or the rule, is in shadow mode
	WhyCandidate     = "candidate"             // Shadowed: its version runs in shadow beside the live one
	WhyBlocked       = "blocked"               // Blocked: a pack that might have vetoed it failed
)

// Operator is Ender.By, and Hold.By, of what an operator did.
const Operator = "operator"

// These are reasons why a dead action stays dead when an operator retries it, beside WhyOnce,
// WhyUnknown and WhyPackInactive: the retry changes nothing, and works once the cause is gone.
const (
	StaysRuleGone = "rule_gone"        // its rule is gone, or the version that requested it was rolled back
	StaysRuleOff  = "rule_off"         // its rule is off, or in shadow
	StaysLine     = "line_unsupported" // Chert answered that mark-read is not available on its line (4099)
)

// Key returns the identity of a rule among the rules of all packs.
func Key(pack, rule string) string { return pack + "/" + rule }

// Compare orders ids by event, and then by the place in it.
func (id ActionID) Compare(other ActionID) int {
	return cmp.Or(cmp.Compare(id.Seq, other.Seq), cmp.Compare(id.N, other.N))
}

func (id ActionID) String() string { return fmt.Sprintf("%d.%d", id.Seq, id.N) }

// ParseActionID reads what String returns.
func ParseActionID(text string) (id ActionID, ok bool) {
	seq, n, _ := strings.Cut(text, ".")
	var err1, err2 error
	id.Seq, err1 = strconv.ParseInt(seq, 10, 64)
	id.N, err2 = strconv.Atoi(n)
	return id, err1 == nil && err2 == nil && id.Seq > 0 && id.N >= 0 && id.String() == text
}

// RuleKey identifies the requesting rule among the rules of all packs.
func (a *Action) RuleKey() string { return Key(a.Pack, a.Rule) }

// vetoedFrom is the first event whose veto applies to a read: that of the newest message it covers,
// or the one that requested it if that came before.
func (a *Action) vetoedFrom() int64 { return min(a.Covers, a.ID.Seq) }

// sameHandler reports whether one run of one handler requested both actions.
func (a *Action) sameHandler(b *Action) bool {
	return a.ID.Seq == b.ID.Seq && a.RuleKey() == b.RuleKey()
}

// attempted reports whether a call for the action was sent before. The Error of a read with a
// condition may be that of the question.
func (a *Action) attempted() bool { return a.Attempts > 0 || a.Error != "" && a.OnlyIf == "" }

// since is from when the action waits.
func (a *Action) since() time.Time {
	if a.Revived.IsZero() {
		return a.Requested
	}
	return a.Revived
}

// before reports whether an action precedes another in the order requested. One that was made to
// wait again comes after those that waited before.
func (a *Action) before(b *Action) bool {
	return cmp.Or(a.since().Compare(b.since()), a.ID.Compare(b.ID)) < 0
}

func isRead(a Action) bool { return a.Kind == Read }

package backtest

import (
	"cmp"
	"slices"
	"time"
)

// Result is the result of a comparison. Without other words, numbers are those of the time
// after the warm-up.
type Result struct {
	Events     int       `json:"events"`
	Chats      int       `json:"chats"` // of these events
	First      time.Time `json:"first,omitzero"`
	Last       time.Time `json:"last,omitzero"`
	Warmup     Warmup    `json:"warmup"`
	NoText     int       `json:"without_text"` // events of which retention has removed what they said
	Duplicates int       `json:"duplicates"`   // events that came again, warm-up included; they are left out
	Unordered  int       `json:"unordered"`    // events that are more than a minute older than one before them, warm-up included

	// Lists are the lists that rules looked at, with their members as they are now: what they
	// had when the events came is not known.
	Lists map[string]int `json:"lists,omitempty"`

	// Sides are what the live rules and the candidate did.
	Sides [2]Side `json:"-"`

	Added     int `json:"added"`      // only the candidate reads them
	Left      int `json:"left"`       // only the live rules do
	Earlier   int `json:"earlier"`    // the candidate reads them earlier
	Later     int `json:"later"`      // the candidate reads them later
	OtherRule int `json:"other_rule"` // both read them at the same time, by different rules
	Unknown   int `json:"unknown"`    // differences of messages without a text: in no other count
	// DifferingChats is how many chats have an added, left, earlier or later read.
	DifferingChats int          `json:"differing_chats"`
	ByRule         []ByRule     `json:"by_rule"`     // by kind and number
	Differences    []Difference `json:"differences"` // at most Config.Limit of each kind, by kind and time
}

// Warmup is what came before counting began.
type Warmup struct {
	Events int       `json:"events"`
	First  time.Time `json:"first,omitzero"`
	NoText int       `json:"without_text"`
}

// Side is what one side did.
type Side struct {
	Reads  int `json:"reads"` // calls
	Typing int `json:"typing"`
	Reacts int `json:"reacts"`
	Sends  int `json:"sends"`
	// Notifies counts notifications.
	Notifies int `json:"notifies"`
	// Dropped are reads that were requested and not made, by why: vetoed, held, superseded,
	// shadow …
	Dropped   map[string]int `json:"dropped"`
	Failures  int            `json:"failures"`  // runs of rules that failed
	Suspended int            `json:"suspended"` // runs that did not take place, as the rule was suspended
	Failing   []Failing      `json:"failing"`
	Limited   []Limited      `json:"limited"` // warm-up included
}

// Failing is a rule that failed.
type Failing struct {
	Rule     string `json:"rule"` // PACK/RULE
	Place    string `json:"place"`
	Failures int    `json:"failures"`
	First    string `json:"first"` // error
}

// Limited is a pack that reached limits.reads, and was in shadow mode from then on.
type Limited struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// Kind is how the sides differ on messages.
type Kind string

const (
	Added     Kind = "added"
	Left      Kind = "left"
	Earlier   Kind = "earlier"
	Later     Kind = "later"
	OtherRule Kind = "other_rule"
)

// kinds are all kinds, in the order in which they are listed.
var kinds = []Kind{Added, Left, Earlier, Later, OtherRule}

// ByRule is how many differences of a kind are reads of one rule: the candidate's or, if the
// messages are left, the live one.
type ByRule struct {
	Kind        Kind   `json:"kind"`
	Rule        string `json:"rule"`
	Place       string `json:"place"`
	Differences int    `json:"differences"`
}

// Difference is a number of messages of a chat, one after the other, that the sides treat
// differently in the same way.
type Difference struct {
	Kind     Kind      `json:"kind"`
	Chat     string    `json:"chat"`
	Messages int       `json:"messages"` // 0: a read of what came before all events
	At       time.Time `json:"at"`       // when the newest of them was received
	Event    string    `json:"event"`    // its id
	Seq      int64     `json:"seq"`      // Event.Seq of it; 0: there is none

	Live      Fate `json:"live"`
	Candidate Fate `json:"candidate"`
}

// Fate is what one side did with messages: it read them, or left them unread for a reason.
type Fate struct {
	Read   *Read   `json:"read,omitempty"`
	Unread *Reason `json:"unread,omitempty"` // nil without Read: no reason was found
}

// Read is a read call and the rule that requested it.
type Read struct {
	At     time.Time `json:"at"`
	Rule   string    `json:"rule"`  // PACK/RULE
	Place  string    `json:"place"` // file:line
	Reason string    `json:"reason,omitempty"`
	Waits  bool      `json:"waits,omitempty"` // it still waited at the end, until At
}

// Reason is why messages stay unread on a side.
type Reason struct {
	Why     string `json:"why"`                // WhyFailed …, or the Why of an action: "vetoed"
	Rule    string `json:"rule,omitempty"`     // that requested a read, failed, or did not run
	Place   string `json:"place,omitempty"`    // of it
	By      string `json:"by,omitempty"`       // the rule that kept them unread
	ByPlace string `json:"by_place,omitempty"` // of it
	Detail  string `json:"detail,omitempty"`
}

// Values of Reason.Why, besides those of chat.Action.
const (
	WhyFailed       = "failed"        // the rule failed
	WhySkipped      = "not_run"       // the rule's where holds, and Detail kept it from running
	WhyKeptUnread   = "kept_unread"   // a rule keeps them unread, and none requested a read
	WhyRefused      = "where_refused" // the rule's where does not hold; Detail has the conditions
	WhyNotRequested = "not_requested" // the rule ran, and requested no read
	WhyNoRule       = "no_rule"       // this side does not have the rule that reads on the other one
)

func sortFailing(all []Failing) {
	slices.SortFunc(all, func(a, b Failing) int {
		return cmp.Or(cmp.Compare(b.Failures, a.Failures), cmp.Compare(a.Rule, b.Rule))
	})
}

// note counts an event.
func (r *Result) note(ev *Event, from time.Time) {
	if ev.Received.Before(from) {
		if r.Warmup.Events == 0 {
			r.Warmup.First = ev.Received
		}
		r.Warmup.Events++
		if ev.NoText {
			r.Warmup.NoText++
		}
		return
	}
	if r.Events == 0 {
		r.First = ev.Received
	}
	r.Last = ev.Received
	r.Events++
	if ev.NoText {
		r.NoText++
	}
}

// compared takes over what the comparison found.
func (r *Result) compared(c *comparison) {
	r.Added, r.Left, r.Earlier, r.Later, r.OtherRule = c.counts[Added], c.counts[Left], c.counts[Earlier], c.counts[Later], c.counts[OtherRule]
	r.Chats, r.Unknown, r.DifferingChats, r.Differences = c.active, c.unknown, c.differing, c.listed()
	r.ByRule = c.rules()
}

// Total returns how many differences there are, those of OtherRule left out.
func (r *Result) Total() int { return r.Added + r.Left + r.Earlier + r.Later }

package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"chertd/rules"
)

// Limits of GET explain.
const (
	// ExplainedShown is how many events of a chat GET explain returns by default, and
	// MaxExplained at most.
	ExplainedShown = 10
	MaxExplained   = 500
	// UnmatchedShown is how many rules that did not match it lists by default.
	UnmatchedShown = 20
	// ExplainedText is up to how many letters of a message it returns.
	ExplainedText = 200
)

// Values of ExplainedEvent.Outcome beside those of Tailed.Outcome.
const (
	OutcomeInFlight = "in_flight" // a call is on its way
	OutcomeUnknown  = "unknown"   // a call had no answer, or may have covered the message
	OutcomePending  = "pending"   // the event is not handled yet
)

// ExplainQuery is the query of GET explain.
type ExplainQuery struct {
	// Of is the id of an event, a chat, a message or an action, Chert's trace_id of an event or
	// of a call, a phone number or an email address, or the last digits of a number.
	Of    string
	Rule  string // PACK or PACK/RULE: only what this rule did; "": all
	Limit int    // events of a chat; 0: ExplainedShown
	// Before returns events of a chat with a lower seq; 0: the newest.
	Before int64
	All    bool // all rules that did not match, also for each event of a chat
}

// Explained is the answer to GET explain: one event, or the newest ones of a chat.
type Explained struct {
	What string `json:"what"` // what Of was: event, message, action, trace, chat, number
	// Chat is the chat as it is now; nil: the event has none.
	Chat *ExplainedChat `json:"chat,omitempty"`
	// Events are the event, or those of the chat, the oldest first.
	Events []ExplainedEvent `json:"events"`
	Older  bool             `json:"older,omitempty"` // there are older ones: see ExplainQuery.Before
	// ConfigSince is since when the daemon knows its configuration, if an older one may have
	// decided: then Assumes of a rule has what.
	ConfigSince time.Time `json:"config_since,omitzero"`
}

// ExplainedChat is what chertd remembers of a chat.
type ExplainedChat struct {
	ID        string           `json:"id"`
	Line      string           `json:"line,omitempty"`
	Hold      *Hold            `json:"hold,omitempty"`      // in force
	Postponed *Hold            `json:"postponed,omitempty"` // its reads, by the rule whose postponement ends last
	Timers    []ExplainedTimer `json:"timers,omitempty"`
}

// ExplainedTimer is a timer that is set.
type ExplainedTimer struct {
	Pack string    `json:"pack"`
	Name string    `json:"name"`
	Due  time.Time `json:"due"`
}

// ExplainedEvent is one event, what the rules did with it, and what became of their
// requests.
type ExplainedEvent struct {
	// Outcome is what became of the chat, in a word: read, waiting, in_flight, not_read, blocked,
	// dead, shadow; unknown: a call had no answer, and Chert may have carried it out; pending: the event is not handled yet; none: it requests nothing and is not a
	// message. Summary says the same in a sentence, with the rule and the place.
	Outcome string `json:"outcome"`
	Summary string `json:"summary"`

	Seq       int64      `json:"seq"`
	ID        string     `json:"id"`
	Type      string     `json:"type"`
	Source    string     `json:"source"`
	At        time.Time  `json:"at,omitzero"` // when it happened, by Chert
	Received  time.Time  `json:"received"`
	Chat      string     `json:"chat,omitempty"`
	From      string     `json:"from,omitempty"`
	Direction string     `json:"direction,omitempty"`
	Message   string     `json:"message,omitempty"`  // id
	TraceID   string     `json:"trace_id,omitempty"` // Chert's, of the delivery
	Text      string     `json:"text,omitempty"`     // its first letters, ExplainedText at most
	Data      string     `json:"data,omitempty"`     // of a signal, as JSON: its first letters, ExplainedText at most
	NoText    bool       `json:"no_text,omitempty"`  // store.raw or forget has removed its text
	Cause     *EventName `json:"cause,omitempty"`    // the event that caused it
	// RequestedBy is set on an event that carries a request of another chat's rule, or of an
	// operator, here.
	RequestedBy *ExplainedRequester `json:"requested_by,omitempty"`

	Handled time.Time         `json:"handled,omitzero"` // zero: not yet
	TookUS  int64             `json:"took_us"`          // how long its rules took, in microseconds
	Note    string            `json:"note,omitempty"`
	Failed  bool              `json:"failed,omitempty"` // a pack missed it
	Rules   []ExplainedRule   `json:"rules"`            // that passed where, in the order they ran
	Lists   []ExplainedList   `json:"lists,omitempty"`  // that its rules looked at
	Actions []ExplainedAction `json:"actions"`
	// Elsewhere are its requests for other chats. Of very many, it has the first of
	// ElsewhereTotal.
	Elsewhere      []ExplainedElsewhere `json:"elsewhere,omitempty"`
	ElsewhereTotal int                  `json:"elsewhere_total,omitempty"`
	Waits          []string             `json:"waits,omitempty"` // why no call is made now, if actions wait
	NotMatch       []ExplainedOther     `json:"did_not_match,omitempty"`
	// NotMatched is how many rules that subscribe to its type did not match; NotMatch has
	// the first of them.
	NotMatched int `json:"did_not_match_total"`
}

// EventName names an event.
type EventName struct {
	Seq  int64     `json:"seq"`
	ID   string    `json:"id"`
	Type string    `json:"type"`
	Chat string    `json:"chat,omitempty"`
	At   time.Time `json:"received"`
}

// ExplainedRule is what one rule did.
type ExplainedRule struct {
	Pack      string `json:"pack"`
	Version   string `json:"version"`
	Rule      string `json:"rule"`
	Place     string `json:"place"`               // file:line
	Shadow    bool   `json:"shadow,omitempty"`    // it ran in shadow: nothing that it requested was carried out
	Candidate bool   `json:"candidate,omitempty"` // it ran in shadow beside the live version
	// CandidateLive is set if its version ran beside the live one, live as the chat is in its share.
	CandidateLive bool     `json:"candidate_live,omitempty"`
	Asked         []string `json:"asked,omitempty"`   // its requests, in words
	Refused       []string `json:"refused,omitempty"` // those of Asked that were not carried out, and why
	Skipped       string   `json:"skipped,omitempty"` // it did not run: cooldown, suspended …
	// SkippedWhy has the value that decided: "2h old, at most 1h".
	SkippedWhy string `json:"skipped_why,omitempty"`
	// Assumes are the keys of the configuration on which SkippedWhy depends, if their values
	// then are not known. The first ones that the daemon had were used.
	Assumes []string    `json:"assumes,omitempty"`
	Error   string      `json:"error,omitempty"`
	Steps   int64       `json:"steps"` // of the VM
	Logs    []rules.Log `json:"logs,omitempty"`
	Rerun   time.Time   `json:"rerun,omitzero"` // when it ran on the event again, which its pack had missed
	Note    string      `json:"note,omitempty"`
}

// ExplainedList is a list that the rules of an event looked at.
type ExplainedList struct {
	Name    string `json:"name"`
	Version int64  `json:"version"`     // that they saw
	Now     int64  `json:"version_now"` // Members are those of this version
	// Members are the event's sender, chat and line, as far as they are on the list.
	Members []ListMember `json:"members"`
}

// ExplainedOther is a rule that did not run because its where did not match.
type ExplainedOther struct {
	Pack    string   `json:"pack"`
	Version string   `json:"version"`
	Rule    string   `json:"rule"`
	Place   string   `json:"place"`
	Why     []string `json:"why"` // the conditions that do not hold, with the values that they saw
	// Assumes are the keys of the configuration on which its conditions depend, if their
	// values then are not known. The first ones that the daemon had were used.
	Assumes []string `json:"assumes,omitempty"`
	// Holds is set if its conditions hold, and it did not run then.
	Holds   bool `json:"conditions_hold,omitempty"`
	NotThen bool `json:"not_then,omitempty"` // the version that was live then is not kept: this is the one that is live now
}

// Assumes reports whether something depends on a configuration that is not known.
func (e *ExplainedEvent) Assumes() bool {
	return slices.ContainsFunc(e.Rules, func(r ExplainedRule) bool { return len(r.Assumes) > 0 }) ||
		slices.ContainsFunc(e.NotMatch, func(o ExplainedOther) bool { return len(o.Assumes) > 0 })
}

// ExplainedAction is a request of a rule, and what became of it.
type ExplainedAction struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Chat    string `json:"chat"`
	Pack    string `json:"pack,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Version string `json:"version,omitempty"`
	Place   string `json:"place,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Status  string `json:"status"`
	Why     string `json:"why,omitempty"`
	// EndedBy is what ended it, where Why alone does not say.
	EndedBy   *ExplainedEnd `json:"ended_by,omitempty"`
	Requested time.Time     `json:"requested"`
	Due       time.Time     `json:"due"`
	Latest    time.Time     `json:"latest,omitzero"`    // with at_most: until when its delay may restart
	Restarts  int           `json:"restarts,omitempty"` // with at_most: how often it did
	// Postponed is the postponement for which a read waited that is done.
	Postponed *ExplainedPostponement `json:"postponed,omitempty"`
	Revived   time.Time              `json:"revived,omitzero"`    // when it was made to wait again, after it was dead or blocked
	InFlight  bool                   `json:"in_flight,omitempty"` // a call for it is on its way
	Called    time.Time              `json:"called,omitzero"`     // when its last call went out
	Ended     time.Time              `json:"ended,omitzero"`
	WaitsFor  string                 `json:"waits_for,omitempty"` // of one that waits, in words
	Attempts  int                    `json:"attempts"`
	HTTP      int                    `json:"http,omitempty"` // of the last answer
	Code      int                    `json:"code,omitempty"`
	TraceID   string                 `json:"trace_id,omitempty"`
	Error     string                 `json:"error,omitempty"`
	// FailedAttempts are the attempts that failed, in their order.
	FailedAttempts []DeadAttempt `json:"failed_attempts,omitempty"`
}

// ExplainedPostponement is a postponement that has ended.
type ExplainedPostponement struct {
	By    string     `json:"by"`              // PACK/RULE
	Place string     `json:"place"`           // of the rule
	Asked string     `json:"asked"`           // in words
	Until time.Time  `json:"until"`           // in whole seconds
	Event *EventName `json:"event,omitempty"` // on which the rule ran, if that is another one; nil: the read's, or it is not kept any more
}

// ExplainedElsewhere is a request for another chat, and what became of it there.
type ExplainedElsewhere struct {
	By      string     `json:"by"`    // PACK/RULE
	Place   string     `json:"place"` // of the rule
	Asked   string     `json:"asked"` // in words
	Chat    string     `json:"chat"`
	Event   *EventName `json:"event,omitempty"` // that carried it there; nil: it is not kept any more
	Outcome string     `json:"outcome"`         // as of an event
	Summary string     `json:"summary"`
	Dropped int        `json:"dropped,omitempty"` // waiting reads that it dropped there
}

// Became returns in a few words what became of the request.
func (e *ExplainedElsewhere) Became() string {
	if e.Dropped > 0 {
		return DroppedReads(e.Dropped)
	}
	return e.Outcome
}

// DroppedReads says that a request has dropped reads.
func DroppedReads(n int) string {
	if n == 1 {
		return "dropped 1 waiting read"
	}
	return fmt.Sprintf("dropped %d waiting reads", n)
}

// ExplainedRequester is who requested something from another chat.
type ExplainedRequester struct {
	By    string     `json:"by"`              // PACK/RULE, or operator
	Place string     `json:"place,omitempty"` // of the rule
	Asked string     `json:"asked"`           // in words
	Event *EventName `json:"event,omitempty"` // on which the rule ran; nil: none, or it is not kept any more
}

// ExplainedEnd is what ended an action: a veto, a hold, a newer message, or the read whose
// call served it, too.
type ExplainedEnd struct {
	By    string     `json:"by,omitempty"`    // PACK/RULE, or operator
	Place string     `json:"place,omitempty"` // of the rule
	Asked string     `json:"asked,omitempty"` // what it requested, in words
	Cause string     `json:"cause,omitempty"` // the command or edit, in words: "mode off, by command"
	Event *EventName `json:"event,omitempty"` // nil: no event, or it is not kept any more
}

func (a *api) explain(r *http.Request) (any, error) {
	v := r.URL.Query()
	q := ExplainQuery{Of: v.Get("of"), Rule: v.Get("rule")}
	var err error
	if q.All, err = flag(v, "all", false); err != nil {
		return nil, err
	}
	if text := v.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > MaxExplained {
			return nil, &UserError{Message: fmt.Sprintf("limit: expected 1 to %d, got %.20q", MaxExplained, text)}
		}
	}
	if text := v.Get("before"); text != "" {
		if q.Before, err = strconv.ParseInt(text, 10, 64); err != nil || q.Before < 1 {
			return nil, &UserError{Message: fmt.Sprintf("before: expected the seq of an event, got %.20q", text)}
		}
	}
	return a.daemon.Explain(r.Context(), q)
}

// Explain returns what became of an event, or of the newest ones of a chat, and why.
func (c *Client) Explain(ctx context.Context, q ExplainQuery) (e Explained, err error) {
	v := url.Values{"of": {q.Of}}
	if q.Rule != "" {
		v.Set("rule", q.Rule)
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Before != 0 {
		v.Set("before", strconv.FormatInt(q.Before, 10))
	}
	if q.All {
		v.Set("all", "true")
	}
	return e, c.ask(ctx, http.MethodGet, "/explain?"+v.Encode(), nil, &e)
}

package turn

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// OperatorRead is a read that an operator requests, not a rule of a live pack. Vetoes, holds and newer
// messages drop it, like any read.
type OperatorRead struct {
	Chat   string
	ID     string // unique among these; of one that is applied, Applied.ID
	By     string // who requests it; "": not known
	Reason string
	// Applied is set for a read of a rule that was applied to past events.
	Applied *Applied
}

// Applied is where a read comes from that a rule would have requested of past events.
type Applied struct {
	Batch   string         `json:"batch"` // names all reads that were applied together
	Rule    string         `json:"rule"`  // PACK/RULE
	Place   string         `json:"place"` // file:line of the rule
	Version string         `json:"version"`
	Reason  string         `json:"reason,omitempty"` // as the rule gave it
	Covers  int64          `json:"-"`                // journal sequence of the newest event of the chat that the rule saw
	Message bool           `json:"-"`                // that event brings an inbound message
	Due     time.Time      `json:"-"`                // zero: now
	OnlyIf  chat.Condition `json:"-"`
}

// ID returns OperatorRead.ID of the read: a batch has one for each event and condition.
func (x *Applied) ID() string {
	id := fmt.Sprintf("%s.%d", x.Batch, x.Covers)
	if x.OnlyIf != "" {
		id += "." + string(x.OnlyIf)
	}
	return id
}

// operated is the payload of an operator's read.
type operated struct {
	By string `json:"by,omitempty"`
	// Why is the operator's reason, if the rule's may stand in the request.
	Why string `json:"why,omitempty"`
	*Applied
}

// operatorRule is the rule of an operator's read.
const operatorRule = "operator"

// Entry returns the entry of the journal. It covers the newest message at the time of its handling,
// or what Applied has.
func (r *OperatorRead) Entry(now time.Time) Arrival {
	a := made(event.Event{
		ID: "operator:" + r.ID, Type: event.OperatorRead, At: now.Truncate(time.Millisecond), Chat: &event.Chat{ID: r.Chat},
	}, 0, now)
	if r.By != "" || r.Applied != nil {
		o := operated{By: r.By, Applied: r.Applied}
		if r.Applied != nil {
			o.Why = r.Reason
		}
		payload, err := json.Marshal(o)
		if err != nil {
			panic(err) // strings always marshal
		}
		a.Event.Payload = payload
	}
	w := chat.Request{Kind: chat.RequestRead, Rule: operatorRule, Place: "chertd read", Reason: r.Reason, Due: now}
	if x := r.Applied; x != nil {
		w.Rule, w.Place, w.Version, w.Reason = chat.AppliedRule(x.Batch), x.Place, x.Version, x.Reason
		w.Covers, w.CoversMessage, w.OnlyIf = x.Covers, x.Message, x.OnlyIf
		if x.Due.After(now) {
			w.Due = x.Due
		}
	}
	a.Forward = &Forward{Request: w}
	return a
}

// operatedNote returns the Decision.Note of an operator's read.
func operatedNote(ev *event.Event) string {
	var o operated
	if len(ev.Payload) > 0 && json.Unmarshal(ev.Payload, &o) != nil {
		o = operated{}
	}
	by := cmp.Or(o.By, "an operator")
	if o.Applied == nil {
		return "requested by " + by + " with chertd read"
	}
	note := fmt.Sprintf("requested by %s with chertd apply, batch %s, for %s (%s, version %s)", by, o.Batch, o.Rule, o.Place, rules.ShortOf(o.Version))
	if o.Why != "" {
		note += ": " + o.Why
	}
	return note
}

package turn

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"chertd/engine/event"
	"chertd/rules/chat"
)

// OperatorRead is a read that an operator requests, not a rule of a live pack. Vetoes, holds and newer
// messages drop it, like any read.
type OperatorRead struct {
	Chat   string
	ID     string // unique among these
	By     string // who requests it; "": not known
	Reason string
	// Applied is set for a read of a rule that was applied to past events.
	Applied *Applied
}

// Applied is where a read of a rule comes from that was applied to past events.
type Applied struct {
	Batch   string    `json:"batch"` // names all reads that were applied together
	Rule    string    `json:"rule"`  // PACK/RULE
	Place   string    `json:"place"` // file:line of the rule
	Version string    `json:"version"`
	Covers  int64     `json:"-"` // journal sequence of the newest message that the rule saw
	Due     time.Time `json:"-"` // zero: now
}

// operated is the payload of an operator's read.
type operated struct {
	By string `json:"by,omitempty"`
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
		payload, err := json.Marshal(operated{r.By, r.Applied})
		if err != nil {
			panic(err) // strings always marshal
		}
		a.Event.Payload = payload
	}
	w := chat.Request{Kind: chat.RequestRead, Rule: operatorRule, Place: "chertd read", Reason: r.Reason, Due: now}
	if x := r.Applied; x != nil {
		w.Rule, w.Place, w.Version, w.Covers = appliedRule(x.Batch), x.Place, x.Version, x.Covers
		if x.Due.After(now) {
			w.Due = x.Due
		}
	}
	a.Forward = &Forward{Request: w}
	return a
}

// appliedRule is the rule of the reads of a batch.
func appliedRule(batch string) string { return "apply:" + batch }

// operatedNote returns the Decision.Note of an operator's read.
func operatedNote(ev *event.Event) string {
	var o operated
	if len(ev.Payload) > 0 && json.Unmarshal(ev.Payload, &o) != nil {
		o = operated{}
	}
	by, with := cmp.Or(o.By, "an operator"), "chertd read"
	if o.Applied != nil {
		with = fmt.Sprintf("chertd apply, batch %s, for %s (%s)", o.Batch, o.Rule, o.Place)
	}
	return "requested by " + by + " with " + with
}

package turn

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
)

// Decision is the record of what happened to an event, and why: explain prints it.
type Decision struct {
	Seq   int64          `json:"-"`
	Prev  int64          `json:"-"`               // the entry of the chat that was handled before this one; 0: none, or there is no chat
	At    time.Time      `json:"-"`               // when it was handled
	Note  string         `json:"note,omitempty"`  // e.g. "no rule wants it"
	Rules []RuleDecision `json:"rules,omitempty"` // that passed where, in the order they ran
	// Failed is whether some pack missed the event: a rule of it failed or was
	// suspended, and the pack has not run on the event since.
	Failed  bool              `json:"failed,omitempty"`
	Actions int               `json:"actions,omitempty"` // how many actions it has requested so far
	Packs   map[string]string `json:"packs,omitempty"`   // versions of the packs that took part
	// Lists are the versions of the lists that its rules looked at; nil: none.
	Lists rules.ListVersions `json:"lists,omitempty"`
	// Took is how long its rules took, in real time; 0: none ran, or it is not known.
	Took time.Duration `json:"-"`
}

// RuleDecision is the record of one rule on an event.
type RuleDecision struct {
	Pack    string `json:"pack"`
	Version string `json:"version"`
	Rule    string `json:"rule"`
	// Shadow is set if its pack or the rule ran in shadow, and Candidate if its version ran in shadow
	// beside the live one.
	Shadow    bool `json:"shadow,omitempty"`
	Candidate bool `json:"candidate,omitempty"`
	// CandidateLive is set if its version ran beside the live one, live in the chat.
	CandidateLive bool     `json:"candidate_live,omitempty"`
	Place         string   `json:"place"`             // file:line
	Asked         []string `json:"asked,omitempty"`   // its requests, in words
	Refused       []string `json:"refused,omitempty"` // those of Asked that left no action and were not carried out, and why
	Skipped       string   `json:"skipped,omitempty"` // passed where, but not run: "cooldown", …
	// SkippedWhy says of a suspended rule since when and why.
	SkippedWhy string `json:"skipped_why,omitempty"`
	Error      string `json:"error,omitempty"` // it failed: none of its results was stored
	Steps      int64  `json:"steps,omitempty"` // VM steps used
	Logs       []Log  `json:"logs,omitempty"`
	// Rerun is when the rule ran on the event again, because its pack had missed
	// it; zero: it did not.
	Rerun time.Time `json:"rerun,omitzero"`
	// Note is why a pack that missed the event does not run on it any more, or by which
	// command the rule or its pack is off, in shadow or live in a share: "off until 2026-01-05T15:00:00Z by anna".
	Note string `json:"note,omitempty"`
}

// Log is a line a rule logged.
type Log = rules.Log

// Role is how the rule ran.
func (r *RuleDecision) Role() rules.Role { return rules.RoleOf(r.Shadow, r.Candidate) }

// Failed reports whether the rule missed the event: it failed, or was suspended.
func (r *RuleDecision) Failed() bool {
	return r.Error != "" || r.Skipped == rules.SkippedSuspended
}

// ruleDecisionOf returns the record of a rule's outcome on an event that runs at a time.
// chatID is the event's chat; "": none.
func ruleDecisionOf(o *rules.Outcome, chatID string, at time.Time) RuleDecision {
	r := RuleDecision{
		Pack: o.Pack, Version: o.Version, Rule: o.Rule, Place: o.Place, Shadow: o.Shadow, Candidate: o.Candidate, CandidateLive: o.CandidateLive,
		Skipped: o.Skipped, SkippedWhy: o.SkippedWhy, Steps: o.Steps, Logs: o.Logs, Note: o.Note,
	}
	if o.Failure != nil {
		r.Error = o.Failure.Error()
	}
	for i := range o.Requests {
		r.Asked = append(r.Asked, o.Requests[i].Words(chatID, at))
	}
	return r
}

// settle sets Failed. When a pack ran again, its later run counts, not the earlier one.
func (d *Decision) settle() {
	d.Failed = false
	for i := range d.Rules {
		r := &d.Rules[i]
		later := func(other RuleDecision) bool { return other.Pack == r.Pack && other.Rerun.After(r.Rerun) }
		if r.Failed() && !r.Candidate && !slices.ContainsFunc(d.Rules[i:], later) {
			d.Failed = true
			return
		}
	}
}

// ran lists the rules of a pack that ran on the event and did not fail.
func (d *Decision) ran(pack string) (names []string) {
	for i := range d.Rules {
		if r := &d.Rules[i]; r.Pack == pack && r.Rule != "" && !r.Failed() && !r.Candidate {
			names = append(names, r.Rule)
		}
	}
	return names
}

// looked adds lists that rules looked at. When rules ran again, their later look counts.
func (d *Decision) looked(lists rules.ListVersions) {
	if len(lists) == 0 {
		return
	}
	all := maps.Clone(d.Lists)
	if all == nil {
		all = rules.ListVersions{}
	}
	maps.Copy(all, lists)
	d.Lists = all
}

// refused adds the requests that a chat did not carry out now.
func (d *Decision) refused(chatID string, all []chat.Refusal, now time.Time) {
	for i := range all {
		w := rules.Request{Chat: chatID, Request: all[i].Request}
		words := fmt.Sprintf("%s (%s)", w.Words(chatID, now), all[i].Why)
		by := len(d.Rules) - 1 // from the end: the rule may have failed when the event ran first
		for by >= 0 && (d.Rules[by].Pack != w.Pack || d.Rules[by].Rule != w.Rule || d.Rules[by].Candidate) {
			by--
		}
		if by < 0 {
			d.Note += "; refused: " + words // a request of another chat's event
			continue
		}
		d.Rules[by].Refused = append(d.Rules[by].Refused, words)
	}
}

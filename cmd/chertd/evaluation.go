package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// evaluation has the decisions of the rules about an event, and what follows if
// nothing else happens and every call succeeds.
type evaluation struct {
	Event   evalEvent    `json:"event"`
	Now     time.Time    `json:"now"`
	Rules   []evalRule   `json:"rules"` // that subscribe to its type, in load order
	Failed  bool         `json:"failed"`
	Block   bool         `json:"block"`   // a rule that could have vetoed failed: reads are blocked
	Actions []evalAction `json:"actions"` // as they end
	Calls   []evalCall   `json:"calls"`
	Timers  []evalTimer  `json:"timers"`
	Holds   []evalHold   `json:"holds"`
	// Postponed are the chats whose reads wait, by every rule that postponed them.
	Postponed []evalHold `json:"postponed"`
	// Lists are the lists that the rules looked at, with the number of members that --state
	// gives them.
	Lists map[string]int `json:"lists,omitempty"`
}

type evalEvent struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Chat string `json:"chat,omitempty"`
	From string `json:"from,omitempty"`
	Text string `json:"text"`
}

type evalRule struct {
	rules.Explanation
	Asked   []string    `json:"asked,omitempty"`           // in words
	NotDone []string    `json:"not_carried_out,omitempty"` // of Asked, what left no action, and why
	Error   string      `json:"error,omitempty"`
	Steps   int64       `json:"steps,omitempty"`
	Logs    []rules.Log `json:"logs,omitempty"`
	// State is ev.state as the rule leaves it, if it changed it, and KV what it wrote
	// there; null: it deleted it.
	State json.RawMessage            `json:"state,omitempty"`
	KV    map[string]json.RawMessage `json:"kv,omitempty"`
}

// evalAction is a request that became an action, and what became of it.
type evalAction struct {
	ID     string      `json:"id"`
	Kind   chat.Kind   `json:"kind"`
	Chat   string      `json:"chat"`
	Pack   string      `json:"pack"`
	Rule   string      `json:"rule"`
	Reason string      `json:"reason,omitempty"`
	Due    time.Time   `json:"due"`
	Status chat.Status `json:"status"`
	Why    string      `json:"why"`
}

// evalCall is a call that would be made.
type evalCall struct {
	Chat    string    `json:"chat"`
	Kind    chat.Kind `json:"kind"`
	At      time.Time `json:"at"`
	Actions []string  `json:"actions"` // ids of those it serves
	// Assumes, of a question, is what Chert is assumed to say: inbound or outbound. The
	// outcome depends on it.
	Assumes chat.Newest `json:"assumes,omitempty"`
	rules   []string    // that asked for them
}

type evalTimer struct {
	Chat string    `json:"chat"`
	Pack string    `json:"pack"`
	Name string    `json:"name"`
	Due  time.Time `json:"due"`
}

// evalHold is a hold of a chat, or a postponement.
type evalHold struct {
	Chat   string    `json:"chat"`
	By     string    `json:"by"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason,omitempty"`
}

// evaluate runs the turn of the event, in memory, on what is stored before it, and what
// follows in each chat that it concerns. It fails with spec.ErrTooMuch if what
// follows does not end.
func evaluate(ctx context.Context, set *rules.Set, ev *event.Event, now time.Time, before *stored) (*evaluation, error) {
	own := ev.ChatID()
	f := &following{
		set: set, now: now, seq: storedSeq + 1, before: before, chats: map[string]*chat.Chat{},
		limits: turn.NewCalls(set), rows: map[chat.ActionID]chat.Action{},
	}
	e := &evaluation{
		Event: evalEvent{ev.ID, ev.Type, own, ev.From, ev.Text}, Now: now,
		Rules: []evalRule{}, Actions: []evalAction{}, Calls: []evalCall{}, Timers: []evalTimer{}, Holds: []evalHold{}, Postponed: []evalHold{},
	}
	chatBefore := f.turn(set, own).Chat
	for _, x := range set.Explain(rules.Input{Event: chatBefore.Complete(ev), Seq: f.seq, Now: now, Chat: chatBefore, Lists: before.lists}) {
		e.Rules = append(e.Rules, evalRule{Explanation: x})
	}
	d, err := f.handle(ctx, set, &turn.Entry{Seq: f.seq, Arrival: turn.Arrival{Event: *ev, Received: now}})
	if err != nil {
		return nil, err
	}
	e.decided(&d)
	for name := range d.Decision.Lists {
		if e.Lists == nil {
			e.Lists = map[string]int{}
		}
		e.Lists[name] = before.lists.List(name).Live(now)
	}
	if err := f.drain(ctx); err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(f.chats)) {
		c := f.chats[id]
		if h := c.Hold; h.Active(now) {
			e.Holds = append(e.Holds, evalHold{id, h.By, h.Until, h.Reason})
		}
		for i := range c.Postponed {
			p := &c.Postponed[i]
			e.Postponed = append(e.Postponed, evalHold{id, p.By(), p.Until, p.Reason})
		}
	}
	return e, e.follow(ctx, f)
}

// decided notes what became of the event.
func (e *evaluation) decided(d *turn.Done) {
	e.Block, e.Failed = d.Blocked, d.Decision.Failed
	decided := map[string]bool{} // rules that have an outcome
	for i := range d.Outcomes {
		o, said := &d.Outcomes[i], &d.Decision.Rules[i]
		decided[chat.Key(o.Pack, o.Rule)] = true
		r := e.rule(o)
		r.Runs = o.Skipped == ""
		r.Skipped, r.Steps, r.Logs = said.Skipped, said.Steps, said.Logs
		if said.Skipped == "" || said.Skipped == rules.SkippedSuspended {
			r.SkippedWhy = said.SkippedWhy
		}
		r.Asked, r.NotDone, r.Error = said.Asked, said.Refused, said.Error
		r.keeps(o)
	}
	for i := range e.Rules {
		// Of many rules that are suspended a few stand for all.
		if r := &e.Rules[i]; r.Runs && !decided[chat.Key(r.Pack, r.Rule)] {
			r.Runs, r.Skipped = false, rules.SkippedSuspended
		}
	}
}

// rule returns the entry of the rule that an outcome is of.
func (e *evaluation) rule(o *rules.Outcome) *evalRule {
	for i := range e.Rules {
		if r := &e.Rules[i]; r.Pack == o.Pack && r.Rule == o.Rule {
			return r
		}
	}
	e.Rules = append(e.Rules, evalRule{Explanation: rules.Explanation{
		Pack: o.Pack, Version: o.Version, Rule: o.Rule, Place: o.Place, Runs: o.Skipped == "",
	}})
	return &e.Rules[len(e.Rules)-1]
}

// keeps notes what the rule changed of ev.state and kv.
func (r *evalRule) keeps(o *rules.Outcome) {
	if o.StateSet {
		if r.State = o.State; r.State == nil {
			r.State = json.RawMessage("null")
		}
	}
	for _, w := range o.Writes {
		if r.KV == nil {
			r.KV = map[string]json.RawMessage{}
		}
		if r.KV[w.Key] = w.Value; w.Value == nil {
			r.KV[w.Key] = json.RawMessage("null")
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine/event"
	esource "chertd/engine/source"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// maxEventFile bounds a file given to eval, well above what the webhook takes.
const maxEventFile = 16 << 20

func newEvalCommand() *cobra.Command {
	var format, at, stateFile string
	var source ruleSource
	cmd := &cobra.Command{
		Use:   "eval [-c FILE] EVENT.json [PATH ...]",
		Short: "Show what the rules would do with one event, and why",
		Long: `Runs the rules on one event. Prints which rules ran and which did not, which actions
they requested, and what the outcome would be. No API call is made, and nothing is
stored.

EVENT.json contains the body of a webhook or a row of the events log; - reads
standard input. PATH is a rules directory, a pack or a .lua file.

If you give -c FILE, or no PATH and ./chertd.yaml exists, the rules run with the
settings, modes, grants and time zone of that configuration. Without a PATH they
come from rules.dir of the configuration; without a configuration, from ./rules.
No secrets are needed.

The rules start with an empty store. To supply stored data (ev.state, kv, holds,
pending reads, timers), use --state FILE; docs/rules.md describes its format.

Exits with 1 if a rule fails or the rules do not load.`,
		Example: "  chertd eval event.json\n  chertd eval - examples < event.json\n  chertd eval event.json rules/vip --at 2026-01-05T09:30:00Z\n  chertd eval event.json --state state.yaml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return hinted(usageError("eval needs a file with an event"), "run `chertd eval EVENT.json`, or use - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			now := time.Now()
			if at != "" {
				t, err := time.Parse(time.RFC3339, at)
				if err != nil {
					return hinted(usageError("--at %q: expected a time", at), "like 2026-01-05T09:30:00Z")
				}
				now = t
			}
			ev, err := readEvent(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			if err := source.use(args[1:]); err != nil {
				return err
			}
			if source.config != nil {
				if why := esource.OtherTenant(&ev, source.config.Chert.Tenant); why != "" {
					return hinted(fmt.Errorf("read the event from %s: %s", eventPlace(args[0]), why),
						"`chertd run` would quarantine this one; `chertd eval EVENT.json PATH` without -c takes events of any tenant")
				}
			}
			set, diags := rules.Load(source.paths, source.options).Set()
			if diags.Errors() {
				return fail(exitFailure, diags)
			}
			if err := printDiagnostics(io.Discard, cmd.ErrOrStderr(), "pretty", diags); err != nil {
				return err
			}
			now = now.Truncate(time.Millisecond)
			before := &stored{}
			if stateFile != "" {
				if before, diags, err = readState(stateFile, set, len(args) > 1, now); err != nil {
					return err
				}
				if diags.Errors() {
					return fail(exitFailure, diags)
				}
				if err := printDiagnostics(io.Discard, cmd.ErrOrStderr(), "pretty", diags); err != nil {
					return err
				}
			}
			e, err := evaluate(cmd.Context(), set, &ev, now, before)
			if err != nil {
				return fail(exitFailure, err)
			}
			if format == "json" {
				err = printJSON(cmd.OutOrStdout(), e)
			} else {
				err = e.print(cmd.OutOrStdout())
			}
			if err == nil && e.Failed {
				err = errSilent
			}
			return err
		},
	}
	formatFlag(cmd, &format, "pretty", "json")
	source.flags(cmd)
	cmd.Flags().StringVar(&stateFile, "state", "", "`FILE` with the stored data that the rules start with (default none)")
	_ = cmd.MarkFlagFilename("state", "yaml", "yml", "json")
	cmd.Flags().StringVar(&at, "at", "", "`TIME` at which the event is handled, RFC 3339 (default now)")
	return cmd
}

// readEvent reads one event in any form Chert delivers; - is standard input.
func readEvent(path string, stdin io.Reader) (event.Event, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return event.Event{}, hinted(fmt.Errorf("read the event: %w", err), "a file with the body of a webhook or a row of the events log; `chertd new NAME` makes rules/NAME/event.json")
		}
		defer f.Close()
		in = f
	}
	body, err := io.ReadAll(io.LimitReader(in, maxEventFile+1))
	if err != nil {
		return event.Event{}, fmt.Errorf("read the event: %w", err)
	}
	if len(body) > maxEventFile {
		return event.Event{}, fmt.Errorf("read the event: %s is larger than %d MiB", eventPlace(path), maxEventFile>>20)
	}
	ev, err := event.Decode(body, event.Hints{})
	if err != nil {
		return event.Event{}, hinted(fmt.Errorf("read the event from %s: %w", eventPlace(path), err),
			"the body of a webhook or a row of the events log; `chertd run` would quarantine this one")
	}
	ev.Source = event.SourceFile
	return ev, nil
}

func eventPlace(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

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
	rules   []string  // that asked for them
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

// evaluate takes the event's turn, in memory, on what is stored before it, and what
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
	for _, x := range set.Explain(rules.Input{Event: chatBefore.Complete(ev), Seq: f.seq, Now: now, Chat: chatBefore}) {
		e.Rules = append(e.Rules, evalRule{Explanation: x})
	}
	d, err := f.handle(ctx, set, &turn.Entry{Seq: f.seq, Arrival: turn.Arrival{Event: *ev, Received: now}})
	if err != nil {
		return nil, err
	}
	e.decided(&d)
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

// rule is the entry of the rule that an outcome is of.
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

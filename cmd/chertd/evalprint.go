package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// print shows an evaluation to people.
func (e *evaluation) print(w io.Writer) error {
	text := diag.Visible(strconv.Quote(e.Event.Text))
	safe := shown(*e)
	e = &safe
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s\n", e.Event.Type, e.Event.ID)
	if e.Event.Chat != "" {
		fmt.Fprintf(&b, "  chat %s", e.Event.Chat)
		if e.Event.From != "" {
			fmt.Fprintf(&b, ", from %s", e.Event.From)
		}
		fmt.Fprintln(&b)
	} else {
		fmt.Fprintln(&b, "  no chat")
	}
	if e.Event.Text != "" {
		fmt.Fprintf(&b, "  %s\n", text)
	}
	fmt.Fprintln(&b, "\nrules")
	if len(e.Rules) == 0 {
		fmt.Fprintf(&b, "  none subscribes to %s\n", e.Event.Type)
	}
	for i := range e.Rules {
		e.printRule(&b, &e.Rules[i])
	}
	e.printOutcome(&b)
	_, err := w.Write(b.Bytes())
	return err
}

func (e *evaluation) printRule(b *bytes.Buffer, r *evalRule) {
	verdict := "ran"
	switch {
	case r.Error != "":
		verdict = "failed; its actions were discarded"
	case len(r.Refused) > 0:
		verdict = "did not run"
	case r.Skipped != "":
		verdict = "did not run: " + r.Skipped
	case len(r.Asked) == 0:
		verdict = "ran, and requested nothing"
	}
	fmt.Fprintf(b, "  %s/%s (%s) %s\n", r.Pack, r.Rule, r.Place, verdict)
	for _, why := range r.Refused {
		fmt.Fprintf(b, "      %s\n", why)
	}
	if r.Skipped != "" && r.SkippedWhy != "" {
		fmt.Fprintf(b, "      %s\n", r.SkippedWhy)
	}
	if r.Error != "" {
		fmt.Fprintf(b, "      %s\n", strings.ReplaceAll(r.Error, "\n", "\n      "))
	}
	for _, asked := range r.Asked {
		fmt.Fprintf(b, "      requested: %s\n", asked)
	}
	for _, request := range r.NotDone {
		fmt.Fprintf(b, "      not carried out: %s\n", request)
	}
	if r.State != nil {
		fmt.Fprintf(b, "      ev.state: %s\n", diag.Visible(string(r.State)))
	}
	for _, key := range slices.Sorted(maps.Keys(r.KV)) {
		fmt.Fprintf(b, "      kv %s: %s\n", key, diag.Visible(string(r.KV[key])))
	}
	for _, l := range r.Logs {
		fmt.Fprintf(b, "      log %s: %s", l.Level, l.Msg)
		for _, key := range slices.Sorted(maps.Keys(l.Fields)) {
			fmt.Fprintf(b, " %s=%s", key, diag.Visible(fieldText(l.Fields[key])))
		}
		fmt.Fprintln(b)
	}
}

func (e *evaluation) printOutcome(b *bytes.Buffer) {
	for _, name := range slices.Sorted(maps.Keys(e.Lists)) {
		if n := e.Lists[name]; n > 0 {
			fmt.Fprintf(b, "  the list %s has %s here, from --state\n", name, count(n, "member"))
		} else {
			fmt.Fprintf(b, "  the list %s is empty here: --state FILE supplies members, chertd list %s has those of the daemon\n", name, name)
		}
	}
	fmt.Fprintln(b, "\noutcome, if no other event arrives")
	if e.Block {
		fmt.Fprintln(b, "  reads are blocked: a rule that could have vetoed them failed")
	}
	for _, h := range e.Holds {
		fmt.Fprintf(b, "  chat %s is held until %s by %s\n", h.Chat, h.Until.Format(time.RFC3339), h.By)
	}
	for _, p := range e.Postponed {
		fmt.Fprintf(b, "  reads of chat %s wait until %s, postponed by %s%s\n", p.Chat, p.Until.Format(time.RFC3339), p.By, choose(p.Reason == "", "", ": "+p.Reason))
	}
	for _, l := range e.timeline() {
		fmt.Fprintf(b, "  %s: %s\n", e.when(l.at), l.text)
	}
	if len(e.Timers) > 0 {
		fmt.Fprintln(b, "  rules that run on these timers are not shown")
	}
	for _, a := range e.Actions {
		if a.Status != chat.Done {
			fmt.Fprintf(b, "  %s by %s/%s: %s\n", a.Kind, a.Pack, a.Rule, choose(string(a.Status) == a.Why, a.Why, fmt.Sprintf("%s (%s)", a.Status, a.Why)))
		}
	}
	if len(e.Holds)+len(e.Postponed)+len(e.Calls)+len(e.Actions)+len(e.Timers) == 0 {
		fmt.Fprintln(b, "  nothing")
	}
}

// happening is something that would happen at a time.
type happening struct {
	at   time.Time
	text string
}

// timeline returns the calls and timers in the order of their times.
func (e *evaluation) timeline() []happening {
	var all []happening
	for _, c := range e.Calls {
		what := "mark chat " + c.Chat + " as read"
		target, notice := chat.NotifyTarget(c.Chat)
		switch {
		case notice:
			what = "notify " + target
		case c.Kind == chat.Question:
			what = "ask Chert for the newest message of chat " + c.Chat
		case c.Kind != chat.Read:
			what = string(c.Kind) + " in chat " + c.Chat
		}
		what += ", for " + diag.Visible(strings.Join(c.rules, ", "))
		if c.Assumes != "" {
			what += "; what follows depends on the answer, and assumes that the message is " + string(c.Assumes)
		}
		all = append(all, happening{c.At, what})
	}
	for _, t := range e.Timers {
		all = append(all, happening{t.Due, fmt.Sprintf("timer %q of %s", t.Name, t.Pack)})
	}
	slices.SortStableFunc(all, func(a, b happening) int { return a.at.Compare(b.at) })
	return all
}

// when returns a time relative to the handling of the event.
func (e *evaluation) when(t time.Time) string {
	if d := t.Sub(e.Now); d > 0 {
		return "after " + diag.Duration(d)
	}
	return "immediately"
}

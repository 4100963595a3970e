package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// printExplained prints the chat as it is now, and each event as a tree.
func printExplained(w io.Writer, e control.Explained, q control.ExplainQuery) error {
	texts := make([]string, len(e.Events))
	for i := range e.Events {
		texts[i] = diag.Visible(strconv.Quote(e.Events[i].Text))
	}
	e = shown(e)
	var b strings.Builder
	if e.Chat != nil {
		printExplainedChat(&b, e.Chat)
	}
	if len(e.Events) == 0 {
		b.WriteString("  no event of it is kept\n")
	}
	for i := range e.Events {
		if i > 0 || e.Chat != nil {
			b.WriteByte('\n')
		}
		printExplainedEvent(&b, &e.Events[i], texts[i], q)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printExplainedChat(b *strings.Builder, c *control.ExplainedChat) {
	fmt.Fprintf(b, "chat %s", c.ID)
	if c.Line != "" {
		fmt.Fprintf(b, ", on line %s", c.Line)
	}
	b.WriteByte('\n')
	if h := c.Hold; h != nil {
		fmt.Fprintf(b, "  held until %s by %s%s\n", h.Until.Local().Format(logTime), h.By, inBrackets(h.Reason))
	}
	if p := c.Postponed; p != nil {
		fmt.Fprintf(b, "  its reads are postponed until %s by %s%s\n", p.Until.Local().Format(logTime), p.By, inBrackets(p.Reason))
	}
	for _, t := range c.Timers {
		fmt.Fprintf(b, "  timer %q of %s fires at %s\n", t.Name, t.Pack, t.Due.Local().Format(logTime))
	}
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// tree collects the branches of an event.
type tree []branch

// branch is a line of a tree and what hangs below it.
type branch struct {
	line  string
	below []string
}

func (t *tree) add(format string, args ...any) *branch {
	*t = append(*t, branch{line: fmt.Sprintf(format, args...)})
	return &(*t)[len(*t)-1]
}

func (l *branch) say(format string, args ...any) {
	l.below = append(l.below, strings.Split(fmt.Sprintf(format, args...), "\n")...)
}

func (t tree) print(b *strings.Builder) {
	for i, l := range t {
		first, rest := "  ├─ ", "  │    "
		if i == len(t)-1 {
			first, rest = "  └─ ", "       "
		}
		b.WriteString(first + l.line + "\n")
		for _, line := range l.below {
			b.WriteString(rest + line + "\n")
		}
	}
}

func printExplainedEvent(b *strings.Builder, e *control.ExplainedEvent, text string, q control.ExplainQuery) {
	fmt.Fprintf(b, "%s  %s\n", strings.ToUpper(strings.ReplaceAll(e.Outcome, "_", " ")), e.Summary)
	fmt.Fprintf(b, "  %s %s, by %s at %s%s\n", e.Type, e.ID, e.Source, e.Received.Local().Format(logTime), traced(e.TraceID))
	if e.From != "" || e.Message != "" {
		var parts []string
		if e.From != "" {
			parts = append(parts, "from "+e.From)
		}
		if e.Direction != "" {
			parts = append(parts, e.Direction)
		}
		if e.Message != "" {
			parts = append(parts, "message "+e.Message)
		}
		fmt.Fprintf(b, "  %s\n", strings.Join(parts, ", "))
	}
	switch {
	case e.NoText:
		b.WriteString("  its text is not kept any more (store.raw, or chertd forget)\n")
	case e.Text != "":
		fmt.Fprintf(b, "  %s\n", text)
	case e.Data != "":
		fmt.Fprintf(b, "  data %s\n", diag.Visible(e.Data))
	}
	if late := e.Received.Sub(e.At); !e.At.IsZero() && late > time.Minute && e.Source != event.SourceEngine {
		fmt.Fprintf(b, "  it happened at %s, %s before chertd received it\n", e.At.Local().Format(logTime), roughly(late))
	}
	if by := e.RequestedBy; by != nil {
		fmt.Fprintf(b, "  requested by %s", by.By)
		if by.Place != "" {
			fmt.Fprintf(b, " at %s", by.Place)
		}
		if by.Event != nil {
			fmt.Fprintf(b, ", on %s %s%s", by.Event.Type, by.Event.ID, choose(by.Event.Chat == "", "", " in chat "+by.Event.Chat))
		}
		fmt.Fprintf(b, ": %s\n", by.Asked)
	} else if c := e.Cause; c != nil {
		fmt.Fprintf(b, "  caused by %s %s at %s\n", c.Type, c.ID, c.At.Local().Format(logTime))
	}
	var t tree
	if e.Handled.IsZero() {
		t.add("not handled yet")
	} else {
		l := t.add("handled at %s, %s after it came", e.Handled.Local().Format(logTime), diag.About(e.Handled.Sub(e.Received)))
		if e.TookUS > 0 {
			l.line += "; its rules took " + diag.About(time.Duration(e.TookUS)*time.Microsecond)
		}
		if e.Note != "" {
			l.say("%s", e.Note)
		}
	}
	for i := range e.Lists {
		words := listWords(&e.Lists[i])
		l := t.add("%s", words[0])
		for _, more := range words[1:] {
			l.say("%s", more)
		}
	}
	for i := range e.Rules {
		explainRule(&t, e, &e.Rules[i])
	}
	for i := range e.NotMatch {
		o := &e.NotMatch[i]
		l := t.add("%s (%s, version %s) %s", chat.Key(o.Pack, o.Rule), o.Place, shortVersion(o.Version), choose(o.Holds, "did not run", "did not match"))
		for _, why := range o.Why {
			l.say("%s", why)
		}
		assumed(l, o.Assumes)
		if o.NotThen {
			l.say("the version that was live then is not kept: these are the conditions of the one that is live now")
		}
	}
	if more := e.NotMatched - len(e.NotMatch); more > 0 && len(e.NotMatch) > 0 {
		t.add("%s did not match: --all lists them", many(int64(more), "other rule"))
	}
	for i := range e.Actions {
		explainAction(&t, e, &e.Actions[i])
	}
	for i := range e.Elsewhere {
		o := &e.Elsewhere[i]
		l := t.add("%s for %s: %s", o.Asked, o.By, strings.ReplaceAll(o.Became(), "_", " "))
		l.say("%s", o.Summary)
		if o.Event != nil {
			l.say("chertd explain %s", diag.ShellWord(o.Event.ID))
		}
	}
	if more := e.ElsewhereTotal - len(e.Elsewhere); more > 0 {
		t.add("%s for other chats: not shown", many(int64(more), "more request"))
	}
	if len(e.Rules)+len(e.Actions)+len(e.NotMatch) == 0 && q.Rule != "" {
		t.add(choose(e.NoText, "what %s did with %s can't be shown any more", "%s was not there, or does not subscribe to %s"), q.Rule, e.Type)
	}
	t.print(b)
}

func explainRule(t *tree, e *control.ExplainedEvent, r *control.ExplainedRule) {
	name := r.Pack
	if r.Rule != "" {
		name = chat.Key(r.Pack, r.Rule)
	}
	verdict := choose(e.NoText, "ran", "ran, and requested nothing")
	if r.Rule == "" {
		verdict = "was asked again"
	}
	switch {
	case r.Error != "":
		verdict = "failed: its requests were discarded"
	case r.Skipped != "":
		verdict = "matched, and did not run: " + r.Skipped
	case len(r.Asked) > 0:
		verdict = "ran"
	}
	switch {
	case r.Candidate:
		verdict = "candidate, in shadow: " + verdict
	case r.CandidateLive:
		verdict = "candidate, live in its share: " + verdict
	case r.Shadow:
		verdict = "in shadow: " + verdict
	}
	l := t.add("%s (%s, version %s) %s", name, cmp.Or(r.Place, "-"), shortVersion(r.Version), verdict)
	if !r.Rerun.IsZero() {
		l.say("on %s, as its pack had missed the event or failed on it", r.Rerun.Local().Format(logTime))
	}
	if r.SkippedWhy != "" {
		l.say("%s", r.SkippedWhy)
	}
	assumed(l, r.Assumes)
	if r.Error != "" {
		l.say("%s", r.Error)
	}
	for _, asked := range r.Asked {
		l.say("requested %s", asked)
	}
	for _, refused := range r.Refused {
		l.say("not carried out: %s", refused)
	}
	for _, line := range r.Logs {
		text := fmt.Sprintf("log %s: %s", line.Level, line.Msg)
		for _, key := range slices.Sorted(maps.Keys(line.Fields)) {
			text += fmt.Sprintf(" %s=%s", key, diag.Visible(fieldText(line.Fields[key])))
		}
		l.say("%s", text)
	}
	if r.Note != "" {
		l.say("%s", r.Note)
	}
}

func explainAction(t *tree, e *control.ExplainedEvent, a *control.ExplainedAction) {
	status := a.Status
	if a.Why != "" && a.Why != a.Status && !(a.Status == string(chat.Done) && a.Why == a.Kind) {
		status += ", " + a.Why
	}
	l := t.add("%s %s", a.Kind, a.ID)
	if a.Chat != e.Chat {
		l.line += " in chat " + a.Chat
	}
	if a.Pack != "" {
		l.line += " for " + chat.Key(a.Pack, a.Rule)
	}
	l.line += ": " + status
	if a.Reason != "" {
		l.say("reason: %s", a.Reason)
	}
	if !a.Revived.IsZero() {
		l.say("it was dead or blocked, and was taken up again at %s", a.Revived.Local().Format(logTime))
	} else if delay := a.Due.Sub(a.Requested); delay > 0 {
		l.say("due at %s, %s after it was requested", a.Due.Local().Format(logTime), diag.About(delay))
	}
	if !a.Latest.IsZero() {
		l.say("%s", restarted(a))
	}
	if p := a.Postponed; p != nil {
		text := fmt.Sprintf("postponed by %s at %s until %s", p.By, p.Place, p.Until.Local().Format(logTime))
		if p.Event != nil {
			text += fmt.Sprintf(", on %s %s", p.Event.Type, p.Event.ID)
		}
		l.say("%s: %s", text, p.Asked)
	}
	if a.InFlight {
		l.say("a call is on its way since %s", a.Called.Local().Format(logTime))
	}
	if a.WaitsFor != "" {
		l.say("%s", a.WaitsFor)
		for _, why := range e.Waits {
			l.say("  %s", why)
		}
	}
	if end := a.EndedBy; end != nil {
		l.say("%s", endedBy(a, end))
	}
	for _, x := range a.FailedAttempts {
		l.say("attempt %d failed at %s: %s%s", x.N, x.At.Local().Format(logTime), answered(a.Kind, x.HTTP, x.Code), traced(x.TraceID))
	}
	if !a.Called.IsZero() && a.Status == string(chat.Done) {
		line := "called at " + a.Called.Local().Format(logTime)
		if late := a.Called.Sub(a.Due); late >= time.Second {
			line += fmt.Sprintf(" (%s after it was due)", diag.About(late))
		}
		l.say("%s; %s confirmed it after %s%s", line, choose(a.Kind == string(chat.Notify), "the target", "Chert"), diag.About(a.Ended.Sub(a.Called)), traced(a.TraceID))
	} else if !a.Ended.IsZero() && a.Status != string(chat.Done) {
		l.say("%s at %s", a.Status, a.Ended.Local().Format(logTime))
	}
	if a.Error != "" && a.Status != string(chat.Done) {
		l.say("%s", a.Error)
	}
}

// assumed names the configuration that a computation depends on and that is not known.
func assumed(l *branch, keys []string) {
	if len(keys) > 0 {
		l.say("computed with %s as when this daemon started: what it was before is not known", strings.Join(keys, ", "))
	}
}

// restarted describes how often the delay of a read with at_most restarted.
func restarted(a *control.ExplainedAction) string {
	at := a.Latest.Local().Format(logTime)
	switch a.Restarts {
	case 0:
		return "at the latest at " + at
	case 1:
		return "its delay restarted once, at the latest until " + at
	}
	return fmt.Sprintf("its delay restarted %d times, at the latest until %s", a.Restarts, at)
}

func traced(id string) string {
	if id == "" {
		return ""
	}
	return " (trace " + id + ")"
}

// endedBy describes what ended an action.
func endedBy(a *control.ExplainedAction, end *control.ExplainedEnd) string {
	var text string
	switch {
	case a.Why == chat.WhyCoalesced:
		text = "in the call of another read of the chat"
	case end.Cause != "":
		text = end.Cause
	case end.By != "":
		text = "by " + end.By
	case end.Event == nil:
		text = "by another read of the same rule"
	case end.Place == "":
		return fmt.Sprintf("by %s %s", end.Event.Type, end.Event.ID)
	}
	if end.Place != "" {
		text += " at " + end.Place
	}
	if end.Event != nil {
		text += fmt.Sprintf(", on %s %s", end.Event.Type, end.Event.ID)
	}
	if end.Asked != "" {
		text += ": " + end.Asked
	}
	return text
}

package engine

import (
	"fmt"
	"strings"

	"chertd/engine/control"
	"chertd/engine/dispatch"
	"chertd/engine/event"
	"chertd/rules/chat"
)

// Limits of one line, so that lines take little memory whatever rules do.
const (
	tailedRules    = 20 // and as many actions
	tailedRequests = 5  // of a rule
	tailedWords    = 300
)

// eventLine returns the line of an event whose outcome is durable. It copies strings that
// may be parts of a whole delivery, so that the line does not keep that in memory.
func eventLine(h *Handled) *control.Tailed {
	ev, d := &h.Entry.Event, h.Decision
	line := &control.Tailed{
		Kind: control.TailEvent, At: d.At, Seq: h.Entry.Seq, Event: strings.Clone(ev.ID), Type: strings.Clone(ev.Type), Chat: strings.Clone(ev.ChatID()),
		Outcome: outcomeOf(h), Failed: d.Failed, Summary: eventSummary(h),
	}
	for i := range d.Rules[:min(len(d.Rules), tailedRules)] {
		r := &d.Rules[i]
		line.Rules = append(line.Rules, control.TailedRule{
			Pack: r.Pack, Version: short(r.Version), Rule: r.Rule, Place: r.Place,
			Asked: shortList(r.Asked), Refused: shortList(r.Refused), Skipped: r.Skipped, Error: shortWords(r.Error),
		})
	}
	for i := range h.Actions {
		if a := &h.Actions[i]; a.ID.Seq == h.Entry.Seq && len(line.Actions) < tailedRules {
			line.Actions = append(line.Actions, tailedAction(a))
		}
	}
	return line
}

// addText adds who sent a message, and its first letters.
func addText(line *control.Tailed, ev *event.Event) {
	line.From = strings.Clone(shortWords(ev.From))
	line.Text = strings.Clone(cutLetters(ev.Text, control.TailText))
}

// callLine returns the line of an attempt that failed.
func callLine(a *dispatch.Attempt) *control.Tailed {
	line := &control.Tailed{
		Kind: control.TailCall, At: a.Ended, Chat: strings.Clone(a.Call.Chat), Outcome: control.OutcomeFailed,
		Call: &control.TailedCall{
			Attempt: a.Call.Attempt, HTTP: a.Err.Status, Code: a.Err.Code, TraceID: a.Err.TraceID,
			TookUS: a.Ended.Sub(a.Began).Microseconds(), Error: shortWords(a.Err.Error()),
		},
	}
	for i := range a.Call.Actions[:min(len(a.Call.Actions), tailedRules)] {
		line.Actions = append(line.Actions, tailedAction(&a.Call.Actions[i]))
	}
	if len(a.Call.Actions) > 0 {
		line.Seq = a.Call.Actions[0].ID.Seq
		line.Summary = whose(&a.Call.Actions[0]) + ": "
	}
	short := *a.Err
	short.Call = "" // the line has the chat
	line.Summary += fmt.Sprintf("attempt %d: %s", a.Call.Attempt, firstLine(short.Error()))
	return line
}

// actionLine returns the line of an action that has ended.
func actionLine(a *chat.Action) *control.Tailed {
	line := &control.Tailed{
		Kind: control.TailAction, At: a.Ended, Seq: a.ID.Seq, Chat: strings.Clone(a.Chat), Outcome: outcomeOfAction(a),
		Summary: whose(a) + ": " + actionWords(a), Actions: []control.TailedAction{tailedAction(a)},
	}
	if a.Attempts > 0 {
		line.Call = &control.TailedCall{Attempt: a.Attempts, HTTP: a.HTTP, Code: a.Code, TraceID: a.TraceID, Error: shortWords(a.Error)}
		if !a.Called.IsZero() {
			line.Call.TookUS = a.Ended.Sub(a.Called).Microseconds()
		}
	}
	return line
}

func tailedAction(a *chat.Action) control.TailedAction {
	return control.TailedAction{
		ID: a.ID.String(), Kind: string(a.Kind), Pack: a.Pack, Version: short(a.Version), Rule: a.Rule, Place: a.Place,
		Status: string(a.Status), Why: a.Why, EndedBy: a.EndedBy.By, Due: a.Due,
	}
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return shortWords(s)
}

func shortWords(s string) string { return cutLetters(s, tailedWords) }

// cutLetters returns the first n letters of a string.
func cutLetters(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}

func shortList(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	short := make([]string, 0, min(len(list), tailedRequests+1))
	for i, s := range list {
		if i == tailedRequests {
			return append(short, fmt.Sprintf("and %d more", len(list)-i))
		}
		short = append(short, shortWords(s))
	}
	return short
}

// sizeOf returns about how many bytes of memory a line takes.
func sizeOf(line *control.Tailed) int {
	n := 400 + len(line.Event) + len(line.Type) + len(line.Chat) + len(line.Summary) + len(line.From) + len(line.Text)
	for i := range line.Rules {
		r := &line.Rules[i]
		n += 200 + len(r.Pack) + len(r.Rule) + len(r.Place) + len(r.Error)
		for _, list := range [][]string{r.Asked, r.Refused} {
			for _, s := range list {
				n += 16 + len(s)
			}
		}
	}
	for i := range line.Actions {
		a := &line.Actions[i]
		n += 250 + len(a.Pack) + len(a.Rule) + len(a.Place)
	}
	return n
}

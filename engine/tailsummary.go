package engine

import (
	"fmt"
	"path"
	"strings"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/luabind/diag"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// summarized is how many parts a summary has at most.
const summarized = 3

// outcomeOf returns what became of the chat of an event, in a word.
func outcomeOf(h *Handled) string {
	outcome, best := control.OutcomeNone, 0
	if h.Entry.Event.InboundMessage() {
		outcome = control.OutcomeNotRead
	}
	for i := range h.Actions {
		a := &h.Actions[i]
		if a.ID.Seq != h.Entry.Seq {
			continue
		}
		if rank := outcomeRank(a); rank > best {
			outcome, best = outcomeOfAction(a), rank
		}
	}
	return outcome
}

// outcomeRank orders the actions of an event by how much they say about its chat.
func outcomeRank(a *chat.Action) (rank int) {
	switch a.Status {
	case chat.Done:
		rank = 6
	case chat.Waiting, chat.Sent:
		rank = 5
	case chat.Blocked:
		rank = 4
	case chat.Dead:
		rank = 3
	case chat.Dropped:
		rank = 2
		if a.Why == chat.WhyAlreadyRead {
			rank = 6
		}
	case chat.Shadowed:
		rank = 1
	}
	if a.Kind == chat.Read {
		rank += 10
	}
	return rank
}

// outcomeOfAction returns the outcome of one action.
func outcomeOfAction(a *chat.Action) string {
	switch {
	case a.Kind != chat.Read:
		return string(a.Status)
	case a.Status == chat.Done, a.Why == chat.WhyAlreadyRead:
		return control.OutcomeRead
	case a.Status == chat.Dropped:
		return control.OutcomeNotRead
	case a.Status == chat.Sent:
		return string(chat.Waiting)
	}
	return string(a.Status)
}

// eventSummary says what rules did with an event, and what became of it since. Rules that
// failed come first: somebody must look at them.
func eventSummary(h *Handled) string {
	var failed, parts []string
	d := h.Decision
	for i := range d.Rules {
		r := &d.Rules[i]
		who := placed(r.Pack, r.Rule, r.Place)
		switch {
		case r.Error != "":
			failed = append(failed, who+" failed: "+firstLine(r.Error))
		case r.Skipped != "":
			parts = append(parts, who+" skipped: "+r.Skipped)
		case len(r.Asked) > 0:
			parts = append(parts, who+": "+strings.Join(shortList(r.Asked), ", ")+becameOf(h, r))
		}
	}
	if h.Entry.Forward != nil { // it has no rules, and perhaps actions
		for i := range h.Actions {
			if a := &h.Actions[i]; a.ID.Seq == h.Entry.Seq {
				parts = append(parts, whose(a)+": "+actionWords(a))
			}
		}
	}
	parts = append(failed, parts...)
	if len(parts) == 0 {
		parts = []string{quiet(d)}
	}
	text := strings.Join(parts[:min(len(parts), summarized)], "; ")
	if more := len(parts) - summarized; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	if h.Entry.Event.Type != event.MessageReceived {
		text = shortWords(h.Entry.Event.Type) + ": " + text
	}
	return text
}

// becameOf says how the actions of a rule on an event have ended: ": read in 41ms".
func becameOf(h *Handled, r *turn.RuleDecision) (text string) {
	for i := range h.Actions {
		a := &h.Actions[i]
		if a.ID.Seq != h.Entry.Seq || a.Pack != r.Pack || a.Rule != r.Rule || a.Version != r.Version {
			continue
		}
		switch a.Status {
		case chat.Waiting, chat.Sent, chat.Shadowed: // the outcome says it
		default:
			text += ": " + actionWords(a)
		}
	}
	return text
}

// quiet describes a decision in which no rule requested anything.
func quiet(d *turn.Decision) string {
	switch {
	case d.Note != "":
		return shortWords(d.Note)
	case len(d.Rules) == 0:
		return turn.NoRule
	}
	r := &d.Rules[0]
	text := placed(r.Pack, r.Rule, r.Place)
	if more := len(d.Rules) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text + " requested nothing"
}

// actionWords says how an action ended.
func actionWords(a *chat.Action) string {
	var b strings.Builder
	if a.Kind != chat.Read {
		b.WriteString(string(a.Kind) + " ")
	}
	if a.Why != "" {
		b.WriteString(a.Why)
	} else {
		b.WriteString(string(a.Status))
	}
	if a.EndedBy.By != "" {
		b.WriteString(" by " + a.EndedBy.By)
	}
	if a.EndedBy.Cause != "" {
		b.WriteString(" (" + a.EndedBy.Cause + ")")
	}
	if a.Status == chat.Done && !a.Called.IsZero() {
		fmt.Fprintf(&b, " in %s", diag.About(a.Ended.Sub(a.Called)))
	}
	if a.Error != "" && a.Status == chat.Dead {
		b.WriteString(", " + firstLine(a.Error))
	}
	return b.String()
}

// whose names the rule of an action.
func whose(a *chat.Action) string { return placed(a.Pack, a.Rule, a.Place) }

// placed names a rule and its place, without the folder of its pack. An operator's action
// has no pack.
func placed(pack, rule, place string) string {
	who := rule
	if pack != "" {
		who = chat.Key(pack, rule)
	}
	if rule == "" {
		who = pack
	}
	if place != "" {
		who += " (" + path.Base(place) + ")"
	}
	return who
}

func gapSummary(n int64) string {
	if n == 1 {
		return "1 line not shown: this reader was too slow"
	}
	return fmt.Sprintf("%d lines not shown: this reader was too slow", n)
}

package spec

import (
	"slices"
	"strings"

	"chertd/engine/event"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// RecordedOf returns an entry of the journal, what was decided on it (nil: it is not handled
// yet), and what became of its actions, as a recording has them. Reasons, logs and errors of
// rules are left out: they may repeat what people wrote.
func RecordedOf(e *turn.Entry, d *turn.Decision, actions []chat.Action, attempts []chat.Attempt) RecordedEvent {
	ev := &e.Event
	group, _ := chatOf(ev).IsGroup.Known()
	r := RecordedEvent{
		Seq: e.Seq, ID: ev.ID, Type: ev.Type, Source: ev.Source, At: ev.At, Received: e.Received, Cause: e.Cause,
		Line: ev.Line(), IsGroup: group, From: ev.From, Direction: ev.Direction(), Message: ev.MessageID(),
		Text: ev.Text, Pack: ev.Pack, Payload: string(ev.Payload), NoText: ev.Source != event.SourceEngine && ev.Raw == nil,
	}
	if ev.Signal() != "" {
		r.Payload = string(ev.Data)
	}
	if m := ev.Message; m != nil {
		r.Service, r.Parts = m.Service, m.Parts
	}
	if f := e.Forward; f != nil {
		r.Request = string(f.Request.Kind)
		if f.Known != "" {
			r.Request = "nothing"
		}
	}
	if d != nil {
		r.Handled = d.At
		for i := range d.Rules {
			switch rule := &d.Rules[i]; {
			case rule.Candidate: // it ran beside the version that decided
			case rule.Rule == "" && rule.Error != "":
				r.NotLive = append(r.NotLive, rule.Pack)
			default:
				r.Rules = append(r.Rules, recordedRule(rule))
			}
		}
	}
	for i := range actions {
		if a := &actions[i]; !byCandidate(d, a) {
			r.Actions = append(r.Actions, recordedAction(a, attempts))
		}
	}
	return r
}

// byCandidate reports whether a candidate requested an action, in shadow.
func byCandidate(d *turn.Decision, a *chat.Action) bool {
	return a.Status == chat.Shadowed && d != nil && slices.ContainsFunc(d.Rules, func(r turn.RuleDecision) bool {
		return r.Candidate && r.Pack == a.Pack && r.Version == a.Version
	})
}

func chatOf(ev *event.Event) event.Chat {
	if ev.Chat == nil {
		return event.Chat{}
	}
	return *ev.Chat
}

func recordedRule(d *turn.RuleDecision) RecordedRule {
	r := RecordedRule{Pack: d.Pack, Version: d.Version, Rule: d.Rule, Skipped: d.Skipped, Failed: d.Error != "", Shadow: d.Shadow}
	for _, a := range d.Asked {
		r.Asked = append(r.Asked, withoutReason(a))
	}
	for _, a := range d.Refused {
		r.Refused = append(r.Refused, withoutReason(a))
	}
	return r
}

// withoutReason returns a request in words up to its reason, which comes last in brackets.
func withoutReason(words string) string {
	before, _, _ := strings.Cut(words, " (")
	return strings.TrimSuffix(before, " [shadow]")
}

func recordedAction(a *chat.Action, attempts []chat.Attempt) RecordedAction {
	r := RecordedAction{
		ID: a.ID.String(), Kind: string(a.Kind), Pack: a.Pack, Rule: a.Rule, Status: string(a.Status), Why: a.Why, EndedBy: a.EndedBy.By,
		EndedSeq: a.EndedBy.Seq, Requested: a.Requested, Due: a.Due, Called: a.Called, Ended: a.Ended,
	}
	if a.Kind == chat.React {
		r.Target = a.Target
	}
	for i := range attempts {
		x := &attempts[i]
		if x.Action != a.ID {
			continue
		}
		failed := RecordedAttempt{At: x.At, HTTP: x.HTTP, Code: x.Code}
		if x.CallOf != x.Action {
			failed.CallOf = x.CallOf.String()
		}
		r.Failed = append(r.Failed, failed)
	}
	return r
}

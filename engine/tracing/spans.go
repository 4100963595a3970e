package tracing

import (
	"slices"
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"chertd/engine/event"
	"chertd/engine/event/handle"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Keys of spans within the trace of their event.
const (
	keyEvent  = "event"
	keyRules  = "rules"
	keyAction = "action/" // followed by the number of the action
)

// eventSpans returns the spans of an event that was handled: one of the event, and those of what it went through.
// journaled is when it was durable; zero: that is not known.
func (r *Recorder) eventSpans(e *turn.Entry, d *turn.Decision, journaled, now time.Time, outcome string) []span {
	ev := &e.Event
	// Strings of an event may be parts of a whole delivery, which a span must not keep in memory.
	root := newSpan(keyEvent, "", "event "+kindOf(ev), e.Received, now,
		text("chertd.event.id", shownID(ev)), text("chertd.event.type", kindOf(ev)), text("chertd.event.source", ev.Source),
		text("chertd.event.direction", strings.Clone(ev.Direction())), number("chertd.event.seq", e.Seq), text("chertd.outcome", outcome),
		text("chert.trace_id", ev.TraceID()))
	if ev.Source != event.SourceEngine {
		root.Kind = tracepb.Span_SPAN_KIND_CONSUMER
	}
	if d.Failed {
		root.fail("a rule failed, or its pack is suspended")
	}
	if e.Cause != 0 {
		root.links = append(root.links, e.Cause)
	}
	began := notBefore(d.At, e.Received) // of its rules
	decided := began.Add(d.Took)
	all := []span{root}
	queued := e.Received
	if !journaled.IsZero() {
		queued = earlier(journaled, began)
		all = append(all, newSpan("journal", keyEvent, "journal", e.Received, queued))
	}
	all = append(all, newSpan("queue", keyEvent, "queue", queued, began))
	if len(d.Rules) > 0 {
		all = append(all, rulesSpans(keyRules, d.Rules, began, decided)...)
	}
	return append(all, newSpan("commit", keyEvent, "commit", earlier(decided, now), now))
}

// rulesSpans returns the span of the rules that ran from began to ended, and one for each of them. A
// rule has the part of the time that it has of the VM steps: only their sum is measured.
func rulesSpans(key string, rules []turn.RuleDecision, began, ended time.Time) []span {
	var steps int64
	for i := range rules {
		steps += rules[i].Steps
	}
	all := []span{newSpan(key, keyEvent, "rules", began, ended)}
	at, took := began, ended.Sub(began)
	for i := range rules {
		d := &rules[i]
		until := at
		if steps > 0 {
			until = at.Add(time.Duration(float64(took) * float64(d.Steps) / float64(steps)))
		}
		outcome := "ok"
		switch {
		case d.Error != "":
			outcome = "failed"
		case d.Skipped != "":
			outcome = strings.ReplaceAll(d.Skipped, " ", "_")
		}
		s := newSpan(key+"/"+itoa(i), key, "rule "+chat.Key(d.Pack, d.Rule), at, until,
			text("chertd.pack", d.Pack), text("chertd.pack.version", d.Version), text("chertd.rule", d.Rule), text("chertd.rule.place", d.Place),
			text("chertd.rule.mode", modeOf(d)), text("chertd.rule.outcome", outcome),
			number("chertd.rule.requests", int64(len(d.Asked))), number("chertd.rule.steps", d.Steps))
		if d.Error != "" {
			s.fail("the rule failed: chertd explain shows the error")
		}
		all, at = append(all, s), until
	}
	return all
}

// rerunSpans returns the spans of packs that ran again on an event that they had missed.
func rerunSpans(d *turn.Decision, now time.Time) []span {
	var last time.Time
	for i := range d.Rules {
		last = notBefore(d.Rules[i].Rerun, last)
	}
	var ran []turn.RuleDecision
	for i := range d.Rules {
		if !last.IsZero() && d.Rules[i].Rerun.Equal(last) {
			ran = append(ran, d.Rules[i])
		}
	}
	if len(ran) == 0 {
		return nil
	}
	all := rulesSpans("rerun/"+itoa(int(last.UnixMilli())), ran, last, notBefore(now, last))
	all[0].Name = "rules, again"
	return all
}

// actionSpans returns the span of an action that has ended, and of its delay if it had one.
func actionSpans(a *chat.Action) []span {
	key := keyAction + itoa(a.ID.N)
	s := newSpan(key, keyEvent, string(a.Kind), a.Requested, a.Ended,
		text("chertd.action.id", a.ID.String()), text("chertd.action.kind", string(a.Kind)), text("chertd.action.status", string(a.Status)),
		text("chertd.action.why", a.Why), text("chertd.action.ended_by", a.EndedBy.By),
		text("chertd.pack", a.Pack), text("chertd.pack.version", a.Version), text("chertd.rule", a.Rule), text("chertd.rule.place", a.Place),
		number("chertd.action.attempts", int64(a.Attempts)), text("chert.trace_id", a.TraceID))
	if a.Status == chat.Dead {
		s.fail(a.Why)
	}
	if by := a.EndedBy.Seq; by != 0 && by != a.ID.Seq {
		s.links = append(s.links, by)
	}
	all := []span{s}
	if a.Due.After(a.Requested) && a.Ended.After(a.Requested) {
		all = append(all, newSpan("delay/"+itoa(a.ID.N), key, "delay", a.Requested, earlier(a.Due, a.Ended)))
	}
	return all
}

// shownID returns the id of an event; "": it has a name that a rule or another program chose, which
// may be of a person, or it names the chat, as those of some requests for other chats do.
func shownID(ev *event.Event) string {
	if ev.Timer() != "" || ev.Source == event.SourceSignal || handle.Mask(ev.ID) != ev.ID {
		return ""
	}
	if id := ev.ChatID(); id != "" && strings.Contains(ev.ID, id) {
		return ""
	}
	return strings.Clone(ev.ID)
}

// kindOf returns the type of an event without the name that a rule or another program chose.
func kindOf(ev *event.Event) string {
	switch {
	case ev.Timer() != "":
		return "timer"
	case ev.Source == event.SourceSignal:
		return "signal"
	}
	return handle.Mask(strings.Clone(ev.Type))
}

// modeOf returns how a rule ran: live, shadow or candidate.
func modeOf(d *turn.RuleDecision) string {
	switch {
	case d.Candidate:
		return "candidate"
	case d.Shadow:
		return "shadow"
	}
	return "live"
}

func newSpan(key, parent, name string, began, ended time.Time, attributes ...*commonpb.KeyValue) span {
	s := span{key: key, parent: parent, Span: &tracepb.Span{
		Name: valid(name), Kind: tracepb.Span_SPAN_KIND_INTERNAL,
		StartTimeUnixNano: nanos(began), EndTimeUnixNano: nanos(notBefore(ended, began)),
	}}
	s.Attributes = slices.DeleteFunc(attributes, func(a *commonpb.KeyValue) bool { return a == nil })
	return s
}

// fail marks a span as failed. why has no texts of messages.
func (s *span) fail(why string) {
	s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: valid(why)}
}

// textAttribute and numberAttribute are the parts of an attribute, which are allocated together: a
// sampled event has some fifty.
type (
	textAttribute struct {
		pair  commonpb.KeyValue
		value commonpb.AnyValue
		text  commonpb.AnyValue_StringValue
	}
	numberAttribute struct {
		pair   commonpb.KeyValue
		value  commonpb.AnyValue
		number commonpb.AnyValue_IntValue
	}
)

// text returns an attribute; nil: it is empty.
func text(key, value string) *commonpb.KeyValue {
	if value == "" {
		return nil
	}
	a := new(textAttribute)
	a.text.StringValue = valid(value)
	a.value.Value = &a.text
	a.pair.Key, a.pair.Value = key, &a.value
	return &a.pair
}

func number(key string, value int64) *commonpb.KeyValue {
	a := new(numberAttribute)
	a.number.IntValue = value
	a.value.Value = &a.number
	a.pair.Key, a.pair.Value = key, &a.value
	return &a.pair
}

// valid returns a string that a message of protobuf may have.
func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

func nanos(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func notBefore(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

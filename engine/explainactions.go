package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// actions explains what became of an event's actions.
func (x *explainer) actions(ctx context.Context, r *store.Record, e *control.ExplainedEvent) error {
	var failed []chat.ActionID
	for i := range r.Actions {
		if a := &r.Actions[i]; a.Attempts > 0 && x.wants(a.Pack, a.Rule) {
			failed = append(failed, a.ID)
		}
	}
	attempts := map[string][]control.DeadAttempt{}
	if len(failed) > 0 {
		all, err := x.m.store.Attempts(ctx, failed)
		if err != nil {
			return err
		}
		for i := range all {
			id := all[i].Action.String()
			attempts[id] = append(attempts[id], attemptShown(&all[i]))
		}
	}
	for i := range r.Actions {
		a := &r.Actions[i]
		if !x.wants(a.Pack, a.Rule) {
			continue
		}
		out := control.ExplainedAction{
			ID: a.ID.String(), Kind: string(a.Kind), Chat: a.Chat, Pack: a.Pack, Rule: a.Rule, Version: a.Version, Place: a.Place, Reason: a.Reason,
			Status: string(a.Status), Why: a.Why, Requested: a.Requested, Due: a.Due, Latest: a.Latest, Restarts: a.Restarts, Revived: a.Revived, Called: a.Called, Ended: a.Ended,
			Attempts: a.Attempts, HTTP: a.HTTP, Code: a.Code, TraceID: a.TraceID, Error: a.Error, FailedAttempts: attempts[a.ID.String()],
		}
		var err error
		if out.EndedBy, err = x.ender(ctx, a); err != nil {
			return err
		}
		if out.Postponed, err = x.postponed(ctx, a); err != nil {
			return err
		}
		if out.InFlight = x.inFlight(a); out.InFlight {
			out.Called = x.flight.HandedOut
		} else if a.Status == chat.Waiting {
			if out.WaitsFor, err = x.waitsFor(ctx, a, e); err != nil {
				return err
			}
		}
		e.Actions = append(e.Actions, out)
	}
	return nil
}

// inFlight reports whether a call that serves an action is in flight. The chat in memory may still have
// the call for a moment when the store has its answer.
func (x *explainer) inFlight(a *chat.Action) bool {
	return x.flight != nil && a.Status != chat.Done && a.Status != chat.Dead && x.flight.Kind == a.Kind && slices.ContainsFunc(x.flight.Actions, func(b chat.Action) bool { return b.ID == a.ID })
}

// unanswered reports whether an action ended although a call for it had no answer.
func unanswered(a *chat.Action) bool {
	return a.Status == chat.Dropped && a.Attempts > 0 && a.HTTP == 0 && a.Error != ""
}

// ender returns what ended an action; nil: nothing but its Why.
func (x *explainer) ender(ctx context.Context, a *chat.Action) (*control.ExplainedEnd, error) {
	end := &control.ExplainedEnd{By: a.EndedBy.By, Cause: causeOf(a)}
	if a.Status == chat.Dropped && a.Why == chat.WhyLimit && a.EndedBy.Cause == "" {
		if candidate, err := x.ofCandidate(ctx, a); err != nil {
			return nil, err
		} else if candidate {
			end.Cause = fmt.Sprintf("limits.reads of version %s of pack %s, a candidate then", rules.ShortOf(a.Version), a.Pack)
		}
	}
	if *end == (control.ExplainedEnd{}) && a.EndedBy.Seq == 0 {
		return nil, nil
	}
	if hold, ok := x.m.eng.held.byName(a.EndedBy.By); ok {
		end.Asked = holdWords(&hold)
	}
	if a.EndedBy.Seq == 0 {
		return end, nil
	}
	r, err := x.record(ctx, a.EndedBy.Seq)
	if r == nil || err != nil {
		return end, err
	}
	if a.EndedBy.Seq != a.ID.Seq {
		end.Event = &control.EventName{Seq: r.Seq, ID: r.Event.ID, Type: r.Event.Type, Chat: r.Event.ChatID(), At: r.Received}
	}
	by, err := x.requestedBy(ctx, r)
	if err != nil {
		return end, err
	}
	if by != nil { // by a rule that ran on an event of another chat
		end.By, end.Place, end.Asked, end.Event = cmp.Or(end.By, by.By), by.Place, by.Asked, by.Event
		return end, nil
	}
	if r.Decision == nil {
		return end, nil
	}
	for i := range r.Decision.Rules {
		d := &r.Decision.Rules[i]
		if a.Why == chat.WhyBlocked && d.Failed() {
			end.By, end.Place = chat.Key(d.Pack, d.Rule), d.Place
			break
		}
		asked := slices.IndexFunc(d.Asked, func(words string) bool { return endsWith(words, a.Why) })
		if asked < 0 || d.Shadow || end.By != "" && end.By != chat.Key(d.Pack, d.Rule) {
			continue
		}
		end.By, end.Place, end.Asked = chat.Key(d.Pack, d.Rule), d.Place, d.Asked[asked]
		break
	}
	return end, nil
}

// ofCandidate reports whether an action is of a candidate that was live as part of its share.
func (x *explainer) ofCandidate(ctx context.Context, a *chat.Action) (bool, error) {
	r, err := x.record(ctx, a.ID.Seq)
	if r == nil || r.Decision == nil || err != nil {
		return false, err
	}
	return slices.ContainsFunc(r.Decision.Rules, func(d turn.RuleDecision) bool {
		return d.CandidateLive && d.Pack == a.Pack && d.Version == a.Version && d.Rule == a.Rule
	}), nil
}

// causeOf says which command or edit ended an action; "": none did, or it is not known.
func causeOf(a *chat.Action) string {
	switch {
	case a.EndedBy.Cause != "":
		return a.EndedBy.Cause
	case a.Status != chat.Dropped:
		return ""
	case a.Why == chat.WhyForgotten:
		return "chertd forget, by command"
	case a.Why == chat.WhyDiscarded:
		return "chertd dead drop, by command"
	case a.Why == chat.WhyLimit:
		return "limits.reads of pack " + a.Pack
	}
	return ""
}

// endsWith reports whether a request, in words, is one by which actions end for a reason.
func endsWith(words, why string) bool {
	kind, _, _ := strings.Cut(words, " ")
	switch why {
	case chat.WhyVetoed, chat.WhyTooLate:
		return kind == "keep_unread" || kind == "hold"
	case chat.WhyHeld:
		return kind == "hold"
	case chat.WhyCancelled:
		return kind == "cancel_read"
	}
	return false
}

// waitsFor returns what an action waits for, in words, and notes in e why no calls are made.
func (x *explainer) waitsFor(ctx context.Context, a *chat.Action, e *control.ExplainedEvent) (string, error) {
	at := -1
	if x.chat != nil && x.chat.ID == a.Chat {
		at = slices.IndexFunc(x.chat.Waiting, func(w chat.Action) bool { return w.ID == a.ID })
	}
	if at < 0 {
		return "", nil // it has ended meanwhile, or belongs to another chat
	}
	if x.flight != nil && x.flight.Kind == chat.Question && slices.ContainsFunc(x.flight.Actions, func(b chat.Action) bool { return b.ID == a.ID }) {
		return "Chert is asked which message of the chat is the newest, for only_if", nil
	}
	c := *x.chat
	c.Flight = nil // the caller has shown it
	w := x.calls().of(&c, at)
	if !w.due() || w.For == waitTarget {
		return w.words(a, nil), nil
	}
	if err := x.askCalls(ctx); err != nil {
		return "", err
	}
	e.Waits = x.noCalls
	line := x.chat.Line
	if i := slices.IndexFunc(x.lines, func(l control.LineStop) bool { return l.Line == line }); i >= 0 {
		e.Waits = append(slices.Clip(e.Waits), lineStopWords(&x.lines[i]))
	}
	return w.words(a, e.Waits), nil
}

// calls returns what keeps due calls waiting.
func (x *explainer) calls() *callsState {
	if x.state == nil {
		x.state = x.m.eng.callsState()
		x.state.at = x.now
	}
	return x.state
}

// askCalls finds out why no calls are made.
func (x *explainer) askCalls(ctx context.Context) error {
	if x.asked {
		return nil
	}
	s, err := x.m.Status(ctx)
	if err == nil {
		x.asked, x.noCalls, x.lines = true, s.NoCalls, s.Calls.Lines
	}
	return err
}

package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/store"
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
			Status: string(a.Status), Why: a.Why, Requested: a.Requested, Due: a.Due, Revived: a.Revived, Called: a.Called, Ended: a.Ended,
			Attempts: a.Attempts, HTTP: a.HTTP, Code: a.Code, TraceID: a.TraceID, Error: a.Error, FailedAttempts: attempts[a.ID.String()],
		}
		var err error
		if out.EndedBy, err = x.ender(ctx, a); err != nil {
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

// inFlight reports whether a call that serves an action is in flight.
func (x *explainer) inFlight(a *chat.Action) bool {
	return x.flight != nil && slices.ContainsFunc(x.flight.Actions, func(b chat.Action) bool { return b.ID == a.ID })
}

// unanswered reports whether an action ended although a call for it had no answer.
func unanswered(a *chat.Action) bool {
	return a.Status == chat.Dropped && a.Attempts > 0 && a.HTTP == 0 && a.Error != ""
}

// ender returns what ended an action; nil: nothing but its Why.
func (x *explainer) ender(ctx context.Context, a *chat.Action) (*control.ExplainedEnd, error) {
	if a.EndedBy == (chat.Ender{}) {
		return nil, nil
	}
	end := &control.ExplainedEnd{By: a.EndedBy.By}
	if a.EndedBy.Seq == 0 {
		return end, nil
	}
	r, err := x.record(ctx, a.EndedBy.Seq)
	if r == nil || err != nil {
		return end, err
	}
	if a.EndedBy.Seq != a.ID.Seq {
		end.Event = &control.EventName{Seq: r.Seq, ID: r.Event.ID, Type: r.Event.Type, At: r.Received}
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
	w := x.chat.Waits(at, x.now)
	until := w.Until.UTC().Format(time.RFC3339)
	switch w.For {
	case chat.WaitDelay:
		return "its delay ends at " + until, nil
	case chat.WaitPostponed:
		return fmt.Sprintf("%s has postponed it until %s", w.By, until), nil
	case chat.WaitRetry:
		return fmt.Sprintf("attempt %d follows at %s", a.Attempts+1, until), nil
	case chat.WaitLimit:
		return "its pack has made all the read calls that limits.reads allows, until " + until, nil
	case chat.WaitNewer:
		return "a read that covers the newest message must go first, and none is requested yet", nil
	case chat.WaitOrder:
		return "action " + w.After.String() + " must go first", nil
	case chat.WaitTimer:
		return "a timer of the chat is due, and its rule runs first", nil
	}
	if err := x.askCalls(ctx); err != nil {
		return "", err
	}
	e.Waits = x.noCalls
	line := x.chat.Line
	if i := slices.IndexFunc(x.lines, func(l control.LineStop) bool { return l.Line == line }); i >= 0 {
		l := &x.lines[i]
		e.Waits = append(slices.Clip(e.Waits), fmt.Sprintf("calls of line %s have stopped since %s: %s", cmp.Or(line, "(unknown)"), l.Since.UTC().Format(time.RFC3339), l.Error))
	}
	if len(e.Waits) > 0 {
		return "it is due, and calls wait", nil
	}
	return "it is due, and waits for its turn within the rate", nil
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

// Outcomes of an event, for people: see control.ExplainedEvent.
const (
	outcomeRead    = "read"
	outcomeWaiting = "waiting"
	outcomeNotRead = "not_read"
	outcomePending = "pending"
	outcomeNone    = "none"

	outcomeInFlight = "in_flight"
	outcomeUnknown  = "unknown"
)

// conclude says what became of the event's chat, in a word and in a sentence.
func (x *explainer) conclude(ctx context.Context, r *store.Record, e *control.ExplainedEvent) error {
	if r.Decision == nil {
		e.Outcome, e.Summary = outcomePending, "the event is not handled yet"
		if r.Seq == 0 {
			e.Summary = fmt.Sprintf("accepted at %s, and waits until older events are read from the events log (sources.catchup.wait at most)", r.Received.UTC().Format(stamp))
		}
		return nil
	}
	read := chosenRead(r.Actions)
	switch {
	case read == nil && requestsElsewhere(r.Decision):
		e.Outcome, e.Summary = outcomeNone, "its rules requested actions for other chats: explain those chats"
		return nil
	case read != nil && x.inFlight(read):
		e.Outcome, e.Summary = outcomeInFlight, fmt.Sprintf("a call for %s at %s is on its way since %s", read.RuleKey(), read.Place, x.flight.HandedOut.UTC().Format(stamp))
		if read.Status != chat.Waiting {
			e.Summary += "; it can't be recalled, although the read was dropped since: " + read.Why
		}
		return nil
	case read != nil && unanswered(read):
		e.Outcome = outcomeUnknown
		e.Summary = fmt.Sprintf("a call for %s at %s had no answer, so Chert may have marked the chat as read; then the read was dropped: %s", read.RuleKey(), read.Place, read.Why)
	case read != nil && read.Why == chat.WhyAlreadyRead:
		e.Outcome, e.Summary = outcomeRead, fmt.Sprintf("the chat was read already when the read of %s at %s was due", read.RuleKey(), read.Place)
		return nil
	case read == nil && !r.Event.InboundMessage():
		e.Outcome, e.Summary = outcomeNone, "no rule requested a read for it"
	case read == nil && len(r.Decision.Rules) == 0:
		e.Outcome, e.Summary = outcomeNotRead, "no rule matched it"
	case read == nil && r.Decision.Failed:
		e.Outcome, e.Summary = outcomeNotRead, "a rule failed or was suspended, and no other requested a read"
	case read == nil:
		e.Outcome, e.Summary = outcomeNotRead, "no rule requested a read"
	case read.Status == chat.Done:
		e.Outcome = outcomeRead
		e.Summary = fmt.Sprintf("marked as read at %s, for %s at %s", read.Ended.UTC().Format(stamp), read.RuleKey(), read.Place)
		if read.Why == chat.WhyTooLate {
			end, err := x.ender(ctx, read)
			if err != nil {
				return err
			}
			if end != nil && end.By != "" {
				e.Summary += "; " + end.By + " vetoed it too late"
			} else {
				e.Summary += "; it was dropped while the call was on its way, too late"
			}
		}
		return nil
	case read.Status == chat.Waiting:
		e.Outcome, e.Summary = outcomeWaiting, fmt.Sprintf("%s at %s requested a read, which waits", read.RuleKey(), read.Place)
		return nil
	case read.Status == chat.Shadowed:
		e.Outcome, e.Summary = string(chat.Shadowed), fmt.Sprintf("%s at %s would have requested a read, in shadow", read.RuleKey(), read.Place)
	default:
		e.Outcome = map[chat.Status]string{chat.Blocked: string(chat.Blocked), chat.Dead: string(chat.Dead)}[read.Status]
		e.Outcome = cmp.Or(e.Outcome, outcomeNotRead)
		end, err := x.ender(ctx, read)
		if err != nil {
			return err
		}
		e.Summary = fmt.Sprintf("%s at %s requested a read: %s", read.RuleKey(), read.Place, endWords(read, end))
	}
	return x.readLater(ctx, r, e)
}

// requestsElsewhere reports whether rules requested anything, all of it for other chats.
func requestsElsewhere(d *turn.Decision) bool {
	for i := range d.Rules {
		for _, words := range d.Rules[i].Asked {
			if strings.Contains(words, " chat ") {
				return true
			}
		}
	}
	return false
}

// stamp is a time in a sentence.
const stamp = "2006-01-02 15:04:05Z"

// endWords returns why a read was not carried out. end is what ended it; nil: nothing but its
// Why.
func endWords(a *chat.Action, end *control.ExplainedEnd) string {
	text := a.Why
	if end == nil {
		if a.Error != "" {
			text += ", " + a.Error
		}
		return text
	}
	if end.By != "" {
		text += " by " + end.By
	}
	if end.Place != "" {
		text += " at " + end.Place
	}
	if end.Event != nil {
		text += fmt.Sprintf(", on %s %s", end.Event.Type, end.Event.ID)
	}
	return text
}

// chosenRead returns the read of an event that says most about what became of its chat; nil:
// none was requested.
func chosenRead(all []chat.Action) *chat.Action {
	rank := map[chat.Status]int{chat.Done: 6, chat.Waiting: 5, chat.Blocked: 4, chat.Dead: 3, chat.Dropped: 2, chat.Shadowed: 1}
	best := -1
	for i := range all {
		if all[i].Kind == chat.Read && (best < 0 || rank[all[i].Status] > rank[all[best].Status]) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	return &all[best]
}

// laterEvents is how many newer events of a chat are looked through for a read that covers
// an older message.
const laterEvents = 500

// sentBefore adds to the summary of a message that came late that a call was made after it was
// sent: Chert marks all messages of a chat that it has.
func (x *explainer) sentBefore(ctx context.Context, r *store.Record, e *control.ExplainedEvent) error {
	if r.Event.At.IsZero() || r.Received.Sub(r.Event.At) < time.Second {
		return nil
	}
	older, err := x.m.store.Events(ctx, x.chat.ID, r.Seq, olderEvents)
	if err != nil {
		return err
	}
	for i := range older {
		for j := range older[i].Actions {
			if a := &older[i].Actions[j]; a.Kind == chat.Read && a.Status == chat.Done && a.Called.After(r.Event.At) {
				e.Outcome = outcomeUnknown
				e.Summary = fmt.Sprintf("it was sent before the call of %s (event %s), which has probably marked it as read; for this event itself: %s",
					a.Called.UTC().Format(stamp), older[i].Event.ID, e.Summary)
				return nil
			}
		}
	}
	return nil
}

// olderEvents is how many events before one that came late are looked through for a call.
const olderEvents = 20

// readLater changes the conclusion about a message that the call for a later event has
// marked as read: it reads the whole chat.
func (x *explainer) readLater(ctx context.Context, r *store.Record, e *control.ExplainedEvent) error {
	if x.chat == nil || !r.Event.Inbound() || r.Event.Source == event.SourceEngine {
		return nil
	}
	if x.chat.ReadThrough < r.Seq {
		return x.sentBefore(ctx, r, e)
	}
	newer, err := x.m.store.Events(ctx, x.chat.ID, 0, laterEvents)
	if err != nil {
		return err
	}
	later := "a later call has marked the chat as read"
	for _, n := range slices.Backward(newer) {
		if n.Seq <= r.Seq {
			continue
		}
		if a := chosenRead(n.Actions); a != nil && a.Status == chat.Done {
			later = fmt.Sprintf("marked as read later, at %s, for %s at %s on event %s", a.Ended.UTC().Format(stamp), a.RuleKey(), a.Place, n.Event.ID)
			break
		}
	}
	e.Outcome, e.Summary = outcomeRead, later+"; for this event itself: "+e.Summary
	return nil
}

package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// conclude says what became of the event's chat, in a word and in a sentence.
func (x *explainer) conclude(ctx context.Context, r *store.Record, e *control.ExplainedEvent) error {
	if r.Decision == nil {
		e.Outcome, e.Summary = control.OutcomePending, "the event is not handled yet"
		if r.Seq == 0 {
			e.Summary = fmt.Sprintf("accepted at %s, and waits until older events are read from the events log (sources.catchup.wait at most)", r.Received.UTC().Format(stamp))
		}
		return nil
	}
	read := chosenRead(r.Actions)
	switch {
	case read == nil && len(e.Elsewhere) > 0:
		e.Outcome, e.Summary = control.OutcomeNone, "no rule requested a read of this chat; "+elsewhereWords(e)
		if r.Event.InboundMessage() {
			e.Outcome = control.OutcomeNotRead
		}
	case read != nil && x.inFlight(read):
		e.Outcome, e.Summary = control.OutcomeInFlight, fmt.Sprintf("a call for %s is on its way since %s", requesterOf(read), x.flight.HandedOut.UTC().Format(stamp))
		if read.Status != chat.Waiting {
			e.Summary += "; it can't be recalled, although the read was dropped since: " + read.Why
		}
		return nil
	case read != nil && unanswered(read):
		e.Outcome = control.OutcomeUnknown
		e.Summary = fmt.Sprintf("a call for %s had no answer, so Chert may have marked the chat as read; then the read was dropped: %s", requesterOf(read), read.Why)
	case read != nil && read.Why == chat.WhyAlreadyRead:
		e.Outcome, e.Summary = control.OutcomeRead, fmt.Sprintf("the chat was read already when the read of %s was due", requesterOf(read))
		return nil
	case read == nil && !r.Event.InboundMessage():
		e.Outcome, e.Summary = control.OutcomeNone, "no rule requested a read for it"
	case read == nil && len(r.Decision.Rules) == 0:
		e.Outcome, e.Summary = control.OutcomeNotRead, "no rule matched it"
	case read == nil && r.Decision.Failed:
		e.Outcome, e.Summary = control.OutcomeNotRead, failedWords(r.Decision)+", and no other rule requested a read"
	case read == nil:
		e.Outcome, e.Summary = control.OutcomeNotRead, "no rule requested a read"+skippedWords(r.Decision)
	case read.Status == chat.Done:
		e.Outcome = control.OutcomeRead
		e.Summary = fmt.Sprintf("marked as read at %s, for %s", read.Ended.UTC().Format(stamp), requesterOf(read))
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
		e.Outcome, e.Summary = string(chat.Waiting), fmt.Sprintf("%s requested a read, which waits", requesterOf(read))
		return nil
	case read.Status == chat.Shadowed:
		e.Outcome, e.Summary = string(chat.Shadowed), fmt.Sprintf("%s would have requested a read, in shadow", requesterOf(read))
	default:
		e.Outcome = outcomeOfAction(read)
		end, err := x.ender(ctx, read)
		if err != nil {
			return err
		}
		e.Summary = fmt.Sprintf("%s requested a read: %s", requesterOf(read), endWords(read, end))
	}
	return x.readLater(ctx, r, e)
}

// requesterOf names what requested an action: a rule and its place, or a command.
func requesterOf(a *chat.Action) string {
	batch, applied := a.Batch()
	switch {
	case applied:
		return fmt.Sprintf("chertd apply (batch %s, rule at %s)", batch, a.Place)
	case a.Pack == "":
		return a.Place // "chertd read"
	}
	return a.RuleKey() + " at " + a.Place
}

// failedWords names the first rule that failed on an event or was suspended.
func failedWords(d *turn.Decision) string {
	for i := range d.Rules {
		switch r := &d.Rules[i]; {
		case !r.Failed() || r.Candidate:
		case r.Error != "":
			return fmt.Sprintf("%s at %s failed", chat.Key(r.Pack, r.Rule), r.Place)
		default:
			return fmt.Sprintf("%s at %s was suspended", chat.Key(r.Pack, r.Rule), r.Place)
		}
	}
	return "a rule failed or was suspended"
}

// skippedWords names the first rule that matched an event and did not run; "": all ran.
func skippedWords(d *turn.Decision) string {
	for i := range d.Rules {
		if r := &d.Rules[i]; r.Skipped != "" && !r.Candidate {
			text := fmt.Sprintf("; %s at %s matched, and did not run: %s", chat.Key(r.Pack, r.Rule), r.Place, r.Skipped)
			if r.Note != "" {
				text += " (" + r.Note + ")"
			}
			return text
		}
	}
	return ""
}

// stamp is a time in a sentence.
const stamp = "2006-01-02 15:04:05Z"

// endWords returns why an action was not carried out. end is what ended it; nil: nothing but its
// Why.
func endWords(a *chat.Action, end *control.ExplainedEnd) string {
	text := a.Why
	if end == nil {
		if a.Error != "" {
			text += ", " + a.Error
		}
		return text
	}
	if end.Cause != "" {
		text += ": " + end.Cause
	}
	if end.By != "" {
		text += " by " + end.By
	}
	if end.Place != "" {
		text += " at " + end.Place
	}
	switch {
	case end.Event == nil:
	case end.By == "" && end.Cause == "":
		text += fmt.Sprintf(" by %s %s", end.Event.Type, end.Event.ID)
	default:
		text += fmt.Sprintf(", on %s %s", end.Event.Type, end.Event.ID)
	}
	if _, ok := chat.ParseHoldName(end.By); ok && end.Asked != "" {
		text += ": " + end.Asked
	}
	return text
}

// chosenRead returns the read of an event that says most about what became of its chat; nil:
// none was requested.
func chosenRead(all []chat.Action) *chat.Action {
	best := -1
	for i := range all {
		if all[i].Kind == chat.Read && (best < 0 || outcomeRank(&all[i]) > outcomeRank(&all[best])) {
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
				e.Outcome = control.OutcomeUnknown
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
			later = fmt.Sprintf("marked as read later, at %s, for %s on event %s", a.Ended.UTC().Format(stamp), requesterOf(a), n.Event.ID)
			break
		}
	}
	e.Outcome, e.Summary = control.OutcomeRead, later+"; for this event itself: "+e.Summary
	return nil
}

package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

const (
	// eventElsewhere is how many requests of one event for other chats are explained, and
	// mostElsewhere of one answer: each takes some reads.
	eventElsewhere = 20
	mostElsewhere  = 200
)

// requestedBy returns who requested what an entry carries from another chat.
func (x *explainer) requestedBy(ctx context.Context, r *store.Record) (*control.ExplainedRequester, error) {
	f := r.Forward
	if f == nil || f.Known != "" {
		return nil, nil
	}
	if f.Request.Pack == "" {
		return &control.ExplainedRequester{By: "operator", Asked: askedHere(r)}, nil
	}
	cause, err := x.eventName(ctx, r.Cause)
	return &control.ExplainedRequester{By: chat.Key(f.Request.Pack, f.Request.Rule), Place: f.Request.Place, Asked: askedHere(r), Event: cause}, err
}

// askedHere returns the request that an entry carries, in words.
func askedHere(r *store.Record) string {
	w := rules.Request{Chat: r.Event.ChatID(), Request: r.Forward.Request}
	return w.Words(r.Event.ChatID(), r.Received)
}

// elsewhere explains what became of the requests of an event for other chats.
func (x *explainer) elsewhere(ctx context.Context, r *store.Record, e *control.ExplainedEvent) error {
	if r.Decision == nil {
		return nil
	}
	for i := range r.Decision.Rules {
		d := &r.Decision.Rules[i]
		if d.Candidate || !x.wants(d.Pack, d.Rule) {
			continue // requests of a candidate are not carried anywhere
		}
		for n, words := range d.Asked {
			other, ok := forOtherChat(words)
			if !ok {
				continue
			}
			if e.ElsewhereTotal++; len(e.Elsewhere) >= eventElsewhere || x.elsewheres >= mostElsewhere {
				continue
			}
			x.elsewheres++
			out := control.ExplainedElsewhere{By: chat.Key(d.Pack, d.Rule), Place: d.Place, Asked: words, Chat: other}
			if err := x.became(ctx, turn.ForwardID(r.Seq, d, n), &out); err != nil {
				return err
			}
			e.Elsewhere = append(e.Elsewhere, out)
		}
	}
	return nil
}

// became explains what became of a request in the other chat, by the id of the event that
// carries it there.
func (x *explainer) became(ctx context.Context, id string, out *control.ExplainedElsewhere) error {
	there, ok, err := x.m.store.Event(ctx, id)
	if err != nil {
		return err
	}
	if !ok || there.Forward == nil {
		out.Outcome, out.Summary = control.OutcomeUnknown, "the event that carried it there is not kept any more"
		return nil
	}
	out.Chat = there.Event.ChatID()
	y := explainer{m: x.m, now: x.now, events: x.events, packs: x.packs, assumed: x.assumed}
	if err := y.readChat(ctx, out.Chat); err != nil {
		return err
	}
	e, err := y.event(ctx, &there, false)
	if err != nil {
		return err
	}
	out.Event = &control.EventName{Seq: there.Seq, ID: there.Event.ID, Type: there.Event.Type, Chat: out.Chat, At: there.Received}
	out.Outcome, out.Summary = e.Outcome, e.Summary
	switch {
	case len(e.Actions) > 0 && there.Actions[0].Kind != chat.Read:
		return y.carriedOut(ctx, &there.Actions[0], &e.Actions[0], out)
	case len(e.Actions) == 0 && there.Decision != nil:
		out.Summary = e.Note // a veto, a hold, a timer: it leaves no action
		if w := &there.Forward.Request; w.KeepsUnread() && w.Kind != chat.RequestPostpone && !w.Shadow {
			n, more, err := y.endedBy(ctx, there.Seq)
			if err != nil {
				return err
			}
			out.Dropped, out.Summary = n, out.Summary+"; "+droppedThere(n, more)
		}
	}
	return nil
}

// carriedOut explains what became of an action that is not a read: a notification, or a message in
// another chat.
func (x *explainer) carriedOut(ctx context.Context, a *chat.Action, shown *control.ExplainedAction, out *control.ExplainedElsewhere) error {
	name := string(a.Kind) + " " + a.ID.String()
	out.Outcome = outcomeOfAction(a)
	switch {
	case shown.InFlight:
		out.Outcome, out.Summary = control.OutcomeInFlight, fmt.Sprintf("the call of %s is on its way since %s", name, shown.Called.UTC().Format(stamp))
	case a.Status == chat.Done:
		out.Summary = fmt.Sprintf("%s was confirmed at %s", name, a.Ended.UTC().Format(stamp))
	case a.Status == chat.Waiting:
		out.Summary = name + " waits"
		if shown.WaitsFor != "" {
			out.Summary += ": " + shown.WaitsFor
		}
		if a.Error != "" {
			out.Summary += "; the last attempt: " + a.Error
		}
	case a.Status == chat.Shadowed:
		out.Summary = name + " is in shadow, and is not carried out"
	default:
		end, err := x.ender(ctx, a)
		if err != nil {
			return err
		}
		out.Summary = name + ": " + endWords(a, end)
	}
	return nil
}

// endedLooked is how many events of a chat, the newest up to the one that ended reads, are
// looked through for these.
const endedLooked = 200

// endedBy counts the reads of the chat that an event ended. more is whether older ones were not
// looked at.
func (x *explainer) endedBy(ctx context.Context, seq int64) (n int, more bool, err error) {
	all, err := x.m.store.Events(ctx, x.chat.ID, seq, endedLooked)
	for i := range all {
		for j := range all[i].Actions {
			if a := &all[i].Actions[j]; a.Kind == chat.Read && a.Status == chat.Dropped && a.EndedBy.Seq == seq {
				n++
			}
		}
	}
	return n, len(all) == endedLooked, err
}

// droppedThere says how many waiting reads a request has dropped in its chat.
func droppedThere(n int, more bool) string {
	text := "no read waited there that it dropped"
	if n > 0 {
		text = control.DroppedReads(n)
	}
	if more {
		text += fmt.Sprintf(" (of the %d events before it)", endedLooked)
	}
	return text
}

// forOtherChat returns the chat of a request, in words, if it is for another one than that of
// its event. Such a request has the chat right after its kind, and a notification its target
// (rules.Request.Words).
func forOtherChat(words string) (id string, ok bool) {
	kind, rest, _ := strings.Cut(words, " ")
	if kind == string(chat.RequestNotify) {
		quoted, _ := strconv.QuotedPrefix(rest)
		target, err := strconv.Unquote(quoted)
		return chat.NotifyChat(target), err == nil
	}
	id, ok = strings.CutPrefix(rest, "chat ")
	id, _, _ = strings.Cut(id, " ")
	return id, ok
}

// elsewhereWords says what became of requests for other chats, in part of a sentence.
func elsewhereWords(e *control.ExplainedEvent) string {
	first := &e.Elsewhere[0]
	text := fmt.Sprintf("%s at %s requested %s (%s)", first.By, first.Place, first.Asked, first.Became())
	if more := e.ElsewhereTotal - 1; more > 0 {
		text += fmt.Sprintf(", and %d more of other chats", more)
	}
	return text
}

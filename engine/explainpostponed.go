package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/rules/chat"
)

// postponedLooked is how many events of a chat, the newest, are looked through for the
// postponement that a read waited for.
const postponedLooked = 500

// postponed returns the postponement for which a read waited before its call, which the chat
// does not have any more: the last to end, of those that ended after the read was due and
// before the call; nil: none is known.
func (x *explainer) postponed(ctx context.Context, a *chat.Action) (*control.ExplainedPostponement, error) {
	if a.Kind != chat.Read || a.Status != chat.Done || a.Hurried || !a.Revived.IsZero() || a.Called.Sub(a.Due) < time.Second || x.chat == nil || x.chat.ID != a.Chat {
		return nil, nil
	}
	if x.history == nil {
		all, err := x.m.store.Events(ctx, a.Chat, 0, postponedLooked)
		if err != nil {
			return nil, err
		}
		x.history = all
	}
	var last *control.ExplainedPostponement
	var on *store.Record
	for i := range x.history {
		r := &x.history[i]
		if r.Decision == nil || r.Decision.At.After(a.Called) {
			continue
		}
		for _, p := range postponements(r) {
			if p.Until.After(a.Due) && !p.Until.After(a.Called) && (last == nil || p.Until.After(last.Until)) {
				last, on = &p, r
			}
		}
	}
	if last == nil {
		return nil, nil
	}
	by, err := x.requestedBy(ctx, on)
	if err != nil {
		return nil, err
	}
	switch {
	case by != nil: // a rule that ran on an event of another chat
		last.Event = by.Event
	case on.Seq != a.ID.Seq:
		last.Event = &control.EventName{Seq: on.Seq, ID: on.Event.ID, Type: on.Event.Type, Chat: on.Event.ChatID(), At: on.Received}
	}
	return last, nil
}

// postponements returns the postponements of its own chat that an event requested, or carried
// there from another chat.
func postponements(r *store.Record) (all []control.ExplainedPostponement) {
	if f := r.Forward; f != nil {
		w := &f.Request
		if w.Kind == chat.RequestPostpone && !w.Shadow {
			all = append(all, control.ExplainedPostponement{By: chat.Key(w.Pack, w.Rule), Place: w.Place, Asked: askedHere(r), Until: w.Due})
		}
		return all
	}
	for i := range r.Decision.Rules {
		d := &r.Decision.Rules[i]
		if d.Shadow {
			continue
		}
		for _, words := range d.Asked {
			rest, ok := strings.CutPrefix(words, string(chat.RequestPostpone)+" until ")
			at, _, _ := strings.Cut(rest, " ")
			until, err := time.Parse(time.RFC3339, at) // as rules.Request.Words has it
			refused := slices.ContainsFunc(d.Refused, func(why string) bool { return strings.HasPrefix(why, words) })
			if ok && err == nil && !refused && !strings.HasSuffix(words, " [shadow]") {
				all = append(all, control.ExplainedPostponement{By: chat.Key(d.Pack, d.Rule), Place: d.Place, Asked: words, Until: until})
			}
		}
	}
	return all
}

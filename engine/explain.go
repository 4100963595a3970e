package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Explain implements control.Daemon.
func (m *manager) Explain(ctx context.Context, q control.ExplainQuery) (control.Explained, error) {
	out := control.Explained{Events: []control.ExplainedEvent{}}
	found, err := m.findExplained(ctx, q.Of)
	if err != nil {
		return out, err
	}
	out.What = found.what
	x := explainer{m: m, q: q, now: m.eng.c.Now(), events: map[int64]*store.Record{}, packs: map[pastKey]*pastPack{}, assumed: map[*rules.Pack]*rules.Assumptions{}}
	if found.chat != "" {
		if err := x.readChat(ctx, found.chat); err != nil {
			return out, err
		}
		out.Chat = x.explainedChat()
	}
	records, all := []store.Record{}, q.All
	if found.event != nil {
		records, all = append(records, *found.event), true
	} else {
		limit := q.Limit
		if limit == 0 {
			limit = control.ExplainedShown
		}
		if records, err = m.store.Events(ctx, found.chat, q.Before, limit+1); err != nil {
			return out, err
		}
		if out.Older = len(records) > limit; out.Older {
			records = records[:limit]
		}
		slices.Reverse(records)
	}
	known := slices.ContainsFunc(records, func(r store.Record) bool {
		return r.Decision != nil && slices.ContainsFunc(r.Decision.Rules, func(d turn.RuleDecision) bool { return x.wants(d.Pack, d.Rule) })
	})
	if !known { // it may have had another name
		if err := m.checkExplainedRule(q.Rule); err != nil {
			return out, err
		}
	}
	for i := range records {
		e, err := x.event(ctx, &records[i], all || q.Rule != "")
		if err != nil {
			return out, err
		}
		out.Events = append(out.Events, e)
		if e.Assumes() {
			out.ConfigSince = m.gens.ConfigKnownSince()
		}
	}
	return out, nil
}

// checkExplainedRule refuses a rule that no live pack has: such a name is a typo.
func (m *manager) checkExplainedRule(name string) error {
	if name == "" {
		return nil
	}
	set := m.eng.Rules()
	pack, rule, named := strings.Cut(name, "/")
	if named && rule == "" {
		return &control.UserError{Message: fmt.Sprintf("rule: %q has no rule after the slash", name), Hint: "give PACK or PACK/RULE"}
	}
	var known []string
	for _, p := range set.Packs() {
		if p.Name == pack && (rule == "" || slices.ContainsFunc(p.Rules, func(r *rules.Rule) bool { return r.Name == rule })) {
			return nil
		}
		known = append(known, p.Name)
		for _, r := range p.Rules {
			known = append(known, chat.Key(p.Name, r.Name))
		}
	}
	hint := "chertd packs lists the packs"
	if near := diag.Suggest(name, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return &control.UserError{Message: fmt.Sprintf("rule: there is no pack or rule %q", name), Hint: hint}
}

// explainer makes the answer to one GET explain.
type explainer struct {
	m    *manager
	q    control.ExplainQuery
	now  time.Time
	chat *chat.Chat // nil: none

	flight *chat.Flight // of the chat; nil: none
	// history has the newest events of chat, for postponed; nil: not read yet.
	history []store.Record
	listed  int // rules that did not match, so far

	noCalls []string // why no calls are made; nil: not asked yet
	asked   bool
	state   *callsState // nil: not asked yet
	lines   []control.LineStop
	packs   map[pastKey]*pastPack
	assumed map[*rules.Pack]*rules.Assumptions

	elsewheres int                     // requests for other chats, so far
	events     map[int64]*store.Record // looked up, without actions; nil: not kept
}

func (x *explainer) readChat(ctx context.Context, id string) error {
	x.flight = x.m.eng.flightOf(id) // before its state: a call that ends meanwhile is shown as in flight
	c, err := x.m.store.Chats(ctx, []string{id})
	if err == nil {
		x.chat = &c[0]
	}
	return err
}

func (x *explainer) explainedChat() *control.ExplainedChat {
	c := x.chat
	out := &control.ExplainedChat{ID: c.ID, Line: c.Line}
	if h, ok := c.Held(x.now, x.m.eng.held.now()...); ok {
		out.Hold = &control.Hold{Chat: c.ID, By: h.By, Until: h.Until, Reason: h.Reason}
		if of, ok := x.m.eng.held.byName(h.By); ok {
			out.Hold.By = fmt.Sprintf("%s (%s, %s)", of.By, h.By, of.Of)
		}
	}
	if p, ok := c.Postponement(x.now); ok {
		out.Postponed = &control.Hold{Chat: c.ID, By: p.By(), Until: p.Until, Reason: p.Reason}
	}
	for i := range c.Timers {
		t := &c.Timers[i]
		out.Timers = append(out.Timers, control.ExplainedTimer{Pack: t.Pack, Name: t.Name, Due: t.Due})
	}
	return out
}

// event explains one event. unmatched also lists the rules that did not match.
func (x *explainer) event(ctx context.Context, r *store.Record, unmatched bool) (control.ExplainedEvent, error) {
	ev := &r.Event
	e := control.ExplainedEvent{
		Seq: r.Seq, ID: ev.ID, Type: ev.Type, Source: ev.Source, At: ev.At, Received: r.Received, Chat: ev.ChatID(), From: ev.From,
		Direction: ev.Direction(), Message: ev.MessageID(), TraceID: ev.TraceID(), Text: firstLetters(ev.Text, control.ExplainedText), Data: firstLetters(string(ev.Data), control.ExplainedText),
		NoText: textRemoved(r), Rules: []control.ExplainedRule{}, Actions: []control.ExplainedAction{},
	}
	var err error
	if r.Cause != 0 {
		if e.Cause, err = x.eventName(ctx, r.Cause); err != nil {
			return e, err
		}
	}
	if d := r.Decision; d != nil {
		e.Handled, e.TookUS, e.Note, e.Failed = d.At, d.Took.Microseconds(), d.Note, d.Failed
		for i := range d.Rules {
			rd := &d.Rules[i]
			if !x.wants(rd.Pack, rd.Rule) {
				continue
			}
			rule, err := x.rule(ctx, r, rd)
			if err != nil {
				return e, err
			}
			e.Rules = append(e.Rules, rule)
		}
	}
	if e.Lists, err = x.lists(ctx, r); err != nil {
		return e, err
	}
	if e.RequestedBy, err = x.requestedBy(ctx, r); err != nil {
		return e, err
	}
	if err := x.actions(ctx, r, &e); err != nil {
		return e, err
	}
	if err := x.elsewhere(ctx, r, &e); err != nil {
		return e, err
	}
	if unmatched {
		if err := x.notMatched(ctx, r, &e); err != nil {
			return e, err
		}
	}
	return e, x.conclude(ctx, r, &e)
}

// wants reports whether the query is about a rule.
func (x *explainer) wants(pack, rule string) bool {
	return x.q.Rule == "" || x.q.Rule == pack || x.q.Rule == chat.Key(pack, rule)
}

// record looks up an event by its sequence, without its actions; nil: it is not kept.
func (x *explainer) record(ctx context.Context, seq int64) (*store.Record, error) {
	if r, ok := x.events[seq]; ok {
		return r, nil
	}
	r, ok, err := x.m.store.EventBySeq(ctx, seq)
	if err != nil {
		return nil, err
	}
	x.events[seq] = nil
	if ok {
		x.events[seq] = &r
	}
	return x.events[seq], nil
}

func (x *explainer) eventName(ctx context.Context, seq int64) (*control.EventName, error) {
	r, err := x.record(ctx, seq)
	if r == nil || err != nil {
		return nil, err
	}
	return &control.EventName{Seq: seq, ID: r.Event.ID, Type: r.Event.Type, Chat: r.Event.ChatID(), At: r.Received}, nil
}

// textRemoved reports whether retention or forget has removed what the event said.
func textRemoved(r *store.Record) bool {
	return r.Event.Source != event.SourceEngine && len(r.Event.Raw) == 0
}

// firstLetters returns the beginning of a text.
func firstLetters(text string, letters int) string {
	n := 0
	for i := range text {
		if n++; n > letters {
			return text[:i] + "…"
		}
	}
	return text
}

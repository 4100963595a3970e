package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"chertd/engine/control"
	"chertd/engine/dispatch"
	"chertd/engine/event"
	"chertd/engine/event/handle"
	"chertd/engine/store"
	"chertd/luabind/diag"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

const (
	// tailLookedAt is how many of the newest events are looked at for those that a tail
	// begins with, and tailPage how many at a time: each may have 1 MiB.
	tailLookedAt = 5000
	tailPage     = 64
	// maxTailChats is how many chats of one number a tail remembers.
	maxTailChats = 100
)

// tailFilter chooses what a tail shows. Its methods are called by several goroutines.
type tailFilter struct {
	pack, rule string // of rule too; "": all
	chat       string
	outcomes   []string

	// Of a number or address instead of the id of a chat: its events name it, and actions
	// only their chat.
	mu     sync.Mutex // guards what follows
	handle handle.Handle
	reader *handle.Reader // nil: no handle
	chats  []string       // that it takes part in, as far as they were seen
}

// event reports whether an event, or what has become of it, is to be shown.
func (f *tailFilter) event(h *Handled) bool {
	ev := &h.Entry.Event
	if f.chat != "" && f.chat != ev.ChatID() || f.reader != nil && !f.isOf(ev) {
		return false
	}
	if f.pack != "" && !slices.ContainsFunc(h.Decision.Rules, func(r turn.RuleDecision) bool { return f.by(r.Pack, r.Rule) }) &&
		!slices.ContainsFunc(h.Actions, func(a chat.Action) bool { return a.ID.Seq == h.Entry.Seq && f.by(a.Pack, a.Rule) }) {
		return false
	}
	if len(f.outcomes) == 0 {
		return true
	}
	return h.Decision.Failed && f.wants(control.OutcomeFailed) || f.wants(outcomeOf(h)) ||
		slices.ContainsFunc(h.Decision.Rules, func(r turn.RuleDecision) bool {
			return r.Error != "" && f.wants(control.OutcomeFailed) || r.Skipped != "" && f.by(r.Pack, r.Rule) && f.wants(r.Skipped)
		}) ||
		slices.ContainsFunc(h.Actions, func(a chat.Action) bool { return a.ID.Seq == h.Entry.Seq && f.wantsAction(&a) })
}

// call reports whether an attempt that failed is to be shown.
func (f *tailFilter) call(a *dispatch.Attempt) bool {
	return f.in(a.Call.Chat) && (len(f.outcomes) == 0 || f.wants(control.OutcomeFailed)) &&
		(f.pack == "" || slices.ContainsFunc(a.Call.Actions, func(a chat.Action) bool { return f.by(a.Pack, a.Rule) }))
}

// action reports whether an action that has ended is to be shown.
func (f *tailFilter) action(a *chat.Action) bool {
	return f.in(a.Chat) && f.by(a.Pack, a.Rule) && (len(f.outcomes) == 0 || f.wantsAction(a))
}

// by reports whether a rule is one of those to be shown.
func (f *tailFilter) by(pack, rule string) bool {
	return (f.pack == "" || f.pack == pack) && (f.rule == "" || f.rule == rule)
}

// in reports whether a chat is one of those to be shown.
func (f *tailFilter) in(id string) bool {
	if f.reader == nil {
		return f.chat == "" || f.chat == id
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.chats, id)
}

func (f *tailFilter) wants(word string) bool { return slices.Contains(f.outcomes, word) }

func (f *tailFilter) wantsAction(a *chat.Action) bool {
	return f.wants(string(a.Status)) || f.wants(a.Why) || f.wants(outcomeOfAction(a))
}

// isOf reports whether the handle of the filter takes part in the chat of an event, and
// remembers the chat.
func (f *tailFilter) isOf(ev *event.Event) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := ev.ChatID()
	if id != "" && slices.Contains(f.chats, id) {
		return true
	}
	is := func(text string) bool { return text != "" && f.reader.Read(text) == f.handle }
	if !is(ev.From) && (ev.Chat == nil || !slices.ContainsFunc(ev.Chat.Handles, func(h event.Handle) bool { return is(h.Handle) })) {
		return false
	}
	if id != "" && len(f.chats) < maxTailChats {
		f.chats = append(f.chats, strings.Clone(id))
	}
	return true
}

// Tail implements control.Daemon.
func (m *manager) Tail(ctx context.Context, q control.TailQuery) (control.TailLines, error) {
	f, err := m.tailFilter(ctx, &q)
	if err != nil {
		return nil, err
	}
	t := &tail{from: &m.tails, filter: f, text: q.Text, through: m.eng.handledThrough, wake: make(chan struct{}, 1)}
	if !q.NoFollow {
		m.tails.add(t) // first: nothing is missing in between
	}
	newest, err := m.newest(ctx, &q, t)
	if ctx.Err() != nil {
		t.Close()
		return nil, ctx.Err()
	}
	if err != nil { // to see what happens now is worth the more
		newest = append(newest, control.Tailed{Kind: control.TailNote, At: m.eng.c.Now(), Summary: "the last events could not be read: " + m.storeUnanswered(err)})
	}
	t.mu.Lock()
	t.known = map[int64]bool{}
	for i := range newest {
		t.known[newest[i].Seq] = newest[i].Kind == control.TailEvent
	}
	for i := range t.lines {
		if line := &t.lines[i]; line.Kind != control.TailEvent || line.Rerun || !t.known[line.Seq] {
			newest = append(newest, *line)
		}
	}
	t.lines = newest
	t.ended = t.ended || q.NoFollow
	t.mu.Unlock()
	return t, nil
}

// newest returns the newest events that a tail begins with, the oldest first.
func (m *manager) newest(ctx context.Context, q *control.TailQuery, t *tail) (lines []control.Tailed, err error) {
	reading, cancel := withStoreTimeout(ctx)
	defer cancel()
	before := int64(0)
	reached := false // the events that the reader knows, or the oldest one
	for looked := 0; len(lines) < q.Lines && looked < tailLookedAt; {
		var page []store.Record
		if page, err = m.store.Events(reading, t.filter.chat, before, tailPage); err != nil || len(page) == 0 {
			reached = err == nil
			break
		}
		looked += len(page)
		for i := range page {
			r := &page[i]
			before = r.Seq
			if r.Seq <= q.After || len(lines) == q.Lines {
				reached = r.Seq <= q.After
				looked = tailLookedAt
				break
			}
			if line := t.recorded(r); line != nil {
				lines = append(lines, *line)
			}
		}
	}
	if q.After > 0 && !reached && err == nil {
		lines = append(lines, control.Tailed{Kind: control.TailNote, At: m.eng.c.Now(),
			Summary: fmt.Sprintf("older events that were handled meanwhile are not shown, after the one with seq %d: there are too many; chertd explain has each", q.After)})
	}
	slices.Reverse(lines)
	if err != nil || len(q.Again) == 0 {
		return lines, err
	}
	known, err := m.again(reading, q, t)
	return append(known, lines...), err
}

// again returns the events that a tail shows again, as they are now.
func (m *manager) again(ctx context.Context, q *control.TailQuery, t *tail) (lines []control.Tailed, err error) {
	for _, seq := range q.Again {
		page, err := m.store.Events(ctx, t.filter.chat, seq+1, 1)
		if err != nil {
			return lines, err
		}
		if len(page) == 0 || page[0].Seq != seq {
			continue // it is not kept any more
		}
		if line := t.recorded(&page[0]); line != nil {
			lines = append(lines, *line)
		}
	}
	return lines, nil
}

// recorded returns the line of an event in the store; nil: it is not handled, or not one of
// those to be shown.
func (r *tail) recorded(rec *store.Record) *control.Tailed {
	h := &Handled{Entry: &rec.Entry, Decision: rec.Decision, Actions: rec.Actions}
	if h.Decision == nil || !r.filter.event(h) {
		return nil
	}
	line := eventLine(h)
	if r.text {
		addText(line, &rec.Event)
	}
	return line
}

// tailFilter checks the query of a tail, and returns its filter.
func (m *manager) tailFilter(ctx context.Context, q *control.TailQuery) (*tailFilter, error) {
	f := &tailFilter{pack: q.Pack, outcomes: q.Outcomes}
	set := m.eng.Rules()
	if q.Rule != "" {
		pack, rule, ok := strings.Cut(q.Rule, "/")
		if !ok || pack == "" || rule == "" || q.Pack != "" && q.Pack != pack {
			return nil, &control.UserError{Message: fmt.Sprintf("rule: expected PACK/RULE, got %.100q", q.Rule), Hint: "for example codes/read; chertd packs lists the packs"}
		}
		f.pack, f.rule = pack, rule
	}
	if set != nil && f.pack != "" && !set.Has(f.pack) && !set.Unread() {
		return nil, unknownName("pack", f.pack, slices.Sorted(set.Known()))
	}
	if set != nil && f.rule != "" && !set.HasRule(f.pack, f.rule) {
		names := []string{}
		for _, r := range set.Pack(f.pack).Rules {
			names = append(names, r.Name)
		}
		return nil, unknownName("rule", f.rule, names)
	}
	if q.Chat == "" {
		return f, nil
	}
	reading, cancel := withStoreTimeout(ctx)
	defer cancel()
	err := m.checkChat(reading, q.Chat, false, "")
	unknown, refused := errors.AsType[*control.UserError](err)
	if !refused {
		f.chat = q.Chat // also if the store does not answer
		return f, nil
	}
	country := ""
	if set != nil {
		country = set.Country()
	}
	h, err := handle.Parse(q.Chat, country)
	if err != nil || h.Kind == handle.Other {
		return nil, unknown
	}
	f.handle, f.reader = h, handle.NewReader(country)
	return f, nil
}

// unknownName returns the error of a name that no pack or rule has.
func unknownName(what, name string, known []string) error {
	hint := diag.DidYouMean("", name, known)
	if hint == "" && len(known) > 0 {
		hint = what + "s are " + strings.Join(known[:min(len(known), 20)], ", ")
	}
	if hint == "" {
		hint = "chertd packs lists the packs"
	}
	return &control.UserError{Status: http.StatusNotFound, Message: fmt.Sprintf("there is no %s %.100q", what, name), Hint: hint}
}

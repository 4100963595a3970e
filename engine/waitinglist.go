package engine

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// Waiting implements control.Daemon.
func (m *manager) Waiting(ctx context.Context, q control.WaitingQuery) (control.Waiting, error) {
	f, err := parseWaiting(q.Where)
	if err != nil {
		return control.Waiting{}, err
	}
	out, err := m.listWaiting(ctx, &f, cmp.Or(q.Limit, control.WaitingShown))
	if err != nil {
		return out, err
	}
	return out, m.checkFound(ctx, &f, out.Matched)
}

// checkFound refuses a chat or a pack of which nothing is known, if nothing matched: such a name is a typo.
func (m *manager) checkFound(ctx context.Context, f *waitingFilter, matched int64) error {
	if matched > 0 {
		return nil
	}
	if f.chat != "" {
		if err := m.checkChat(ctx, f.chat, false, ""); err != nil {
			return err
		}
	}
	set := m.eng.Rules()
	if f.pack == "" || set == nil || set.Has(f.pack) {
		return nil
	}
	var known []string
	for _, p := range set.Packs() {
		known = append(known, p.Name)
	}
	hint := "chertd packs lists the packs"
	if near := diag.Suggest(f.pack, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return &control.UserError{Status: http.StatusNotFound, Message: fmt.Sprintf("where: pack: there is no pack %q, and nothing of one waits", f.pack), Hint: hint}
}

// listWaiting counts what waits in at most control.WaitingExamined chats, and lists what is due first.
func (m *manager) listWaiting(ctx context.Context, f *waitingFilter, limit int) (control.Waiting, error) {
	l := waitingList{f: f, calls: m.eng.callsState(), limit: limit, by: map[string]int64{}, packs: map[string]int64{}}
	l.out.Through, l.out.Waiting = m.store.LastSeq(), []control.WaitingAction{}
	blocked, of, err := m.blockedReads(ctx, f)
	if err != nil {
		return l.out, err
	}
	if f.chat != "" {
		chats, err := m.eng.chatsNow(ctx, []string{f.chat})
		if err != nil {
			return l.out, err
		}
		if len(chats[0].Waiting) > 0 {
			l.out.Total = 1
			l.add(chats)
		}
		l.addBlocked(blocked, of)
		return l.end(), nil
	}
	if l.out.Total, err = m.store.CountWaiting(ctx, f.line); err != nil {
		return l.out, err
	}
	if l.out.Total <= control.WaitingExamined {
		var lines []string
		if f.line != nil {
			lines = []string{*f.line}
		}
		err = m.eng.eachWaiting(ctx, lines, func(chats []*chat.Chat) error {
			l.add(chats)
			return nil
		})
		l.addBlocked(blocked, of)
		return l.end(), err
	}
	l.out.Partial = true
	ids, err := m.eng.dueNext(ctx, f.line, control.WaitingExamined)
	for len(ids) > 0 && err == nil {
		some := ids[:min(len(ids), sweepPage)]
		ids = ids[len(some):]
		var chats []*chat.Chat
		if chats, err = m.eng.chatsNow(ctx, some); err == nil {
			l.add(chats)
		}
	}
	l.addBlocked(blocked, of)
	return l.end(), err
}

// dueNext returns chats whose calls are due next, of a line (nil: of all, the same number of each at least), in that order.
func (e *Engine) dueNext(ctx context.Context, line *string, most int) ([]string, error) {
	lines := []string{}
	if line != nil {
		lines = append(lines, *line)
	} else {
		var err error
		if lines, err = e.c.Store.CallLines(ctx, "", maxLines); err != nil {
			return nil, err
		}
	}
	var all []store.Due
	for i, line := range lines {
		// What lines before it have left over is there for those after it.
		some, err := e.c.Store.CallsDue(ctx, line, store.Due{}, max(1, (most-len(all))/(len(lines)-i)))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b store.Due) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Chat, b.Chat)) })
	var ids []string
	for _, d := range all[:min(len(all), most)] {
		ids = append(ids, d.Chat)
	}
	return ids, nil
}

// waitingList makes the answer to one GET waiting.
type waitingList struct {
	f         *waitingFilter
	calls     *callsState
	limit     int
	out       control.Waiting
	by, packs map[string]int64
}

// add takes in chats.
func (l *waitingList) add(chats []*chat.Chat) {
	l.out.Examined += int64(len(chats))
	for _, c := range chats {
		found := false
		for i := range c.Waiting {
			if w, ok := l.f.matches(c, i, l.calls); ok {
				found = true
				l.found(c, &c.Waiting[i], c.DueOf(i), &w)
			}
		}
		if found {
			l.out.Chats++
		}
	}
	l.cut()
}

func (l *waitingList) found(c *chat.Chat, a *chat.Action, due time.Time, w *waitReason) {
	l.out.Matched++
	l.by[w.For]++
	l.packs[a.Pack]++
	if l.out.Oldest.IsZero() || a.Requested.Before(l.out.Oldest) {
		l.out.Oldest = a.Requested
	}
	if due.After(l.calls.at) && (l.out.NextDue.IsZero() || due.Before(l.out.NextDue)) {
		l.out.NextDue = due
	}
	l.out.Waiting = append(l.out.Waiting, control.WaitingAction{
		ID: a.ID.String(), Chat: c.ID, Line: c.Line, Kind: string(a.Kind), Pack: a.Pack, Rule: a.Rule, Place: a.Place, Reason: a.Reason,
		Requested: a.Requested, Due: due, For: w.For, Until: w.Until, By: w.By, Attempts: a.Attempts,
	})
}

// cut keeps what is due first of what is listed.
func (l *waitingList) cut() {
	slices.SortStableFunc(l.out.Waiting, func(a, b control.WaitingAction) int {
		return cmp.Or(a.Due.Compare(b.Due), a.Requested.Compare(b.Requested), cmp.Compare(a.Chat, b.Chat), cmp.Compare(a.ID, b.ID))
	})
	l.out.Waiting = l.out.Waiting[:min(len(l.out.Waiting), l.limit)]
}

func (l *waitingList) end() control.Waiting {
	l.out.For, l.out.Packs = counts(l.by), counts(l.packs)
	if l.out.Partial {
		return l.out
	}
	l.out.Total = max(l.out.Total, l.out.Examined)
	return l.out
}

// counts returns counts by name, the largest first.
func counts(by map[string]int64) []control.WaitingCount {
	all := make([]control.WaitingCount, 0, len(by))
	for name, n := range by {
		all = append(all, control.WaitingCount{Name: name, Count: n})
	}
	slices.SortFunc(all, func(a, b control.WaitingCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// waitingBatch bounds one request that changes what waits: how many chats it looks at, and for how
// long it begins another page.
const (
	waitingBatch     = 8 * sweepPage
	waitingBatchTime = 2 * time.Second
)

package engine

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// deadBatch is how many dead actions a command changes between two looks at the store.
const deadBatch = 1024

// deadWork is what a command does with dead actions of one chat.
type deadWork struct {
	ids    []chat.ActionID
	drop   bool // instead of a retry
	repeat bool // see chat.Revive
	dry    bool // nothing changes
	// after has the actions as they are then, in the order of ids; it is set before the
	// request's done receives.
	after []chat.Action
	was   []chat.Status // before, in the same order
	// stays has why those stay dead that a retry does not change; "" for the others. line is the
	// phone line of the chat.
	stays []string
	line  string
}

// serveDead carries out a deadWork.
func (b *batch) serveDead(ctx context.Context, r *request, t *turn.Turn) {
	w := r.dead
	all, err := b.actionsByID(ctx, w.ids)
	if err != nil {
		b.err = err
		return
	}
	var dead []chat.Action
	stays := make([]string, len(all))
	for i := range all {
		if all[i].Status != chat.Dead || all[i].Chat != r.chat {
			continue
		}
		if !w.drop {
			stays[i] = b.staysDead(ctx, t, &all[i], w.repeat)
		}
		if stays[i] == "" {
			dead = append(dead, all[i])
		}
	}
	var d turn.Done
	switch {
	case len(dead) == 0:
	case w.drop:
		d, err = t.Move(ctx, chat.Discard{Actions: dead})
	default:
		d, err = t.Retry(ctx, dead, w.repeat)
	}
	if err != nil {
		b.err = err
		return
	}
	if len(dead) > 0 && !w.dry {
		b.add(&d)
	}
	b.done = append(b.done, func() {
		w.after, w.was, w.stays, w.line = nil, nil, stays, ""
		if t.Chat != nil {
			w.line = t.Chat.Line
		}
		for _, a := range all {
			w.was = append(w.was, a.Status)
			if i := slices.IndexFunc(d.Actions, func(now chat.Action) bool { return now.ID == a.ID }); i >= 0 {
				a = d.Actions[i]
			}
			w.after = append(w.after, a)
		}
		if !w.dry {
			b.actionsEnded(d.Actions)
		}
		r.done <- nil
	})
}

// staysDead returns why a retry does not change a dead action; "": it does.
func (b *batch) staysDead(ctx context.Context, t *turn.Turn, a *chat.Action, repeat bool) string {
	if why := t.StaysDead(a, repeat); why != "" {
		return why
	}
	if a.Kind == chat.Read && t.Chat != nil && t.Chat.Line != "" && b.s.e.lines.ends(ctx, t.Chat.Line) {
		return chat.StaysLine
	}
	return ""
}

// actionsByID returns actions as the batch has them.
func (b *batch) actionsByID(ctx context.Context, ids []chat.ActionID) ([]chat.Action, error) {
	all, err := b.s.e.c.Store.ActionsByID(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read dead actions: %w", err)
	}
	for i := range b.log {
		for _, now := range b.log[i].Actions {
			if at := slices.IndexFunc(all, func(a chat.Action) bool { return a.ID == now.ID }); at >= 0 {
				all[at] = now
			}
		}
	}
	return all, nil
}

// Dead implements control.Daemon.
func (m *manager) Dead(ctx context.Context, q control.DeadQuery) (control.Dead, error) {
	out := control.Dead{Groups: []control.DeadGroup{}, Dead: []control.DeadAction{}}
	f := store.DeadFilter{Chat: q.Chat, Pack: q.Pack, Code: q.Code}
	groups, err := m.store.DeadGroups(ctx, f)
	if err != nil {
		return out, err
	}
	for _, g := range groups {
		out.Total += g.Count
		out.Groups = append(out.Groups, control.DeadGroup{HTTP: g.HTTP, Code: g.Code, Count: g.Count})
	}
	list, err := m.store.Dead(ctx, f, cmp.Or(q.Limit, control.DeadShown))
	if err != nil {
		return out, err
	}
	ids := make([]chat.ActionID, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	attempts, err := m.store.Attempts(ctx, ids)
	if err != nil {
		return out, err
	}
	of := map[chat.ActionID][]chat.Attempt{}
	for _, x := range attempts {
		of[x.Action] = append(of[x.Action], x)
	}
	for i := range list {
		out.Dead = append(out.Dead, deadAction(&list[i], of[list[i].ID], q.Attempts))
	}
	if q.Chat == "" && q.Code == nil {
		out.Missed, err = m.missedEvents(ctx, q.Pack)
	}
	return out, err
}

func deadAction(a *chat.Action, attempts []chat.Attempt, list bool) control.DeadAction {
	d := control.DeadAction{
		ID: a.ID.String(), Chat: a.Chat, Kind: string(a.Kind), Pack: a.Pack, Rule: a.Rule, Version: a.Version, Place: a.Place, Reason: a.Reason,
		Why: a.Why, HTTP: a.HTTP, Code: a.Code, Error: a.Error, TraceID: a.TraceID, Attempts: a.Attempts, Died: a.Ended, Requested: a.Requested,
	}
	if len(attempts) > 0 && attempts[0].N == 1 {
		d.First = attempts[0].At
	}
	if !list {
		return d
	}
	for i := range attempts {
		d.FailedAttempts = append(d.FailedAttempts, attemptShown(&attempts[i]))
	}
	return d
}

// attemptShown returns an attempt that failed, for people.
func attemptShown(x *chat.Attempt) control.DeadAttempt {
	shown := control.DeadAttempt{N: x.N, At: x.At, HTTP: x.HTTP, Code: x.Code, TraceID: x.TraceID, Error: x.Error}
	if x.CallOf != x.Action {
		shown.CallOf = x.CallOf.String()
	}
	return shown
}

// missedEvents lists what packs have missed, or one of them.
func (m *manager) missedEvents(ctx context.Context, pack string) (all []control.MissedEvents, err error) {
	packs, err := m.store.MissedPacks(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range packs { // by pack
		if pack != "" && p.Pack != pack || len(all) > 0 && all[len(all)-1].Pack == p.Pack {
			continue
		}
		recent, older, err := m.store.Backlog(ctx, p.Pack, m.eng.c.Now().Add(-missedFor))
		if err != nil {
			return nil, err
		}
		missed := control.MissedEvents{Pack: p.Pack, Events: recent.Events + older.Events, Since: older.First, Earlier: older.Events}
		if older.Events == 0 {
			missed.Since = recent.First
		}
		if missed.Events > 0 {
			all = append(all, missed)
		}
	}
	return all, nil
}

// RetryDead implements control.Daemon.
func (m *manager) RetryDead(ctx context.Context, in control.DeadRequest) (out control.DeadRetried, err error) {
	if m.eng.Rules() == nil {
		return out, &control.UserError{Status: http.StatusServiceUnavailable, Message: "the rules are not loaded yet", Hint: "repeat the command in a moment"}
	}
	out.DryRun, out.Dropped, out.Stay = in.DryRun, map[string]int{}, map[string]int{}
	err = m.eachDead(ctx, in, false, func(w *deadWork, i int) {
		a, was, why := &w.after[i], w.was[i], w.after[i].Why
		switch {
		case was != chat.Dead:
			out.NotDead++
		case a.Status == chat.Waiting:
			out.Waiting++
			return
		case a.Status == chat.Blocked:
			out.Blocked++
		case a.Status == chat.Dead:
			why = cmp.Or(w.stays[i], chat.WhyBacklog)
			out.Stay[why]++
			switch why {
			case chat.WhyPackInactive, chat.StaysRuleGone, chat.StaysRuleOff:
				out.StayPacks = named(out.StayPacks, a.Pack)
			case chat.StaysLine:
				out.StayLines = named(out.StayLines, w.line)
			}
		default:
			out.Dropped[why]++
		}
		if len(out.First) < control.DeadShown {
			out.First = append(out.First, control.DeadOutcome{ID: a.ID.String(), Chat: a.Chat, Kind: string(a.Kind), Status: string(a.Status), Why: why})
		}
	})
	if !in.DryRun {
		m.log.Info("dead actions retried by command", "waiting", out.Waiting, "blocked", out.Blocked, "dropped", total(out.Dropped), "stay", total(out.Stay))
	}
	return out, err
}

// DropDead implements control.Daemon.
func (m *manager) DropDead(ctx context.Context, in control.DeadRequest) (out control.DeadDropped, err error) {
	out.DryRun = in.DryRun
	err = m.eachDead(ctx, in, true, func(w *deadWork, i int) {
		if w.was[i] == chat.Dead {
			out.Dropped++
		} else {
			out.NotDead++
		}
	})
	if !in.DryRun {
		m.log.Info("dead actions dropped by command", "dropped", out.Dropped)
	}
	return out, err
}

// named adds a name to the sorted names of an answer, which has DeadShown at most.
func named(all []string, name string) []string {
	if at, found := slices.BinarySearch(all, name); !found && len(all) < control.DeadShown {
		return slices.Insert(all, at, name)
	}
	return all
}

func total(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}

// eachDead retries or drops the dead actions that a request names, the oldest first, and calls
// each with the work of their chat and their place in it. If one of its ids is of no action, it does nothing.
func (m *manager) eachDead(ctx context.Context, in control.DeadRequest, drop bool, each func(w *deadWork, i int)) error {
	if len(in.IDs) > 0 {
		ids, err := m.actionsNamed(ctx, in.IDs, "chertd dead")
		if err != nil {
			return err
		}
		return m.deadPage(ctx, in, drop, ids, each)
	}
	f := store.DeadFilter{Chat: in.Chat, Pack: in.Pack, Code: in.Code}
	newest, err := m.store.Dead(ctx, f, 1) // those that die meanwhile stay
	if err != nil || len(newest) == 0 {
		return err
	}
	for after := (chat.ActionID{}); ; {
		page, err := m.store.DeadAfter(ctx, f, after, deadBatch)
		if err != nil {
			return err
		}
		page = slices.DeleteFunc(page, func(d store.DeadID) bool { return d.ID.Compare(newest[0].ID) > 0 })
		if len(page) == 0 {
			return nil
		}
		after = page[len(page)-1].ID
		if err := m.deadPage(ctx, in, drop, page, each); err != nil {
			return err
		}
	}
}

// actionsNamed returns the actions that people name. lister is the command that lists their ids.
func (m *manager) actionsNamed(ctx context.Context, names []string, lister string) (all []store.DeadID, err error) {
	var ids []chat.ActionID
	for _, name := range names {
		id, ok := chat.ParseActionID(name)
		if !ok {
			return nil, &control.UserError{Message: fmt.Sprintf("%.40q is not the id of an action", name), Hint: lister + " lists the ids, such as 17.0"}
		}
		ids = append(ids, id)
	}
	slices.SortFunc(ids, chat.ActionID.Compare)
	ids = slices.Compact(ids)
	known, err := m.store.ActionsByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range known {
		all = append(all, store.DeadID{ID: known[i].ID, Chat: known[i].Chat})
	}
	if len(known) == len(ids) {
		return all, nil
	}
	var unknown []string
	for _, id := range ids {
		if !slices.ContainsFunc(known, func(a chat.Action) bool { return a.ID == id }) {
			unknown = append(unknown, id.String())
		}
	}
	return nil, &control.UserError{
		Status: http.StatusNotFound, Message: "there is no action " + strings.Join(unknown[:min(len(unknown), 10)], ", ") + "; nothing was done",
		Hint: lister + " lists the ids",
	}
}

// deadPage retries or drops some dead actions, those of each chat together.
func (m *manager) deadPage(ctx context.Context, in control.DeadRequest, drop bool, page []store.DeadID, each func(w *deadWork, i int)) error {
	var chats []string
	works := map[string]*deadWork{}
	for _, d := range page {
		w := works[d.Chat]
		if w == nil {
			w = &deadWork{drop: drop, repeat: in.RepeatUnknown, dry: in.DryRun}
			works[d.Chat], chats = w, append(chats, d.Chat)
		}
		w.ids = append(w.ids, d.ID)
	}
	var counting sync.Mutex // guards what each changes
	return eachChat(ctx, len(chats), func(ctx context.Context, i int) error {
		w := works[chats[i]]
		if err := m.eng.apply(ctx, request{chat: chats[i], dead: w}); err != nil {
			return err
		}
		counting.Lock()
		defer counting.Unlock()
		for i := range w.after {
			each(w, i)
		}
		return nil
	})
}

package engine

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"chertd/engine/control"
	"chertd/rules/chat"
)

// CancelWaiting implements control.Daemon.
func (m *manager) CancelWaiting(ctx context.Context, in control.WaitingRequest) (control.WaitingChanged, error) {
	out, err := m.changeWaiting(ctx, in, &waitingChange{m: m, input: func(ids []chat.ActionID) chat.Input { return chat.Unqueue{IDs: ids} }})
	if out.Matched > 0 {
		m.log.Info("waiting actions cancelled by command", "cancelled", out.Done, "too_late", out.TooLate, "changed", out.Changed, "where", strings.Join(in.Where, " "))
	}
	return out, err
}

// HurryWaiting implements control.Daemon.
func (m *manager) HurryWaiting(ctx context.Context, in control.WaitingRequest) (control.WaitingChanged, error) {
	out, err := m.changeWaiting(ctx, in, &waitingChange{m: m, hurry: true, input: func(ids []chat.ActionID) chat.Input { return chat.Hurry{IDs: ids} }})
	if out.Matched > 0 {
		m.log.Info("waiting actions made due by command", "due", out.Done, "too_late", out.TooLate, "changed", out.Changed, "held", out.Held, "where", strings.Join(in.Where, " "))
	}
	return out, err
}

// waitingChange changes one batch of what waits.
type waitingChange struct {
	m     *manager
	f     waitingFilter
	hurry bool
	input func(ids []chat.ActionID) chat.Input

	mu  sync.Mutex // guards out
	out control.WaitingChanged
}

func (m *manager) changeWaiting(ctx context.Context, in control.WaitingRequest, x *waitingChange) (control.WaitingChanged, error) {
	var err error
	if x.f, err = parseWaiting(in.Where); err != nil {
		return x.out, err
	}
	x.f.through = in.Through
	if x.f.through == 0 {
		x.f.through = m.store.LastSeq()
	}
	x.out.Through = x.f.through
	if len(in.IDs) > 0 {
		err = x.changeNamed(ctx, in.IDs)
		return x.out, err
	}
	at := waitingPlace{}
	if in.After != "" {
		line, id, ok := strings.Cut(in.After, "\t")
		if !ok {
			return x.out, &control.UserError{Message: fmt.Sprintf("after: %.60q is not what an answer returned as next", in.After), Hint: "leave it out to begin"}
		}
		at = waitingPlace{line, id}
	} else if err := x.checkExpected(ctx, &in); err != nil {
		return x.out, err
	}
	err = x.changeChosen(ctx, at)
	return x.out, err
}

// checkExpected refuses a selection that has grown since it was counted.
func (x *waitingChange) checkExpected(ctx context.Context, in *control.WaitingRequest) error {
	now, err := x.m.listWaiting(ctx, &x.f, 0)
	if err != nil {
		return err
	}
	if err := x.m.checkFound(ctx, &x.f, now.Matched); err != nil {
		return err
	}
	switch {
	case in.Confirm:
	case now.Partial:
		return &control.UserError{
			Status: http.StatusConflict, Message: fmt.Sprintf("something waits in %d chats, more than are counted", now.Total), Hint: "\"confirm\": true instead of expect; chertd asks, or takes --yes",
		}
	case now.Matched > *in.Expect:
		return &control.UserError{
			Status: http.StatusConflict, Message: fmt.Sprintf("%d waiting actions match, and %d were expected; nothing was done", now.Matched, *in.Expect), Hint: "look again what waits, and repeat the command",
		}
	}
	return nil
}

// changeNamed changes actions that people name.
func (x *waitingChange) changeNamed(ctx context.Context, names []string) error {
	named, err := x.m.actionsNamed(ctx, names, "chertd waiting")
	if err != nil {
		return err
	}
	x.f.through, x.f.ids = 0, map[chat.ActionID]bool{}
	byChat := map[string][]chat.ActionID{}
	for _, d := range named {
		x.f.ids[d.ID] = true
		byChat[d.Chat] = append(byChat[d.Chat], d.ID)
	}
	// Blocked reads are of no chat's waiting ones.
	blocked, _, err := x.m.blockedReads(ctx, &x.f)
	if err != nil {
		return err
	}
	for i := range blocked {
		a := &blocked[i]
		byChat[a.Chat] = slices.DeleteFunc(byChat[a.Chat], func(id chat.ActionID) bool { return id == a.ID })
		if len(byChat[a.Chat]) == 0 {
			delete(byChat, a.Chat)
		}
	}
	if err := x.changeBlocked(ctx); err != nil {
		return err
	}
	x.out.Matched = int64(len(named))
	chats := make([]string, 0, len(byChat))
	for id := range byChat {
		chats = append(chats, id)
	}
	slices.Sort(chats)
	calls := x.m.eng.callsState()
	return eachChat(ctx, len(chats), func(ctx context.Context, i int) error { return x.change(ctx, chats[i], byChat[chats[i]], calls) })
}

// changeChosen changes what the filter chooses in the chats after a place, one batch of them.
func (x *waitingChange) changeChosen(ctx context.Context, at waitingPlace) error {
	e := x.m.eng
	if x.f.chat != "" {
		chats, err := e.chatsNow(ctx, []string{x.f.chat})
		if err != nil {
			return err
		}
		if err := x.changePage(ctx, chats); err != nil {
			return err
		}
		return x.changeBlocked(ctx)
	}
	var lines []string
	if x.f.line != nil {
		lines = []string{*x.f.line}
	}
	began := time.Now()
	for looked := 0; looked < waitingBatch && time.Since(began) < waitingBatchTime; looked += sweepPage {
		chats, next, err := e.waitingPage(ctx, lines, at, sweepPage)
		if err != nil {
			return err
		}
		if err := x.changePage(ctx, chats); err != nil {
			return err
		}
		if next == nil {
			x.out.Next = ""
			return x.changeBlocked(ctx)
		}
		at, x.out.Next = *next, next.line+"\t"+next.chat
	}
	return nil
}

// changePage changes what the filter chooses in some chats.
func (x *waitingChange) changePage(ctx context.Context, chats []*chat.Chat) error {
	calls := x.m.eng.callsState()
	var ids []string
	var chosen [][]chat.ActionID
	for _, c := range chats {
		var some []chat.ActionID
		for i := range c.Waiting {
			if _, ok := x.f.matches(c, i, calls); ok {
				some = append(some, c.Waiting[i].ID)
			}
		}
		if len(some) > 0 {
			ids, chosen = append(ids, c.ID), append(chosen, some)
			x.out.Matched += int64(len(some))
		}
	}
	return eachChat(ctx, len(ids), func(ctx context.Context, i int) error { return x.change(ctx, ids[i], chosen[i], calls) })
}

// change changes those of some actions of a chat that match when its shard is at it: the chat may
// have moved since they were chosen.
func (x *waitingChange) change(ctx context.Context, id string, chosen []chat.ActionID, state *callsState) error {
	var done, late, held int64
	choose := func(c *chat.Chat, now time.Time) chat.Input {
		done, late, held = 0, 0, 0 // a batch may run again
		calls := *state
		calls.at = now
		_, isHeld := c.Held(now, calls.holds...)
		var ids []chat.ActionID
		for i := range c.Waiting {
			a := &c.Waiting[i]
			if !slices.Contains(chosen, a.ID) {
				continue
			}
			w, ok := x.f.matches(c, i, &calls)
			switch {
			case w.For == waitInFlight || a.Status == chat.Sent:
				// It is dropped all the same: if the call fails, it is not repeated.
				late++
				if !x.hurry {
					ids = append(ids, a.ID)
				}
			case !ok:
			case x.hurry && isHeld && a.Kind == chat.Read:
				held++
			default:
				done++
				ids = append(ids, a.ID)
			}
		}
		if len(ids) == 0 {
			return nil
		}
		return x.input(ids)
	}
	if err := x.m.eng.apply(ctx, request{chat: id, choose: choose}); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.out.Done += done
	x.out.TooLate += late
	x.out.Held += held
	x.out.Changed += int64(len(chosen)) - done - late - held
	return nil
}

package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/wait"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

const (
	// heldData is how long a hold that has ended stays among the data of each step: a
	// pack may run again, by retry-errors, on an event that it missed during the hold.
	heldData = 7 * 24 * time.Hour
	// heldKept is how long the store keeps a hold that has ended: records of reads name it.
	heldKept = 30 * 24 * time.Hour
	// maxSelectionHolds is how many are in force at most: each step looks at all of them.
	maxSelectionHolds = 100
	// sweepPage is how many chats a sweep looks at together.
	sweepPage = 512
)

// selectionHolds keeps the holds of selections, and ends them. What they do to a chat is decided by
// chat.Step, which gets them as data; the sweeps below only have it decide early for chats that
// have no other input, so that what was dropped is recorded.
type selectionHolds struct {
	e       *Engine
	data    atomic.Pointer[[]chat.SelectionHold] // of each step; not changed once it is there
	changed chan struct{}                        // there is a sweep to make, or another end to wait for

	mu  sync.Mutex // held while the store is changed
	all []chat.SelectionHold
}

func newSelectionHolds(e *Engine) *selectionHolds {
	return &selectionHolds{e: e, changed: make(chan struct{}, 1)}
}

// now returns the holds that steps get.
func (h *selectionHolds) now() []chat.SelectionHold {
	if all := h.data.Load(); all != nil {
		return *all
	}
	return nil
}

// restoreHolds reads the holds that an earlier process has kept. No call may go out before it.
func (e *Engine) restoreHolds(ctx context.Context) error {
	h := e.held
	h.mu.Lock()
	defer h.mu.Unlock()
	all, err := e.c.Store.SelectionHolds(ctx)
	if err != nil {
		return err
	}
	h.all = all
	h.publish()
	return nil
}

// publish makes what is kept the data of the next steps. It is called with mu held.
func (h *selectionHolds) publish() {
	var data []chat.SelectionHold
	for _, x := range h.all {
		if x.Through == 0 || !x.Settled || h.e.c.Now().Before(x.Until.Add(heldData)) {
			data = append(data, x)
		}
	}
	h.data.Store(&data)
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// keep stores a hold, new or changed, and makes it the data of the next steps. It is called with mu
// held. A command that has gone must not leave it unknown whether the hold is in force.
func (h *selectionHolds) keep(ctx context.Context, x chat.SelectionHold) error {
	if err := h.e.c.Store.SetSelectionHold(context.WithoutCancel(ctx), x); err != nil {
		return err
	}
	all := slices.Clone(h.all)
	if i := slices.IndexFunc(all, func(y chat.SelectionHold) bool { return y.ID == x.ID }); i >= 0 {
		all[i] = x
	} else {
		all = append(all, x)
	}
	h.all = all
	h.publish()
	return nil
}

// find returns the holds in force that match.
func (h *selectionHolds) find(match func(*chat.SelectionHold) bool) (found []chat.SelectionHold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.findLocked(match)
}

func (h *selectionHolds) findLocked(match func(*chat.SelectionHold) bool) (found []chat.SelectionHold) {
	for i := range h.all {
		if x := &h.all[i]; x.Through == 0 && match(x) {
			found = append(found, *x)
		}
	}
	return found
}

// byName returns the hold that a record names.
func (h *selectionHolds) byName(name string) (x chat.SelectionHold, ok bool) {
	id, ok := chat.ParseHoldName(name)
	if !ok {
		return x, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.all, func(x chat.SelectionHold) bool { return x.ID == id })
	if i < 0 {
		return x, false
	}
	return h.all[i], true
}

// begin holds the chats of a selection. One of the same selection that is in force ends, unless it lasts
// longer: then that one is returned.
func (h *selectionHolds) begin(ctx context.Context, x chat.SelectionHold) (inForce chat.SelectionHold, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	same := h.findLocked(func(y *chat.SelectionHold) bool { return y.Of == x.Of })
	for _, y := range same {
		if !x.Until.After(y.Until) {
			return y, nil
		}
	}
	if len(h.findLocked(func(*chat.SelectionHold) bool { return true }))-len(same) >= maxSelectionHolds {
		return x, errManyHolds
	}
	x.ID, x.Seq = 1, h.e.c.Store.LastSeq()
	for _, y := range h.all {
		x.ID = max(x.ID, y.ID+1)
	}
	if err := h.keep(ctx, x); err != nil {
		return x, err
	}
	for _, y := range same {
		if err := h.endLocked(ctx, y, h.e.c.Now(), x.Name()); err != nil {
			return x, err
		}
	}
	return x, nil
}

// end ends the holds in force that match, before their time, and returns them as they are then.
func (h *selectionHolds) end(ctx context.Context, by string, match func(*chat.SelectionHold) bool) (ended []chat.SelectionHold, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.e.c.Now()
	for _, x := range h.findLocked(match) {
		if err := h.endLocked(ctx, x, now, by); err != nil {
			return ended, err
		}
		ended = append(ended, x)
	}
	return ended, nil
}

// endLocked ends a hold at a time, or when it was to end. by is who ended it early; "": nobody.
func (h *selectionHolds) endLocked(ctx context.Context, x chat.SelectionHold, now time.Time, by string) error {
	if now.Before(x.Until) {
		x.Until, x.EndedBy = now, by
	}
	// A journal without an event has nothing that came later either.
	x.Through = max(1, h.e.c.Store.LastSeq())
	return h.keep(ctx, x)
}

// runHolds ends holds at their time and records what they drop, until ctx ends.
func (e *Engine) runHolds(ctx context.Context) {
	for {
		next, err := e.held.turn(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			e.c.Log.Error("could not end the hold of a selection, or record what it dropped; retrying", keyError, err, "hint", diag.StoreHint)
			next = e.c.Now().Add(storeRetryMax)
		}
		if !wait.Until(ctx, e.c.Now, next, e.held.changed) {
			return
		}
	}
}

// turn does what is due, and returns when the next hold ends; zero: none does.
func (h *selectionHolds) turn(ctx context.Context) (next time.Time, err error) {
	if err := h.expire(ctx); err != nil {
		return next, err
	}
	for _, x := range h.now() {
		if x.Swept && (x.Through == 0 || x.Settled) {
			continue
		}
		dropped, err := h.sweep(ctx, &x)
		if err != nil {
			return next, fmt.Errorf("record the reads that %s drops: %w", x.Name(), err)
		}
		if err := h.swept(ctx, &x); err != nil {
			return next, err
		}
		if dropped > 0 || !x.Swept {
			h.e.c.Log.Info("reads dropped by the hold of a selection", "hold", x.ID, "where", x.Of.String(), "dropped_reads", dropped)
		}
	}
	for _, x := range h.find(func(*chat.SelectionHold) bool { return true }) {
		if next.IsZero() || x.Until.Before(next) {
			next = x.Until
		}
	}
	return next, nil
}

// expire ends the holds whose time is over, logs that once, and removes what ended long ago.
func (h *selectionHolds) expire(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.e.c.Now()
	for _, x := range h.findLocked(func(x *chat.SelectionHold) bool { return !now.Before(x.Until) }) {
		if err := h.endLocked(ctx, x, now, ""); err != nil {
			return fmt.Errorf("end %s: %w", x.Name(), err)
		}
		h.e.c.Log.Info("hold of a selection ended", "hold", x.ID, "where", x.Of.String(), "by", x.By, "until", x.Until.UTC().Format(time.RFC3339), keyReason, x.Reason)
	}
	for i, x := range slices.Backward(h.all) {
		// The newest one stays, so that its id is not given again.
		if i == len(h.all)-1 || x.Through == 0 || !x.Settled || now.Before(x.Until.Add(heldKept)) {
			continue
		}
		if err := h.e.c.Store.DropSelectionHold(ctx, x.ID); err != nil {
			return fmt.Errorf("remove %s: %w", x.Name(), err)
		}
		h.all = slices.Delete(slices.Clone(h.all), i, i+1)
		h.publish()
	}
	return nil
}

// swept notes that a sweep of a hold, as it was when it began, is complete.
func (h *selectionHolds) swept(ctx context.Context, was *chat.SelectionHold) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.all, func(x chat.SelectionHold) bool { return x.ID == was.ID })
	if i < 0 {
		return nil
	}
	x := h.all[i]
	x.Swept, x.Settled = true, was.Through > 0
	return h.keep(ctx, x)
}

// sweep has all chats decide on the reads that a hold drops, and returns how many those were.
func (h *selectionHolds) sweep(ctx context.Context, x *chat.SelectionHold) (dropped int64, err error) {
	// Events that were handled before the hold was there may have requested reads that are not
	// stored yet.
	if err := h.e.waitDurable(ctx); err != nil {
		return 0, err
	}
	lines := []string{x.Of.Line, ""}
	if x.Of.Line == "" {
		lines = nil
	}
	var reads atomic.Int64
	page := func(chats []*chat.Chat, blocked bool) error {
		now := h.e.c.Now()
		chats = slices.DeleteFunc(chats, func(c *chat.Chat) bool {
			drops := func(a chat.Action) bool { return x.Drops(&a, now) }
			return !x.Of.Has(c) || !blocked && !slices.ContainsFunc(c.Waiting, drops)
		})
		return eachChat(ctx, len(chats), func(ctx context.Context, i int) error {
			count := func(_ *chat.Chat, actions []chat.Action) {
				for i := range actions {
					if actions[i].Why == chat.WhyHeld && actions[i].EndedBy.By == x.Name() {
						reads.Add(1)
					}
				}
			}
			return h.e.apply(ctx, request{chat: chats[i].ID, input: chat.Sweep{}, moved: count})
		})
	}
	if err := h.e.eachWaiting(ctx, lines, func(chats []*chat.Chat) error { return page(chats, false) }); err != nil {
		return reads.Load(), err
	}
	for after := ""; ; {
		ids, err := h.e.c.Store.BlockedChats(ctx, after, sweepPage)
		if err != nil || len(ids) == 0 {
			return reads.Load(), err
		}
		after = ids[len(ids)-1]
		chats, err := h.e.chatsNow(ctx, ids)
		if err != nil {
			return reads.Load(), err
		}
		if err := page(chats, true); err != nil {
			return reads.Load(), err
		}
	}
}

// eachWaiting calls do with all chats of some lines (nil: all) that have actions waiting, a page at a time.
func (e *Engine) eachWaiting(ctx context.Context, lines []string, do func([]*chat.Chat) error) error {
	at := waitingPlace{}
	for {
		chats, next, err := e.waitingPage(ctx, lines, at, sweepPage)
		if err != nil {
			return err
		}
		if err := do(chats); err != nil || next == nil {
			return err
		}
		at = *next
	}
}

// waitingPlace is a place in the order of lines, and of the chats of each.
type waitingPlace struct{ line, chat string }

// waitingPage returns chats that have actions waiting, those after a place, about limit of them, and
// the place after them; nil: these are the last ones. lines, if not nil, are the lines to look at.
func (e *Engine) waitingPage(ctx context.Context, lines []string, after waitingPlace, limit int) (chats []*chat.Chat, next *waitingPlace, err error) {
	var ids []string
	for len(ids) == 0 {
		if ids, err = e.c.Store.WaitingChats(ctx, after.line, after.chat, limit); err != nil {
			return nil, nil, err
		}
		if lines != nil && !slices.Contains(lines, after.line) {
			ids = nil
		}
		if len(ids) == limit {
			next = &waitingPlace{after.line, ids[limit-1]}
			break
		}
		line, ok, err := e.lineAfter(ctx, lines, after.line)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			next = nil
			break
		}
		after = waitingPlace{line: line}
		next = &after
	}
	chats, err = e.chatsNow(ctx, ids)
	return chats, next, err
}

// lineAfter returns the next phone line on which something waits, or of lines the next one.
func (e *Engine) lineAfter(ctx context.Context, lines []string, line string) (next string, ok bool, err error) {
	all := slices.Sorted(slices.Values(lines))
	if lines == nil {
		if all, err = e.c.Store.WaitingLines(ctx, line, 2); err != nil {
			return "", false, err
		}
	}
	i := slices.IndexFunc(all, func(x string) bool { return cmp.Compare(x, line) > 0 })
	if i < 0 {
		return "", false, nil
	}
	return all[i], true, nil
}

// chatsNow returns chats as they are in memory, or else in the store. They must not be changed.
func (e *Engine) chatsNow(ctx context.Context, ids []string) ([]*chat.Chat, error) {
	all := make([]*chat.Chat, len(ids))
	var stored []string
	for i, id := range ids {
		s := e.shardOf(id)
		s.mu.Lock()
		all[i] = s.chats.peek(id)
		s.mu.Unlock()
		if all[i] == nil {
			stored = append(stored, id)
		}
	}
	if len(stored) == 0 {
		return all, nil
	}
	read, err := e.c.Store.Chats(ctx, stored)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i] == nil {
			all[i], read = &read[0], read[1:]
		}
	}
	return all, nil
}

// chatsByID is chatsNow by id, for ids that may occur several times.
func (e *Engine) chatsByID(ctx context.Context, ids []string) (map[string]*chat.Chat, error) {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	found, err := e.chatsNow(ctx, ids)
	if err != nil {
		return nil, err
	}
	chats := make(map[string]*chat.Chat, len(ids))
	for i, id := range ids {
		chats[id] = found[i]
	}
	return chats, nil
}
